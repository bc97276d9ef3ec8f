"""Replay-aware logging for loguru and structlog, which have handlers of their own.

Loggers that write through the standard ``logging``, such as that of Powertools, need none of this: see ``logging``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import Any, cast

from durable_execution_sdk.runtime.logging import Line, line_at

__all__ = ["loguru_filter", "structlog_renderer"]

_logger = logging.getLogger("durable_execution")

_HELD = "durable_held"
_RELEASED = "durable_released"
_LEVELS = {
    "debug": 10,
    "info": 20,
    "warn": 30,
    "warning": 30,
    "error": 40,
    "exception": 40,
    "err": 40,
    "critical": 50,
    "fatal": 50,
}


def loguru_filter(record: Any) -> bool:
    """Drop the lines of replayed code, and put the execution's fields into ``extra``: a filter for sinks of loguru.

    Give it to each sink: ``logger.add(sys.stderr, filter=loguru_filter)``. The fields are those of
    ``ReplayFilter``. Lines of which it is not known yet whether they are replayed are held, and are written later,
    with their own time and place, if they are not.
    """
    if record.get(_RELEASED):
        return True
    if record.get(_HELD):
        return False  # another sink has held it for all of them
    line = line_at(record["level"].no)
    if line is None:
        return True
    _add(line, record["extra"])
    if line.hold is not None:
        record[_HELD] = True
        line.hold(_writes_again(record))
    return not line.is_silent


def _writes_again(record: dict[str, Any]) -> Callable[[], None]:
    """Return a function that writes a record of loguru as it is now."""
    extra = {name: _copied(value) for name, value in record["extra"].items()}
    kept = {**record, "extra": {**extra, "is_replay": False}, _RELEASED: True}
    level = record["level"]

    def restore(fresh: Any) -> None:
        fresh.update(kept)

    def write() -> None:
        from loguru import logger  # noqa: PLC0415 - loaded already, if it has written a line

        # A level without a name has one that begins so, and can be given only by its number.
        name = level.no if level.name.startswith("Level ") else level.name
        logger.patch(restore).log(name, "")

    return write


def _copied(value: Any) -> Any:
    import copy  # noqa: PLC0415 - only for lines that are held

    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def structlog_renderer(
    renderer: Callable[[Any, str, MutableMapping[str, Any]], Any],
) -> Callable[[Any, str, MutableMapping[str, Any]], Any]:
    """Return the renderer of structlog, with the execution's fields, and without the lines of replayed code.

    Put it where the renderer stands, as the last of the processors:
    ``structlog.configure(processors=[..., structlog_renderer(structlog.processors.JSONRenderer())])``. The fields
    are those of ``ReplayFilter``. Lines of which it is not known yet whether they are replayed are rendered and
    held, and are written later if they are not.
    """

    def render(logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        line = line_at(_LEVELS.get(method, 20))
        if line is None:
            return renderer(logger, method, event)
        _add(line, event)
        if not line.is_silent:
            return renderer(logger, method, event)
        if line.hold is not None:
            for name, value in event.items():  # code may change them before the line is written
                event[name] = _copied(value)
            event["is_replay"] = False
            rendered = renderer(logger, method, event)
            line.hold(lambda: _write(getattr(logger, method), rendered))
        from structlog import DropEvent  # noqa: PLC0415 - loaded already, if it has written a line

        raise DropEvent

    return render


def _add(line: Line, fields: MutableMapping[str, Any]) -> None:
    """Add the fields of a line that it has; those of the user with the same name stay."""
    for name, value in line.fields.items():
        if value is not None:
            fields.setdefault(name, value)


def _write(write: Callable[..., object], rendered: Any) -> None:
    """Hand over what a renderer returned, in the forms that structlog allows."""
    try:
        if isinstance(rendered, dict):
            write(**cast("dict[str, Any]", rendered))
        elif isinstance(rendered, tuple):
            positional, named = cast("tuple[tuple[Any, ...], dict[str, Any]]", rendered)
            write(*positional, **named)
        else:
            write(rendered)
    except Exception:
        # The code that wrote the line is past it.
        _logger.warning("a line that was held could not be written", exc_info=True)
