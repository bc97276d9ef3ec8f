"""Write operations as a table, with a choice of columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import kind
from durable_execution_sdk.rendering.payloads import payload_line
from durable_execution_sdk.rendering.times import iso, span
from durable_execution_sdk.rendering.wording import brief
from durable_execution_sdk.testing.results.operations import RecordedOperation

__all__ = ["Column", "aligned", "operation_table"]

Column = Literal[
    "id",
    "parent_id",
    "name",
    "type",
    "status",
    "attempt",
    "started",
    "ended",
    "duration",
    "result",
]
"""A column of the table of operations."""

_COLUMNS: tuple[Column, ...] = get_args(Column)
_MILLISECOND = timedelta(milliseconds=1)
_NOTHING = "-"


def operation_table(
    operations: Sequence[RecordedOperation], columns: Sequence[Column] | Literal["all"]
) -> str:
    """Write a line for each operation. Raises ``ConfigError`` for a column that does not exist."""
    chosen = _COLUMNS if columns == "all" else tuple(_checked(columns))
    rows = [tuple(_CELLS[column](operation) for column in chosen) for operation in operations]
    return aligned([chosen, *rows])


def _checked(columns: Sequence[Column]) -> Sequence[Column]:
    wrong = [columns] if isinstance(columns, str) or not columns else set(columns) - set(_COLUMNS)
    for value in wrong:
        raise ConfigError(f'columns is "all" or a list of {", ".join(_COLUMNS)}, not {value!r}')
    return columns


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Write rows of cells as lines, with the cells of a column below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _result(operation: RecordedOperation) -> str:
    error = operation.error_object
    if error is not None and not operation.succeeded:
        return brief(error)
    return _NOTHING if operation.payload is None else payload_line(operation.payload)


def _time(moment: datetime | None) -> str:
    return _NOTHING if moment is None else iso(moment.timestamp() * 1000) or _NOTHING


def _duration(operation: RecordedOperation) -> str:
    duration = operation.duration
    return _NOTHING if duration is None else span(duration / _MILLISECOND)


_CELLS: dict[str, Callable[[RecordedOperation], str]] = {
    "id": lambda operation: operation.id,
    "parent_id": lambda operation: operation.parent_id or _NOTHING,
    "name": lambda operation: visible(operation.name or _NOTHING),
    "type": lambda operation: kind(operation.progress.operation),
    "status": lambda operation: operation.status,
    "attempt": lambda operation: str(operation.attempt or _NOTHING),
    "started": lambda operation: _time(operation.started_at),
    "ended": lambda operation: _time(operation.ended_at),
    "duration": _duration,
    "result": _result,
}
