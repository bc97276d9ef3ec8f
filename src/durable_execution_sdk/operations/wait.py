"""Waits: the service ends them, and no function runs and is billed meanwhile."""

from __future__ import annotations

import math
from datetime import datetime
from types import FrameType

from msgspec.structs import replace

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS
from durable_execution_sdk.protocol.operations import (
    GIVEN_UP,
    TERMINAL_STATUSES,
    Operation,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationAction, WaitOptions
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope

__all__ = ["wait", "wait_until"]


class Wait(DurableOperation[None]):
    """The operation of a wait."""

    __slots__ = ("_is_cancelling",)

    kind = OperationType.WAIT

    def __init__(self, scope: IdScope, seconds: int, name: str | None) -> None:
        super().__init__(scope, name, OperationSubType.WAIT)
        self._is_cancelling = False
        record = self.record
        if self.is_void:
            return
        if record is None:
            options = WaitOptions(wait_seconds=seconds)
            self.submit(replace(self.update(OperationAction.START), wait_options=options))
        elif record.status in TERMINAL_STATUSES:
            self.complete(record)
        else:
            self.advance(record)

    def advance(self, record: Operation) -> None:
        """Mark the wait as pending until its scheduled end."""
        details = record.wait_details
        self.pend(details.scheduled_end_timestamp if details else None)

    def outcome(self) -> None:
        """Return nothing: a wait has no value, whether time or ``cancel`` has ended it."""

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return ``None``: a wait does not fail."""
        return None

    def cancel(self, msg: object | None = None, caller: FrameType | None = None) -> bool:
        """End the wait early: the tasks that await it go on as if the time were up, without an exception.

        It is recorded as CANCEL, so replay goes on at the same place. Returns ``False`` if the workflow has
        seen the end of the wait, or has cancelled it already.
        """
        if self.is_done:
            return False
        if caller is not None and self.passed_on(caller, msg):
            return True
        if self.context_state.is_over:
            return self.drop(msg)
        if self._is_cancelling:
            return False
        self._is_cancelling = True
        # The log may hold the end already, on replay or because the time is up.
        if not self.is_due:
            cancellation = self.update(OperationAction.CANCEL)
            if self.is_awaited:
                self.submit(cancellation)
            else:
                self.leave_behind(cancellation)
        return True

    def abandon(self, why: ErrorObject = GIVEN_UP) -> None:
        """Record a CANCEL, so that the service need not keep the wait."""
        if not (self.is_due or self._is_cancelling or self.was_over):
            self._is_cancelling = True
            self.leave_behind(self.update(OperationAction.CANCEL))


def wait(scope: IdScope, duration: DurationLike, name: str | None) -> Handle[None]:
    """Wait for a length of time."""
    seconds = Duration.of(duration, "ctx.wait").checked("ctx.wait", 1, LONGEST_TIMER_SECONDS)
    return Wait(scope, seconds.to_seconds(), name).handle


def wait_until(scope: IdScope, moment: datetime, name: str | None) -> Handle[None]:
    """Wait until a moment; one that has passed is over after the shortest wait, a second."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ConfigError(
            f"ctx.wait_until takes a datetime with a time zone, not {moment!r}: add"
            " tzinfo=timezone.utc, or datetime.now(timezone.utc) + ..."
        )
    # The check uses the log's time, so that it has the same result on every replay.
    run = scope.context_state.run
    end = moment.timestamp()
    away = Duration.from_seconds(max(1, math.ceil(end - scope.context_state.now / 1000)))
    away.checked("ctx.wait_until", 1, LONGEST_TIMER_SECONDS)
    # The service's time may be ahead of this process's; it is never before the log's.
    now = max(run.plane.now(), scope.context_state.now)
    left = math.ceil(end - now / 1000)
    return Wait(scope, min(max(1, left), LONGEST_TIMER_SECONDS), name).handle
