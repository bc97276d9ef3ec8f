"""Decide the reports to plugins: which hook is called, when, and with which info."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from durable_execution_sdk.plugins.dispatch import Hooks
from durable_execution_sdk.plugins.infos import (
    AttemptInfo,
    AttemptOutcome,
    CheckpointInfo,
    InvocationEndInfo,
    InvocationInfo,
    InvocationStatus,
    OperationInfo,
    Operations,
    change_info,
    operation_info,
    own,
    utc,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationStatus,
    OperationType,
    is_status,
    was_cancelled,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate

if TYPE_CHECKING:
    from durable_execution_sdk.execution_limits import ExecutionLimits

__all__ = ["Observers", "Reporter"]

# Longest trace header, in characters (API shape XAmznTraceId).
_LONGEST_HEADER = 8_192


class Observers:
    """The plugins of a handler."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def reporter(
        self,
        execution: Operation,
        operations: Iterable[Operation],
        updated_ids: Container[str],
        *,
        arn: str,
        request_id: str,
        trace_header: str | None,
        now: Callable[[], float],
        limits: ExecutionLimits | None = None,
    ) -> Reporter:
        """Return the reporter of one invocation; ``operations`` are those of the log at its start."""
        recorded = {operation.id: operation for operation in operations}
        updated = {each: recorded[each] for each in recorded if each in updated_ids}
        payload = execution.execution_details.input_payload if execution.execution_details else None
        info = InvocationInfo(
            execution_arn=arn,
            request_id=request_id,
            start_timestamp=utc(now()),
            is_first_invocation=not recorded,
            execution_start_timestamp=(
                None if execution.start_timestamp is None else utc(execution.start_timestamp)
            ),
            execution_input=payload,
            operations=Operations(arn, {execution.id: execution, **recorded}),
            updated_operations=Operations(arn, updated),
            trace_header=trace_header,
            limits=limits,
        )
        return Reporter(self._hooks, info, execution, recorded, updated, now)


class Reporter:
    """The operations of one invocation, and the reports made about them."""

    def __init__(
        self,
        hooks: Hooks,
        info: InvocationInfo,
        execution: Operation,
        operations: dict[str, Operation],
        updated: dict[str, Operation],
        now: Callable[[], float],
    ) -> None:
        self._hooks = hooks
        self._info = info
        self._arn = info.execution_arn
        self._execution = execution
        self._operations = operations
        self._recorded = frozenset(operations)
        self._updated = updated
        self._started: set[str] = set()
        self._ended: set[str] = set()
        self._now = now
        # A context of its own, so that code in hooks does not count as workflow code.
        self._context: Context = copy_context()

    @property
    def wants_calls(self) -> bool:
        """True when a plugin observes checkpoint calls."""
        return self._hooks.wants("on_checkpoint")

    @property
    def wants_attempts(self) -> bool:
        """True when a plugin observes attempts."""
        return self._hooks.wants("on_attempt_start") or self._hooks.wants("on_attempt_end")

    def invocation_started(self) -> None:
        """Report the start of the invocation; called before any code of the handler runs."""
        self._fire("on_invocation_start", self._info)
        for operation in self._updated.values():
            self._changed(operation, None)

    def invocation_ended(
        self, status: str, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Report the end of the invocation; called when none of its code runs any more."""
        if not self._hooks.wants("on_invocation_end"):
            return
        start = asdict(self._info)
        start["operations"] = Operations(
            self._arn, {self._execution.id: self._execution, **self._operations}
        )
        info = InvocationEndInfo(
            **start,
            end_timestamp=utc(self._now()),
            status=InvocationStatus(status),
            execution_error=own(error),
            execution_result=result,
        )
        self._fire("on_invocation_end", info)

    def claimed(self, operation_id: str) -> None:
        """Report an operation that the workflow replays or resumes."""
        operation = self._operations.get(operation_id)
        if operation is None:
            return
        self._started.add(operation_id)
        has_ended = operation.status in TERMINAL_STATUSES
        if operation_id in self._ended:
            return  # its end happened in this invocation and was reported
        hook = "on_operation_replay" if has_ended else "on_operation_start"
        if self._hooks.wants(hook):
            attempt = None if has_ended else _attempt(operation)
            info = operation_info(self._arn, operation, is_replay=True, attempt=attempt)
            self._fire(hook, info)

    def submitted(self, update: OperationUpdate) -> OperationUpdate:
        """Report the start of an operation; return the update, an invoke's with its trace header."""
        if update.action != OperationAction.START or update.id in self._started:
            return update
        self._started.add(update.id)
        if self._hooks.wants("on_operation_start"):
            self._fire("on_operation_start", self._starting(update))
        options = update.chained_invoke_options
        if options is None or not self._hooks.wants("on_invoke"):
            return update
        header = self._context.run(
            self._hooks.ask, "on_invoke", self._starting(update), _LONGEST_HEADER
        )
        return replace(update, chained_invoke_options=replace(options, x_amzn_trace_id=header))

    def _starting(self, update: OperationUpdate) -> OperationInfo:
        operation = Operation(
            id=update.id,
            type=update.type,
            status=OperationStatus.STARTED,
            start_timestamp=self._now(),
            parent_id=update.parent_id,
            name=update.name,
            sub_type=update.sub_type,
        )
        invoke = update.chained_invoke_options
        return operation_info(
            self._arn,
            operation,
            attempt=_attempt(operation),
            function_name=invoke.function_name if invoke else None,
        )

    def learned(self, operation: Operation) -> None:
        """Report an operation's new status in the log."""
        if operation.type == OperationType.EXECUTION:
            self._execution = operation
            return
        if is_status(operation.id, operation.name):
            return  # no operation of the code
        previous = self._operations.get(operation.id)
        if previous is not None and previous.status in TERMINAL_STATUSES:
            return
        self._operations[operation.id] = operation
        if previous is None or previous.status != operation.status:
            self._changed(operation, previous)

    def attempt_started(
        self, operation: Operation, attempt: int | None, *, is_replaying: bool, is_virtual: bool
    ) -> AttemptInfo:
        """Report the start of an attempt, and return its info for ``attempt_ended``.

        ``is_replaying``: the code has run before. ``is_virtual``: a context without an operation.
        """
        info = AttemptInfo(
            execution_arn=self._arn,
            id=operation.id,
            type=operation.type,
            sub_type=operation.sub_type,
            name=operation.name,
            parent_id=operation.parent_id,
            attempt=attempt,
            start_timestamp=utc(self._now()),
            is_replay=operation.id in self._recorded,
            is_replaying_children=is_replaying,
            is_virtual=is_virtual,
        )
        self._attempted("on_attempt_start", info)
        return info

    def attempt_ended(
        self, started: AttemptInfo, outcome: str, error: ErrorObject | None, *, is_replay: bool
    ) -> None:
        """Report that the attempt's function has returned, raised or been interrupted."""
        info = replace(
            started,
            is_replay=started.is_replay or is_replay,
            end_timestamp=utc(self._now()),
            outcome=AttemptOutcome(outcome),
            error=own(error),
        )
        self._attempted("on_attempt_end", info)

    def called(
        self, updates: int, size: int, began_at: float, seconds: float, error: ErrorObject | None
    ) -> None:
        """Report a checkpoint call that has returned or failed."""
        self._fire(
            "on_checkpoint",
            CheckpointInfo(
                execution_arn=self._arn,
                updates=updates,
                request_bytes=size,
                start_timestamp=utc(began_at),
                duration_seconds=seconds,
                error=error,
            ),
        )

    def _changed(self, operation: Operation, previous: Operation | None) -> None:
        has_ended = operation.status in TERMINAL_STATUSES
        if has_ended:
            self._ended.add(operation.id)
        attempt = None if has_ended else _attempt(operation)
        if self._hooks.wants("on_operation_change"):
            operations = {self._execution.id: self._execution, **self._operations}
            info = change_info(
                self._arn,
                operation,
                operations,
                attempt=attempt,
                previous_status=previous.status if previous else None,
            )
            self._fire("on_operation_change", info)
        # The workflow does not see the end of an operation that it gave up.
        if has_ended and not was_cancelled(operation) and self._hooks.wants("on_operation_end"):
            self._fire("on_operation_end", operation_info(self._arn, operation))

    def _attempted(self, hook: str, info: AttemptInfo) -> None:
        if info.attempt is None:
            self._fire(hook, info)
        else:
            self._hooks.fire(
                hook, info
            )  # in the context of the body, which sees what the hook sets

    def _fire(self, hook: str, info: object) -> None:
        if self._hooks.wants(hook):
            self._context.run(self._hooks.fire, hook, info)


def _attempt(operation: Operation) -> int | None:
    """Return the number of a step's running or next attempt; the log counts the ended ones."""
    if operation.type != OperationType.STEP:
        return None
    details = operation.step_details
    return ((details.attempt if details else None) or 0) + 1
