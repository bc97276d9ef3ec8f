"""The document about a server: where its executions come from, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

__all__ = ["About", "Origin", "TellAbout"]


class Origin(StrEnum):
    """Kinds of places that executions are read from."""

    STORE = "store"
    HISTORY = "history"
    ENDPOINT = "endpoint"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a server that a reader needs before it shows anything.

    Attributes:
        read_only: nothing can be started, answered or changed.
        origin: the kind of place that the executions come from.
        name: the path of the store or of the saved history, or the ARN of the execution.
        place: the address of the endpoint.
        is_live: changes are shown as they come.
        as_of: the time at which a history that has no end was saved, in ISO 8601.
        has_logs: lines of logs and processes of invocations are known.
        has_code: positions in the code are known.
        has_payloads: ``False`` if the history was saved without them.
        has_others: other executions are there, such as those that one invoked.
        is_arn_known: ``False`` if the ARN was made up, since a saved history does not have it.
        trouble: the reason for which changes do not come now.
    """

    read_only: bool
    origin: Origin
    name: str
    place: str | None = None
    is_live: bool = True
    as_of: str | None = None
    has_logs: bool = False
    has_code: bool = False
    has_payloads: bool = True
    has_others: bool = True
    is_arn_known: bool = True
    trouble: str | None = None


TellAbout = Callable[[], About]
