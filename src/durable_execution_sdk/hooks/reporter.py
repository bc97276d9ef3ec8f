"""What is reported, and when: the rules behind the hooks, for one invocation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import Context, copy_context

from msgspec.structs import replace

from durable_execution_sdk.hooks.firing import Hooks
from durable_execution_sdk.hooks.infos import (
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
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import (
    TERMINAL_STATUSES,
    Operation,
    OperationStatus,
    OperationType,
    was_given_up,
)
from durable_execution_sdk.model.update import OperationAction, OperationUpdate

__all__ = ["Observers", "Reporter"]

# API shape XAmznTraceId.
_LONGEST_HEADER = 8_192


class Observers:
    """The plugins of a handler."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def reporter(
        self,
        execution: Operation,
        operations: Iterable[Operation],
        updated_ids: Iterable[str],
        *,
        arn: str,
        request_id: str,
        trace_header: str | None,
        now: Callable[[], float],
    ) -> Reporter:
        """Whom one invocation reports to."""
        known = {operation.id: operation for operation in operations}
        updated = {each: known[each] for each in updated_ids if each in known}
        payload = execution.execution_details.input_payload if execution.execution_details else None
        info = InvocationInfo(
            execution_arn=arn,
            request_id=request_id,
            start_timestamp=utc(now()),
            is_first_invocation=not known,
            execution_start_timestamp=(
                None if execution.start_timestamp is None else utc(execution.start_timestamp)
            ),
            execution_input=payload,
            operations=Operations(arn, {execution.id: execution, **known}),
            updated_operations=Operations(arn, updated),
            trace_header=trace_header,
        )
        return Reporter(self._hooks, info, execution, known, updated, now)


class Reporter:
    """What is known of the operations of one invocation, and what has been told."""

    def __init__(
        self,
        hooks: Hooks,
        info: InvocationInfo,
        execution: Operation,
        known: dict[str, Operation],
        updated: dict[str, Operation],
        now: Callable[[], float],
    ) -> None:
        self._hooks = hooks
        self._info = info
        self._arn = info.execution_arn
        self._execution = execution
        self._known = known
        self._recorded = frozenset(known)
        self._updated = updated
        self._taken_up: set[str] = set()
        self._ended: set[str] = set()
        self._now = now
        # Of its own, so that no hook can be mistaken for workflow code.
        self._context: Context = copy_context()

    @property
    def wants_calls(self) -> bool:
        """Whether checkpoint calls are to be measured."""
        return self._hooks.wants("on_checkpoint")

    @property
    def wants_attempts(self) -> bool:
        """Whether functions of the user's are to be watched."""
        return self._hooks.wants("on_attempt_start") or self._hooks.wants("on_attempt_end")

    def invocation_started(self) -> None:
        """No code of the handler has run yet."""
        self._fire("on_invocation_start", self._info)
        for operation in self._updated.values():
            self._changed(operation, None)

    def invocation_ended(
        self, status: str, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Nothing of the invocation runs any more."""
        if not self._hooks.wants("on_invocation_end"):
            return
        info = self._info
        known = {self._execution.id: self._execution, **self._known}
        self._fire(
            "on_invocation_end",
            InvocationEndInfo(
                execution_arn=self._arn,
                request_id=info.request_id,
                start_timestamp=info.start_timestamp,
                end_timestamp=utc(self._now()),
                is_first_invocation=info.is_first_invocation,
                execution_start_timestamp=info.execution_start_timestamp,
                execution_input=info.execution_input,
                operations=Operations(self._arn, known),
                updated_operations=info.updated_operations,
                trace_header=info.trace_header,
                status=InvocationStatus(status),
                execution_error=own(error),
                execution_result=result,
            ),
        )

    def claimed(self, operation_id: str) -> None:
        """The workflow asked for this operation."""
        operation = self._known.get(operation_id)
        if operation is None:
            return
        self._taken_up.add(operation_id)
        ended = operation.status in TERMINAL_STATUSES
        if operation_id in self._ended:
            return  # its end is news of this invocation, and has been told
        hook = "on_operation_replay" if ended else "on_operation_start"
        if self._hooks.wants(hook):
            attempt = None if ended else _attempt(operation)
            info = operation_info(self._arn, operation, is_replay=True, attempt=attempt)
            self._fire(hook, info)

    def submitted(self, update: OperationUpdate) -> OperationUpdate:
        """This update is about to be recorded; an invoke's gets the header that it takes along."""
        if update.action is not OperationAction.START or update.id in self._taken_up:
            return update
        self._taken_up.add(update.id)
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
        """The log holds this now."""
        if operation.type == OperationType.EXECUTION:
            self._execution = operation
            return
        before = self._known.get(operation.id)
        if before is not None and before.status in TERMINAL_STATUSES:
            return
        self._known[operation.id] = operation
        if before is None or before.status != operation.status:
            self._changed(operation, before)

    def attempt_started(
        self, operation: Operation, attempt: int | None, *, in_place: bool, is_replaying: bool
    ) -> AttemptInfo:
        """A function of this operation is about to run; ``in_place`` is in its own context.

        ``is_replaying``: the code that is about to run has run before.
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
        )
        self._fire("on_attempt_start", info, in_place=in_place)
        return info

    def attempt_ended(
        self, started: AttemptInfo, outcome: str, error: ErrorObject | None, *, in_place: bool
    ) -> None:
        """The function has returned, raised or been cut off."""
        info = replace(
            started,
            end_timestamp=utc(self._now()),
            outcome=AttemptOutcome(outcome),
            error=own(error),
        )
        self._fire("on_attempt_end", info, in_place=in_place)

    def called(
        self, updates: int, size: int, began_at: float, seconds: float, error: ErrorObject | None
    ) -> None:
        """A checkpoint call has returned, or failed."""
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

    def _changed(self, operation: Operation, before: Operation | None) -> None:
        ended = operation.status in TERMINAL_STATUSES
        if ended:
            self._ended.add(operation.id)
        attempt = None if ended else _attempt(operation)
        if self._hooks.wants("on_operation_change"):
            known = {self._execution.id: self._execution, **self._known}
            info = change_info(
                self._arn,
                operation,
                known,
                attempt=attempt,
                previous_status=before.status if before else None,
            )
            self._fire("on_operation_change", info)
        # The workflow never sees the end of what it gave up.
        if ended and not was_given_up(operation) and self._hooks.wants("on_operation_end"):
            self._fire("on_operation_end", operation_info(self._arn, operation))

    def _fire(self, hook: str, info: object, *, in_place: bool = False) -> None:
        if in_place:
            self._hooks.fire(hook, info)
        elif self._hooks.wants(hook):
            self._context.run(self._hooks.fire, hook, info)


def _attempt(operation: Operation) -> int | None:
    """Which attempt of a step is under way, or due: the log counts those that have ended."""
    if operation.type != OperationType.STEP:
        return None
    details = operation.step_details
    return ((details.attempt if details else None) or 0) + 1
