"""The metric instruments of executions."""

from __future__ import annotations

from opentelemetry.metrics import Meter

from durable_execution_sdk.plugins import AttemptInfo, CheckpointInfo, OperationInfo

__all__ = ["Metrics"]


class Metrics:
    """The instruments, and methods to record on them."""

    def __init__(self, meter: Meter) -> None:
        self._invocations = meter.create_counter(
            "durable.invocations", "{invocation}", "Invocations, by how they ended"
        )
        self._operations = meter.create_counter(
            "durable.operations", "{operation}", "Operations that have ended, by type and status"
        )
        self._attempts = meter.create_histogram(
            "durable.attempt.duration", "s", "How long runs of step bodies took, by outcome"
        )
        self._calls = meter.create_counter(
            "durable.checkpoint.calls", "{call}", "Checkpoint calls, by whether they failed"
        )
        self._updates = meter.create_counter(
            "durable.checkpoint.updates", "{update}", "Updates that checkpoint calls carried"
        )
        self._bytes = meter.create_counter(
            "durable.checkpoint.bytes", "By", "Bytes of JSON that checkpoint calls carried"
        )
        self._latency = meter.create_histogram(
            "durable.checkpoint.duration", "s", "How long checkpoint calls took"
        )
        self._replays = meter.create_counter(
            "durable.operations.replayed", "{operation}", "Operations that were replayed"
        )
        self._share = meter.create_histogram(
            "durable.replay.share",
            "1",
            "Of the operations of an invocation, how many were replayed",
        )

    def operation_ended(self, info: OperationInfo) -> None:
        """Record that an operation has ended."""
        kind = {"durable.operation.type": str(info.type), "durable.operation.status": info.status}
        if info.sub_type is not None:
            kind["durable.operation.subtype"] = str(info.sub_type)
        self._operations.add(1, kind)

    def attempt_ended(self, info: AttemptInfo, seconds: float) -> None:
        """Record that a step's body has run."""
        self._attempts.record(
            seconds,
            {
                "durable.operation.subtype": str(info.sub_type),
                "durable.attempt.outcome": str(info.outcome),
            },
        )

    def called(self, info: CheckpointInfo) -> None:
        """Record that a checkpoint call has returned or failed."""
        result = {"durable.checkpoint.failed": info.error is not None}
        self._calls.add(1, result)
        self._updates.add(info.updates, result)
        self._bytes.add(info.request_bytes, result)
        self._latency.record(info.duration_seconds, result)

    def invocation_ended(self, status: str, replayed: int, started: int) -> None:
        """Record the end of an invocation, with its numbers of replayed and of started operations."""
        self._invocations.add(1, {"durable.invocation.status": status})
        if replayed:
            self._replays.add(replayed)
        if replayed + started:
            self._share.record(replayed / (replayed + started))
