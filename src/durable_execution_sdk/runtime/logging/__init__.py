"""Replay-aware logging, through the standard ``logging`` module.

A filter on the handlers of every logger drops the lines of replayed code, and puts the ids of the execution
and the operation on each record. So it works for any logger that the handler's code uses.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import msgspec

from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import CURRENT, StepContext, running_call
from durable_execution_sdk.runtime.tasks import WorkflowTask

if TYPE_CHECKING:
    from typing import Protocol

    class Tracer(Protocol):
        """A plugin that has traces of executions."""

        def ids_in_logs(self, arn: str) -> tuple[str, str] | None:
            """Return the ids of the trace and of the span that belong to a line which is written now."""
            ...


__all__ = [
    "RECORD_FIELDS",
    "STANDARD_FIELDS",
    "TRACERS",
    "ContextLogger",
    "Line",
    "ReplayFilter",
    "fields_of",
    "install_filter",
    "line_at",
]

RECORD_FIELDS = (
    "durable_execution_arn",
    "request_id",
    "operation_id",
    "parent_id",
    "operation_name",
    "attempt",
    "is_replay",
    "trace_id",
    "span_id",
)

# The attributes of a record that are none of the user's.
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# The level from which replayed lines are written in each ``ReplayLogging``, if any are.
_WRITTEN_FROM = {"ALL": logging.NOTSET, "WARNINGS": logging.WARNING, "ERRORS": logging.ERROR}

# Marks a record that was held and is to be written now.
_RELEASED = "_durable_released"


TRACERS: WeakSet[Tracer] = WeakSet()
"""The plugins that name the trace and the span of each line of their executions."""


class Line(msgspec.Struct, frozen=True):
    """A line that code of an execution writes now: its fields, and what becomes of it.

    ``hold`` takes a function that writes the line, and calls it once it is known that the line was not written
    before. It is ``None`` if that is known already.
    """

    fields: dict[str, object]
    is_silent: bool = False
    hold: Callable[[Callable[[], object]], None] | None = None


def line_at(level: int) -> Line | None:
    """Return the line of this level that is written now, ``None`` outside a workflow."""
    current = CURRENT.get()
    if current is None:
        call = running_call()
        current = None if call is None else call.caller
    if isinstance(current, StepContext):
        return Line(_step_fields(current))
    if not (isinstance(current, WorkflowTask) and isinstance(current.scope, IdScope)):
        return None
    context_state = current.scope.context_state
    fields = _workflow_fields(context_state)
    if not _is_silent(context_state, level):
        return Line(fields)
    in_doubt = _is_in_doubt(context_state)
    return Line(fields, True, context_state.run.position.hold if in_doubt else None)  # noqa: FBT003 - a field


class ReplayFilter(logging.Filter):
    """Drops the lines of replayed code, and puts the execution's fields on each record.

    Records get ``durable_execution_arn``, ``request_id``, ``operation_id``, ``parent_id``,
    ``operation_name``, ``attempt`` and ``is_replay``, and ``executionArn``, which is what AWS's own
    tools look for. With a plugin that traces, they get ``trace_id`` and ``span_id``. A field of the user's
    with one of these names keeps its value. Outside a workflow it does nothing. Lines of which it is not known
    yet whether they are replayed are held, and reach the handler later if they are not.
    """

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler

    def filter(self, record: logging.LogRecord) -> bool:
        """Return ``True`` if the record is to be written now."""
        if record.__dict__.pop(_RELEASED, False):
            return True
        line = line_at(record.levelno)
        if line is None:
            return True
        for name, value in line.fields.items():
            if name not in record.__dict__:  # a field of the user's with the same name stays
                setattr(record, name, value)
        if line.hold is not None:
            self._hold(record, line.hold)
        return not line.is_silent

    def _hold(
        self, record: logging.LogRecord, hold: Callable[[Callable[[], object]], None]
    ) -> None:
        _keep_as_it_is(record)

        def write() -> None:
            record.is_replay = False
            setattr(record, _RELEASED, True)
            try:
                self._handler.handle(record)
            except Exception:
                # The code that wrote the line is past it, and the handler's own ``handleError`` may have raised this.
                logging.Handler.handleError(self._handler, record)

        hold(write)


def _keep_as_it_is(record: logging.LogRecord) -> None:
    """Format the message and copy the fields now, because code may change them before the line is written.

    What cannot be formatted or copied stays: the handler reports it when it writes the line, if it ever does.
    """
    import copy  # noqa: PLC0415 - only for lines that are held

    with suppress(Exception):
        record.msg, record.args = record.getMessage(), None
    for name, field in fields_of(record).items():
        with suppress(Exception):
            setattr(record, name, copy.deepcopy(field))


def _is_silent(context_state: ContextState, level: int) -> bool:
    """Return ``True`` if a line of this level is dropped because the code is replayed."""
    if not context_state.is_replaying:
        return False
    mode = context_state.run.settings.replay_logging
    lowest = None if mode is None else _WRITTEN_FROM.get(mode.value)
    return lowest is None or level < lowest


def _is_in_doubt(context_state: ContextState) -> bool:
    """Return ``True`` if an earlier invocation may have been cut before it wrote the lines of this code.

    A call in a thread has written its lines if it is replayed.
    """
    if threading.get_ident() != context_state.run.thread:
        return False
    return context_state.run.position.is_in_doubt and not context_state.is_rebuilt


class ContextLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that is silent while its context is replayed, with any handlers."""

    def __init__(self, context_state: ContextState) -> None:
        super().__init__(context_state.run.settings.logger)
        self._context_state = context_state

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 (the standard library's name)
        """Return ``True`` if a line of this level would be written now, or may be later."""
        if not super().isEnabledFor(level):
            return False
        if not _is_silent(self._context_state, level):
            return True
        # Held by the filters of the handlers, which loggers of other kinds do not have.
        return _is_in_doubt(self._context_state) and isinstance(underlying(self), logging.Logger)

    def process(
        self, msg: object, kwargs: MutableMapping[str, Any]
    ) -> tuple[object, MutableMapping[str, object]]:
        """Rename members of ``extra`` that clash with the attributes that every record has."""
        extra = kwargs.get("extra")
        if extra:
            kwargs["extra"] = {
                f"{name}_" if name in STANDARD_FIELDS else name: value
                for name, value in extra.items()
            }
        return msg, kwargs


def underlying(logger: Any) -> Any:
    """Return the logger that an adapter writes to; a logger that is no adapter itself."""
    logger_below = logger
    while _is_adapter(logger_below):
        logger_below = logger_below.logger
    return logger_below


def _is_adapter(logger: object) -> bool:
    return isinstance(logger, logging.LoggerAdapter)


def install_filter(logger: logging.Logger) -> None:
    """Add the filter to the handlers of all loggers and of this one. A second call adds nothing."""
    # Copied, since another thread may make a logger meanwhile.
    existing = list(logging.root.manager.loggerDict.values())
    loggers = [owner for owner in existing if isinstance(owner, logging.Logger) and owner.handlers]
    handlers = [
        handler
        for owner in (logging.root, underlying(logger), *loggers)
        for handler in getattr(owner, "handlers", ())
    ]
    if logging.lastResort is not None:  # for records that no handler of a logger takes
        handlers.append(logging.lastResort)
    for handler in handlers:
        if not any(isinstance(installed, ReplayFilter) for installed in handler.filters):
            handler.addFilter(ReplayFilter(handler))


def _step_fields(step: StepContext) -> dict[str, object]:
    return {
        "durable_execution_arn": step.durable_execution_arn,
        "executionArn": step.durable_execution_arn,
        "request_id": step.request_id,
        "operation_id": step.operation_id,
        "parent_id": step.parent_id,
        "operation_name": step.operation_name,
        "attempt": step.attempt,
        "is_replay": False,
        **_trace_fields(step.durable_execution_arn),
    }


def _workflow_fields(context_state: ContextState) -> dict[str, object]:
    invoked = context_state.run.invoked
    return {
        "durable_execution_arn": invoked.arn,
        "executionArn": invoked.arn,
        "request_id": invoked.request_id,
        "operation_id": context_state.operation_id,
        "parent_id": None if context_state.parent is None else context_state.parent.parent_id,
        "operation_name": context_state.name,
        "attempt": None,
        "is_replay": context_state.is_replaying,
        **_trace_fields(invoked.arn),
    }


def _trace_fields(arn: str) -> dict[str, object]:
    for tracer in TRACERS:
        ids = tracer.ids_in_logs(arn)
        if ids is not None:
            return dict(zip(("trace_id", "span_id"), ids, strict=True))
    return {}


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of a record beside the message: from ``extra`` or ``ctx.log_info(..., **fields)``."""
    standard = STANDARD_FIELDS.union(RECORD_FIELDS, ("executionArn",))
    return {name: value for name, value in vars(record).items() if name not in standard}
