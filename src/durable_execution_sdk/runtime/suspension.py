"""Suspension: how workflow code is unwound, and what an invocation may end with."""

from __future__ import annotations

import asyncio

from msgspec import Struct

__all__ = ["Aborted", "Completed", "Suspended", "Verdict", "WentAway"]


class Suspended(asyncio.CancelledError):
    """The invocation has ended; the workflow goes on in a later one.

    A ``CancelledError``, so that ``except Exception`` does not swallow it and task groups take it for
    what it is. The verdict is in before it is raised: code that swallows it all the same changes
    nothing.
    """


class Completed(Struct, frozen=True):
    """The EXECUTION itself was completed through a checkpoint."""

    succeeded: bool
    error: BaseException | None = None


class WentAway(Struct, frozen=True):
    """Everything is blocked, and the service will invoke again: PENDING."""


class Aborted(Struct, frozen=True):
    """Something outside the workflow's own code ends the invocation.

    ``fatal`` fails the execution; otherwise the error is raised, so that Lambda invokes again.
    """

    error: BaseException
    fatal: bool


Verdict = Completed | WentAway | Aborted
