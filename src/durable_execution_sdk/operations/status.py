"""The status of an execution, which workflow code sets for people and programs that look at it from outside.

``ctx.set_status(value)`` records a value with the next checkpoint call. The record is one STEP at the root level, with
an id of its own (``runtime.log.ids.status_id``) that takes no number from a scope. It stands there because the service
leaves out what is in a context that has ended. Code never reads a status, so nothing that it does depends on which
ones are recorded, and replay need not ask for them (``Journal.marked``): a call may be added or removed at any time.

Not every call has a record. One that is followed by another before a checkpoint call leaves is replaced; with
``every=`` it is held back; and after a crash it may be lost. So a replayed call without a record tells nothing, and
must not put an old value in the place of a newer one::

    ctx.set_status("a")                     # replaced before it left
    await ctx.run_in_child_context(part)    # sets "b", which is recorded; replay does not run it again

So a replayed call without a record is recorded only if the code has seen an end before it that is not older than the
last record of all. Each later call takes the place of one that has not left, and if that call is recorded, none is left.
What is lost: after a crash a value that ``every=`` held back, if the call stood in a context that has ended, beside
other tasks, or in optimistic mode. The next call sets another.

The id follows from the scope of the call and its number in it. A new call takes the next number that is free, since the
log may have records of calls that were removed from the code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from sys import float_info
from typing import Any

from msgspec import Struct

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError, InvocationError, SerDesError
from durable_execution_sdk.protocol.limits import MAX_STATUS_BYTES
from durable_execution_sdk.protocol.operations import (
    STATUS_NAME,
    OperationSubType,
    OperationType,
    is_status,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate, text_bytes
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope, current_scope
from durable_execution_sdk.runtime.error_objects import shown
from durable_execution_sdk.runtime.log.ids import status_id
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.serdes import SerDes, ValueContext, checked_text, serdes_for_type

__all__ = ["Statuses", "progress_value", "report_items", "set_status"]


class _Waiting(Struct, frozen=True):
    """A status that has not left. ``every`` is the time that has to pass since the last record, in milliseconds."""

    status_id: str
    payload: str
    every: float


class Statuses:
    """The statuses of one invocation: the last one that has left, and the one that waits for the next call."""

    def __init__(self, run: InvocationRun) -> None:
        self._run = run
        self._counts: dict[str, int] = {}
        self._waiting: _Waiting | None = None
        # The id and the payload of the last one that has left, and its time if it was recorded before.
        self._last_id = ""
        self._last_payload: str | None = None
        self._recorded_at = -math.inf
        for record in run.journal.known():
            if (
                is_status(record.id, record.name)
                and (record.end_timestamp or 0) >= self._recorded_at
            ):
                details = record.step_details
                self._last_id, self._recorded_at = record.id, record.end_timestamp or 0
                self._last_payload = None if details is None else details.result

    def set(self, scope: IdScope, payload: str, every: float) -> None:
        """Let the next call record this status, unless an earlier invocation has done so, or has recorded a later one."""
        context_state, journal = scope.context_state, self._run.journal
        place = f"{scope.context}{scope.path.text}"
        number = self._counts[place] = self._counts.get(place, 0) + 1
        if context_state.is_rebuilt or context_state.is_over:
            return
        new_id = status_id(f"{place}|{number}")
        if scope.is_replaying:
            if journal.is_recorded(new_id):
                self._drop()
                return
            if not self._is_after_last():
                return
        if payload == self._last_payload:
            self._drop()
            return
        while journal.is_recorded(new_id):
            number = self._counts[place] = number + 1
            new_id = status_id(f"{place}|{number}")
        self._waiting = _Waiting(new_id, payload, every)
        self._run.checkpointer.leave_status(self._leave)

    def _is_after_last(self) -> bool:
        """Return ``True`` if the code has seen an end that is not before the last record.

        Equal times are those of one call, whose status was set before it left, and so before its ends were seen. An
        early result of optimistic mode is seen before its call leaves.
        """
        seen, last = self._run.completions.last_at, self._time_of_last()
        is_first = last == -math.inf
        return is_first or seen > last or (seen == last and not self._run.is_optimistic)

    def _drop(self) -> None:
        self._waiting = self._run.checkpointer.status = None

    def _leave(self, is_last: bool) -> OperationUpdate | None:  # noqa: FBT001 - the writer asks for it
        """Return the update of the status that waits, which leaves now; ``None`` if it is not due yet."""
        waiting, run = self._waiting, self._run
        if waiting is None or not (is_last or run.is_ending or self._is_due(waiting)):
            return None
        self._drop()
        self._last_id, self._last_payload = waiting.status_id, waiting.payload
        self._recorded_at = math.inf
        run.journal.marked(waiting.status_id)
        return OperationUpdate(
            id=waiting.status_id,
            type=OperationType.STEP,
            action=OperationAction.SUCCEED,
            name=STATUS_NAME,
            sub_type=OperationSubType.STEP,
            payload=waiting.payload,
        )

    def _is_due(self, waiting: _Waiting) -> bool:
        run = self._run
        # The log's time; but early results of optimistic mode do not move it.
        now = run.plane.now() if run.is_optimistic else run.completions.now
        return not waiting.every or now - self._time_of_last() >= waiting.every

    def _time_of_last(self) -> float:
        """Return the time of the last record, by the log; infinite while its call is in flight."""
        if self._recorded_at == math.inf:
            record = self._run.journal.get(self._last_id)
            if record is not None:
                self._recorded_at = record.end_timestamp or 0
        return self._recorded_at


def set_status(
    scope: IdScope, value: object, every: DurationLike | None, call: str = "ctx.set_status"
) -> None:
    """Record a status with the next call. Raises ``ConfigError`` if it is too large, ``SerDesError`` if it is not JSON."""
    run = scope.context_state.run
    limit = 0 if every is None else Duration.of(every, f"{call}(every=...)").seconds * 1000
    payload = _written(run, value, call)
    statuses: Statuses = run.statuses or Statuses(run)
    run.statuses = statuses
    statuses.set(scope, payload, limit)


def progress_value(done: object, total: object, label: object) -> Mapping[str, object]:
    """Return the status that readers show as progress. Raises ``ConfigError`` for other values than numbers."""
    for name, number in (("done", done), ("total", total)):
        is_left_out = name == "total" and number is None
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not (is_left_out or (is_number and 0 <= number <= float_info.max)):  # type: ignore[operator]
            raise ConfigError(
                f"ctx.progress(done, total) takes two numbers, 0 or more and no larger than a float, and total may be None if"
                f" it is not known; {name} is {shown(number, repr)}"
            )
    if label is not None and not isinstance(label, str):
        raise ConfigError(f"ctx.progress(label=...) is a text, not {label!r}")
    return {"done": done, "total": total, **({} if label is None else {"label": label})}


def report_items(
    every: DurationLike,
    context_state: ContextState,
    done: int,
    total: int | None,
    has_ended: bool,  # noqa: FBT001 - a map calls it
) -> None:
    """Set the progress of a map, which has this context; its end is recorded in any case."""
    value = progress_value(done, total, context_state.name)
    scope = current_scope(context_state)
    set_status(scope, value, None if has_ended else every, "MapConfig.progress_every")


def _written(run: InvocationRun, value: object, call: str) -> str:
    serdes: SerDes[Any] = run.settings.serdes or serdes_for_type(Any)
    middleware = run.settings.middleware
    if middleware is not None:
        serdes = middleware.serdes(serdes, OperationType.STEP, OperationSubType.STEP)
    context = ValueContext(
        operation_id=STATUS_NAME,
        operation_name=STATUS_NAME,
        durable_execution_arn=run.invoked.arn,
        is_outward=True,
        subject=f"the value of {call}",
    )
    try:
        payload = serdes.serialize(value, context)
    except (SerDesError, InvocationError):
        raise
    except Exception as error:
        raise SerDesError(f"the serdes cannot write {context.what}: {shown(error, str)}") from error
    text = checked_text(payload, f"what the serdes writes for {context.what}")
    size = text_bytes(text)
    if size > MAX_STATUS_BYTES:
        raise ConfigError(
            f"{call}: the status has {size:,} bytes as JSON, and may have {MAX_STATUS_BYTES:,}, since each one that is"
            " recorded stays in the log: keep the data in the result of a step, or elsewhere (S3, a database), and set a"
            " summary or a key"
        )
    return text
