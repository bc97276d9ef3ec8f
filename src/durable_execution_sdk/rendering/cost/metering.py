"""The work of an execution that AWS charges for, counted from its history as the developer guide meters it.

An operation is counted when its first event comes, and once more for each retry or further poll. The execution itself is
one, and so is each invocation that failed and was made again. Bytes are those of the input, the results, the errors and
the payloads of invokes.

An invocation replays what was recorded before it began, without what is in contexts that had ended then: the service
leaves that out. (A context with a result above 262,144 bytes is an exception which a history does not show.) The replay
share is the part of the operations that all invocations asked for together which they found recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import (
    EventType,
    HistoryEvent,
    RetryDetails,
    data_of,
)
from durable_execution_sdk.protocol.updates import error_bytes, text_bytes

__all__ = ["ExecutionCost", "cost_of"]

_CONTEXT_ENDS = frozenset({EventType.CONTEXT_SUCCEEDED, EventType.CONTEXT_FAILED})
_TIMEOUTS = frozenset({EventType.CALLBACK_TIMED_OUT, EventType.CHAINED_INVOKE_TIMED_OUT})
# After a failed invocation, these say that it is not made again.
_EXECUTION_CEASES = frozenset(
    {
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_TIMED_OUT,
        EventType.EXECUTION_STOPPED,
        EventType.EXECUTION_PAUSED,
    }
)


class ExecutionCost(msgspec.Struct, frozen=True, kw_only=True):
    """The metered work of an execution.

    ``operations`` are the numbers by kind, with ``Execution`` for the execution itself. ``checkpoints`` is ``None``
    where the calls are not known. ``is_whole`` is false if the history leaves payloads out. Times are milliseconds.
    """

    operations: dict[str, int]
    retries: int
    repeated_invocations: int
    bytes_written: int
    is_whole: bool
    invocations: int
    checkpoints: int | None
    replayed_operations: int
    running_time: float
    age: float

    @property
    def recorded_operations(self) -> int:
        """The number of operations in the history, without the execution itself."""
        return sum(self.operations.values()) - self.operations["Execution"]

    @property
    def metered_operations(self) -> int:
        """The number of operations that AWS charges for, and that counts for the quota."""
        return sum(self.operations.values()) + self.retries + self.repeated_invocations

    @property
    def replay_share(self) -> float:
        """The part of the operations asked for that was replayed, from 0 to 1."""
        asked = self.replayed_operations + self.recorded_operations
        return self.replayed_operations / asked if asked else 0.0


def cost_of(
    history: Sequence[HistoryEvent], *, checkpoints: int | None = None, now: float | None = None
) -> ExecutionCost:
    """Count the work in a history. ``now`` is the time up to which an open execution is kept."""
    kinds: Counter[str] = Counter({"Execution": 1})
    parents: dict[str, str | None] = {}
    ended: set[str] = set()
    retries = repeated = invocations = replayed = stored = 0
    is_whole, running = True, 0.0
    recorded: list[str] = []  # before the invocation that runs
    for event, following in zip(history, [*history[1:], None], strict=True):
        data = list(_data(event))
        stored += sum(size for size, _ in data)
        is_whole = is_whole and not any(is_cut for _, is_cut in data)
        if (done := event.invocation_completed_details) is not None:
            invocations += 1
            running += done.end_timestamp - done.start_timestamp
            replayed += len(recorded)
            recorded = [each for each in parents if not _is_hidden(each, parents, ended)]
            ceases = following is not None and following.event_type in _EXECUTION_CEASES
            repeated += done.error is not None and not ceases
        elif not event.event_type.startswith("Execution") and event.id is not None:
            if event.id not in parents:
                parents[event.id] = event.parent_id
                kinds[event.sub_type or event.event_type] += 1
            retries += _is_retried(event)
            if event.event_type in _CONTEXT_ENDS:
                ended.add(event.id)
    times = [event.event_timestamp for event in history]
    is_open = bool(history) and history[-1].event_type not in _ENDS
    until = now if is_open and now is not None else max(times, default=0.0)
    return ExecutionCost(
        operations=dict(kinds),
        retries=retries,
        repeated_invocations=repeated,
        bytes_written=stored,
        is_whole=is_whole,
        invocations=invocations,
        checkpoints=checkpoints,
        replayed_operations=replayed,
        running_time=running,
        age=max(0.0, until - min(times, default=0.0)),
    )


_ENDS = frozenset(
    {
        EventType.EXECUTION_SUCCEEDED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_TIMED_OUT,
        EventType.EXECUTION_STOPPED,
    }
)


def _is_hidden(operation: str, parents: dict[str, str | None], ended: set[str]) -> bool:
    parent = parents[operation]
    while parent is not None:
        if parent in ended:
            return True
        parent = parents.get(parent)
    return False


def _is_retried(event: HistoryEvent) -> bool:
    attempt = event.step_failed_details or event.step_succeeded_details
    details: RetryDetails | None = attempt.retry_details if attempt is not None else None
    return details is not None and details.next_attempt_delay_seconds is not None


def _data(event: HistoryEvent) -> Iterator[tuple[int, bool]]:
    """Yield the size of each payload that an event adds to the storage, and ``True`` if it is left out."""
    if event.event_type in _TIMEOUTS:
        return  # the service makes the error
    payloads: Iterable[object] = data_of(event)
    started = event.chained_invoke_started_details
    if started is not None and started.input is not None:
        payloads = [started.input]
    for data in payloads:
        payload: object = getattr(data, "payload", None)
        is_cut = bool(getattr(data, "truncated", None))
        if isinstance(payload, ErrorObject):
            yield error_bytes(payload), is_cut
        else:
            yield text_bytes(payload if isinstance(payload, str) else None), is_cut
