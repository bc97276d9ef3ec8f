"""Fork an execution: the events of a new one that has done what an old one had done by a moment.

A fork has the old log up to the first event of an operation, as if the process had crashed there. So it is
as sound as the recovery from a crash. An attempt of a step that was under way is interrupted: one that
runs at least once runs again, one that runs at most once does not. Two things belong to the old execution
and are made anew:

- An invoke that was open is left out: the code asks for it again, and starts another execution.
- A callback that was open gets another id. Its record stays, because code that was recorded after it may
  depend on it. In ``wait_for_callback`` the submitter is left out, so that it runs again with the new id.

The times stay those of the old log. The fork's time begins at the last of them, and runs behind the clock
(``execution_time``): what the code computed from the time stays right, and a wait has as much left as then.
The handler of a fork also gets the ARN of the first execution, from which ``ctx.uuid4()`` and ``ctx.random()``
take their values, so that these repeat.

With changed results, the operations that were recorded after them may not be those that the code asks for
now; then it fails as nondeterministic. Fork before such an operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from durable_execution_sdk.engine.decide.pause import end_pause
from durable_execution_sdk.engine.events import (
    ENDS,
    CallbackStarted,
    CheckpointAccepted,
    CodeAccepted,
    Event,
    ExecutionDeleted,
    ExecutionOutcomeRecorded,
    ExecutionStarted,
    ForkOrigin,
    InvocationCompleted,
    InvocationRetryReady,
    InvocationRetryScheduled,
    OperationFields,
    TimeChanged,
)
from durable_execution_sdk.engine.evolution import evolve
from durable_execution_sdk.engine.execution_time import time_in_mode
from durable_execution_sdk.engine.fork_results import results_of_open, with_results
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.engine.state import ExecutionState, is_pending
from durable_execution_sdk.engine.tokens import callback_id
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    OperationSubType,
    OperationType,
)

# Events that belong to the old execution only. Retries of failed invocations are left out, because a fork is
# invoked at once.
_DROPPED = ENDS | {
    ExecutionOutcomeRecorded,
    ExecutionDeleted,
    TimeChanged,
    CodeAccepted,
    InvocationRetryScheduled,
    InvocationRetryReady,
}


def forked_events(
    events: Sequence[Event],
    arn: str,
    clock: int,
    *,
    before: str | None = None,
    payload: str | None = None,
    results: Mapping[str, str] | None = None,
    secret: str = "",
) -> list[Event]:
    """Return the events of a fork with this ARN.

    Args:
        events: The log of the old execution, which may be open.
        arn: The ARN of the fork.
        clock: The clock's time.
        before: The id of the operation that the fork does anew, with everything recorded after it; with
            ``None`` the fork has everything that has ended.
        payload: Another input.
        results: Other results by operation id, as the text that the operation would record. An operation
            that is open or has failed succeeds with it.
        secret: Goes into callback ids, so that they cannot be guessed.

    Raises:
        Rejected: There is no such operation, or its result cannot be changed.
    """
    started = events[0]
    assert isinstance(started, ExecutionStarted)
    cut = _cut(events, before)
    kept = [event for event in events[:cut] if type(event) not in _DROPPED]
    old = _folded(kept)
    results = results or {}
    left_out = _left_out(old, results)
    kept = [
        _renewed(event, old, arn, secret, left_out) for event in kept if not _is_of(event, left_out)
    ]
    kept = with_results(kept, old, results)
    origin = ForkOrigin(
        arn=started.arn,
        before=before,
        before_name=_name(events, cut),
        first_arn=started.arn if started.forked_from is None else started.forked_from.first_arn,
    )
    kept[0] = replace(
        started,
        arn=arn,
        input=started.input if payload is None else payload,
        synchronous=False,
        parent=None,
        forked_from=origin,
    )
    kept += _ending(kept, old, results)
    mode = next(
        (event.time.mode for event in reversed(events) if isinstance(event, TimeChanged)),
        started.time.mode,
    )
    kept[0] = replace(kept[0], time=time_in_mode(mode, kept[-1].at, clock))
    return kept


def _cut(events: Sequence[Event], before: str | None) -> int:
    """Return the number of events before the first one of an operation."""
    if before is None:
        return len(events)
    for index, event in enumerate(events):
        if isinstance(event, OperationFields) and event.operation.id == before:
            return index
    raise invalid(f"There is no operation {before} to fork before.")


def _name(events: Sequence[Event], cut: int) -> str | None:
    """Return the name of the operation whose first event follows the cut, if it has one."""
    first = events[cut] if cut < len(events) else None
    return first.operation.name if isinstance(first, OperationFields) else None


def _folded(events: Sequence[Event]) -> ExecutionState:
    state = None
    for event in events:
        state = evolve(state, event)
    assert state is not None
    return state


def _left_out(state: ExecutionState, results: Mapping[str, str]) -> set[str]:
    """Return the open operations that are made anew, but for those that get a result."""
    left_out: set[str] = set()
    resubmitted: set[str] = set()
    for operation in state.operations.values():
        if not is_pending(operation) or operation.id in results:
            continue
        parent = state.operations.get(operation.parent_id or "")
        if operation.type == OperationType.CHAINED_INVOKE:
            left_out.add(operation.id)
        elif (
            operation.type == OperationType.CALLBACK
            and parent is not None
            and parent.sub_type == OperationSubType.WAIT_FOR_CALLBACK
            and parent.status not in TERMINAL_STATUSES
        ):
            resubmitted.add(parent.id)
    return left_out | {
        operation.id
        for operation in state.operations.values()
        if operation.type == OperationType.STEP and operation.parent_id in resubmitted
    }


def _is_of(event: Event, operation_ids: set[str]) -> bool:
    return isinstance(event, OperationFields) and event.operation.id in operation_ids


def _renewed(event: Event, old: ExecutionState, arn: str, secret: str, left_out: set[str]) -> Event:
    """Return the event as the fork has it."""
    match event:
        case CallbackStarted() if is_pending(old.operations[event.operation.id]):
            return replace(event, callback_id=callback_id(arn, event.operation.id, secret))
        case CheckpointAccepted():
            known = tuple(name for name in event.left_out if name not in left_out)
            return replace(event, client_token=None, left_out=known)
        case _:
            return event


def _ending(kept: list[Event], old: ExecutionState, results: Mapping[str, str]) -> list[Event]:
    """Return the events that end what was under way, give open operations their results, and invoke."""
    state = _folded(kept)
    at = state.last_at + 1
    invocation = state.invocation
    news = results_of_open(old, results, at)
    if invocation is None:
        _invoke_again(kept)
        return [*news, *end_pause(state, at)]
    return [
        # Everything before the cut counts as known to the handler, so its log lines are not written again.
        CheckpointAccepted(
            at=at, sequence=invocation.sequence + 1, token=invocation.token or "", next_token=None
        ),
        *news,
        InvocationCompleted(
            at=at,
            number=invocation.number,
            request_id=invocation.request_id,
            started_at=invocation.started_at,
            invoke_again=True,
        ),
        *end_pause(state, at),
    ]


def _invoke_again(kept: list[Event]) -> None:
    """Let the last invocation that has ended be followed by another."""
    for index in range(len(kept) - 1, -1, -1):
        event = kept[index]
        if isinstance(event, InvocationCompleted):
            kept[index] = replace(event, invoke_again=True)
            return
