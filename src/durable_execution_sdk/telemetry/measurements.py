"""The metrics of executions: names, units and attributes, which are the same wherever they are exported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from durable_execution_sdk.duration import Duration
from durable_execution_sdk.plugins import (
    AttemptInfo,
    CheckpointInfo,
    InvocationEndInfo,
    OperationInfo,
)
from durable_execution_sdk.protocol.limits import MAX_OPERATIONS, MAX_STORAGE_BYTES
from durable_execution_sdk.protocol.operations import OperationSubType, OperationType
from durable_execution_sdk.protocol.updates import error_bytes, split_totals, text_bytes

__all__ = ["METRICS", "Attributes", "Measurements", "Metric"]

Attributes = Mapping[str, str | bool]


class Metric(NamedTuple):
    """A metric; ``unit`` is a code of UCUM, as OpenTelemetry has them."""

    name: str
    kind: Literal["counter", "histogram"]
    unit: str
    description: str


_EXECUTIONS = Metric(
    "durable.executions", "counter", "{execution}", "Executions that have ended, by status"
)
_EXECUTION_DURATION = Metric(
    "durable.execution.duration", "histogram", "s", "Time from the start of an execution to its end"
)
_INVOCATIONS = Metric(
    "durable.invocations", "counter", "{invocation}", "Invocations, by how they ended"
)
_INVOCATION_DURATION = Metric(
    "durable.invocation.duration", "histogram", "s", "How long invocations took"
)
_OPERATIONS = Metric(
    "durable.operations", "counter", "{operation}", "Operations that have ended, by type and status"
)
_OPERATION_DURATION = Metric(
    "durable.operation.duration", "histogram", "s", "Time from the start of an operation to its end"
)
_ATTEMPTS = Metric(
    "durable.attempts", "counter", "{attempt}", "Runs of step bodies and checks, by outcome"
)
_ATTEMPT_DURATION = Metric(
    "durable.attempt.duration", "histogram", "s", "How long runs of step bodies took, by outcome"
)
_RETRIES = Metric(
    "durable.retries", "counter", "{attempt}", "Runs of step bodies after the first one"
)
_CALLS = Metric(
    "durable.checkpoint.calls", "counter", "{call}", "Checkpoint calls, by whether they failed"
)
_UPDATES = Metric(
    "durable.checkpoint.updates", "counter", "{update}", "Updates that checkpoint calls carried"
)
_BYTES = Metric(
    "durable.checkpoint.bytes", "counter", "By", "Bytes of JSON that checkpoint calls carried"
)
_CALL_DURATION = Metric(
    "durable.checkpoint.duration", "histogram", "s", "How long checkpoint calls took"
)
_REPLAYED = Metric(
    "durable.operations.replayed", "counter", "{operation}", "Operations that were replayed"
)
_REPLAY_SHARE = Metric(
    "durable.replay.share", "histogram", "1", "The replayed part of the operations of an invocation"
)
_BUDGET_USED = Metric(
    "durable.budget.used", "histogram", "1", "The used part of an execution's quotas, by quota"
)

METRICS = (
    _EXECUTIONS,
    _EXECUTION_DURATION,
    _INVOCATIONS,
    _INVOCATION_DURATION,
    _OPERATIONS,
    _OPERATION_DURATION,
    _ATTEMPTS,
    _ATTEMPT_DURATION,
    _RETRIES,
    _CALLS,
    _UPDATES,
    _BYTES,
    _CALL_DURATION,
    _REPLAYED,
    _REPLAY_SHARE,
    _BUDGET_USED,
)


class Measurements:
    """Turns what hooks report into values of the metrics; a subclass exports them."""

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        """Add to a counter, or add a value to a histogram."""
        raise NotImplementedError

    def operation_ended(self, info: OperationInfo) -> None:
        """Measure an operation that has ended."""
        kind = {"durable.operation.type": str(info.type), "durable.operation.status": info.status}
        if info.sub_type is not None:
            kind["durable.operation.subtype"] = str(info.sub_type)
        self.record(_OPERATIONS, 1, kind)
        if info.start_timestamp is not None and info.end_timestamp is not None:
            taken = (info.end_timestamp - info.start_timestamp).total_seconds()
            self.record(_OPERATION_DURATION, max(0.0, taken), kind)

    def attempt_ended(self, info: AttemptInfo, seconds: float) -> None:
        """Measure a run of a step's body, or of a poll's check."""
        kind = {"durable.operation.subtype": str(info.sub_type)}
        outcome = {**kind, "durable.attempt.outcome": str(info.outcome)}
        self.record(_ATTEMPTS, 1, outcome)
        self.record(_ATTEMPT_DURATION, seconds, outcome)
        # A poll checks again without a failure.
        if (info.attempt or 1) > 1 and info.sub_type != OperationSubType.WAIT_FOR_CONDITION:
            self.record(_RETRIES, 1, kind)

    def called(self, info: CheckpointInfo) -> None:
        """Measure a checkpoint call that has returned or failed."""
        result = {"durable.checkpoint.failed": info.error is not None}
        self.record(_CALLS, 1, result)
        self.record(_UPDATES, info.updates, result)
        self.record(_BYTES, info.request_bytes, result)
        self.record(_CALL_DURATION, info.duration_seconds, result)

    def invocation_ended(
        self, info: InvocationEndInfo, replayed: int, started: int, *, is_last: bool
    ) -> None:
        """Measure the end of an invocation, with its numbers of replayed and of started operations.

        ``is_last``: the execution has ended, for the first time in this process.
        """
        ending = {"durable.invocation.status": str(info.status)}
        taken = (info.end_timestamp - info.start_timestamp).total_seconds()
        self.record(_INVOCATIONS, 1, ending)
        self.record(_INVOCATION_DURATION, max(0.0, taken), ending)
        if replayed:
            self.record(_REPLAYED, replayed, {})
        if replayed + started:
            self.record(_REPLAY_SHARE, replayed / (replayed + started), {})
        for quota, used in _budget_used(info).items():
            self.record(_BUDGET_USED, used, {"durable.budget.quota": quota})
        if is_last:
            self._execution_ended(info)

    def _execution_ended(self, info: InvocationEndInfo) -> None:
        status = {"durable.execution.status": str(info.status)}
        self.record(_EXECUTIONS, 1, status)
        if info.execution_start_timestamp is not None:
            taken = (info.end_timestamp - info.execution_start_timestamp).total_seconds()
            self.record(_EXECUTION_DURATION, max(0.0, taken), status)


def _budget_used(info: InvocationEndInfo) -> dict[str, float]:
    """Return the used parts of the quotas, as far as the log tells: it keeps only the last payload of a step.

    The quotas are those that the handler states, or else those that accounts have by default. What is in a context
    that ended in an earlier invocation is not in the log; the totals behind its payload tell of it.
    """
    recorded = list(info.operations.values())
    contexts = {each.parent_id for each in recorded}
    operations, size = 0, text_bytes(info.execution_input) + text_bytes(info.execution_result)
    for operation in recorded:
        if operation.type == OperationType.EXECUTION:
            operations += 1
            continue
        # Each retry, and each further poll, counts as an operation.
        operations += max(1, operation.attempt or 1)
        size += text_bytes(operation.result)
        size += error_bytes(operation.error) if operation.error is not None else 0
        if operation.type == OperationType.CONTEXT and operation.id not in contexts:
            inside = _totals(operation)
            operations, size = operations + inside[0], size + inside[1]
    limits, began = info.limits, info.execution_start_timestamp
    used = {
        "operations": operations / (limits.operations if limits else MAX_OPERATIONS),
        "bytes": size / (limits.bytes if limits else MAX_STORAGE_BYTES),
    }
    if limits is not None and limits.duration is not None and began is not None:
        duration = Duration.of(limits.duration, "ExecutionLimits.duration")
        used["duration"] = (info.end_timestamp - began).total_seconds() / duration.seconds
    return used


def _totals(context: OperationInfo) -> tuple[int, int]:
    """Return the operations and the bytes in a context that has ended, if its record tells them."""
    text = context.result if context.error is None else context.error.error_data
    return split_totals(text or "")[1] or (0, 0)
