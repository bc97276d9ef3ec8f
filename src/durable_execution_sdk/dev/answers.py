"""Refuse answers that the code which waits for them could not read, by the schema that its process has sent."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path
from durable_execution_sdk.dev.schemas.validation import Mistake, find_mistakes
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.errors import StoreError
from durable_execution_sdk.protocol.error_codes import INVALID_PARAMETER, STATUS

__all__ = [
    "Awaited",
    "MisfitError",
    "awaited_by",
    "check_answer",
    "check_results",
    "logs_beside",
]


class Awaited(NamedTuple):
    """The type of a callback's answer, by its name and its JSON schema, as far as they are known."""

    name: str | None = None
    schema: str | None = None


class MisfitError(Rejected):
    """Raised for an answer that does not fit; nothing was recorded."""

    def __init__(self, awaited: str | None, mistakes: list[Mistake]) -> None:
        places = "; ".join(map(str, mistakes))
        super().__init__(
            f"The code that waits for the callback reads {awaited}, and this does not fit: {places}.",
            code=INVALID_PARAMETER,
            status=STATUS[INVALID_PARAMETER],
        )
        self.mistakes = mistakes


def awaited_by(logs: LogStore | None, arn: str, operation_id: str) -> Awaited:
    """Return the type that a callback waits for. Only Python functions in processes of a server tell it."""
    if logs is None:
        return Awaited()
    try:
        return Awaited(*logs.awaited(arn, operation_id))
    except StoreError:
        return Awaited()


def check_answer(
    logs: LogStore | None, callback_id: str, result: str | None, *, is_typed: bool = False
) -> None:
    """Raise ``MisfitError`` for the result of a callback that does not fit its type, if that is known.

    The type is that of the code which created the callback; code that was edited since may read another one. If a
    person typed the result, names of members that are probably misspelt do not fit either.
    """
    arn, operation_id = parse_callback_id(callback_id)
    awaited = awaited_by(logs, arn, operation_id)
    _check(awaited, result)
    if is_typed and awaited.schema is not None:
        from durable_execution_sdk.dev.schemas.misspellings import (  # noqa: PLC0415 - only for the command
            find_misspellings,
        )

        if misspelt := find_misspellings(awaited.schema, result):
            raise MisfitError(awaited.name, misspelt)


def check_results(logs: LogStore | None, arn: str, results: Mapping[str, str]) -> None:
    """Raise ``MisfitError`` if one of these results of operations is the answer of a callback that it does not fit."""
    for operation_id, result in results.items():
        _check(awaited_by(logs, arn, operation_id), result)


@contextmanager
def logs_beside(store: Path) -> Generator[LogStore | None]:
    """Open the logs beside a store, if a server has made some that can be read."""
    path = logs_path(store)
    try:
        logs = LogStore(path) if path.exists() else None
    except StoreError:
        logs = None
    try:
        yield logs
    finally:
        if logs is not None:
            logs.close()


def _check(awaited: Awaited, result: str | None) -> None:
    if awaited.schema is not None:
        mistakes = find_mistakes(awaited.schema, result)
        if mistakes:
            raise MisfitError(awaited.name, mistakes)
