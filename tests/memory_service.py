"""A service in memory that only records, to test the runtime without a network or an engine."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from durable_execution_sdk.protocol.codec import encode_invocation
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    InitialExecutionState,
    Invocation,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.operations import (
    ContextDetails,
    ExecutionDetails,
    Operation,
    OperationStatus,
    StepDetails,
    WaitDetails,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate

ARN = "arn:aws:lambda:us-east-1:123456789012:function:bench:$LATEST/durable-execution/bench/run"
STATUS = {
    OperationAction.START: OperationStatus.STARTED,
    OperationAction.SUCCEED: OperationStatus.SUCCEEDED,
    OperationAction.FAIL: OperationStatus.FAILED,
    OperationAction.CANCEL: OperationStatus.CANCELLED,
    OperationAction.RETRY: OperationStatus.PENDING,
}


class MemoryService:
    """Keeps operations and counts calls; each call takes ``seconds_per_call``.

    Later pages of the state are created on request.
    """

    def __init__(self, seconds_per_call: float = 0.0) -> None:
        self.operations: dict[str, Operation] = {}
        self.calls = 0
        self.reads = 0
        self._later: list[Operation] = []
        self._seconds = seconds_per_call
        self._now = 1_000

    def now(self) -> int:
        return self._now

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        self.calls += 1
        self._now += 1
        changed: dict[str, Operation] = {}
        for update in request.updates:
            changed[update.id] = self.operations[update.id] = self._recorded(update)
        return CheckpointResponse(
            checkpoint_token=f"token{self.calls}", operations=list(changed.values())
        )

    async def get_state(self, request: StateRequest) -> StatePage:
        self.reads += 1
        start = int(request.marker or 0)
        end = start + (request.max_items or 100)
        page = self._later[start:end]
        encoded = msgspec.json.encode(page)
        return StatePage(
            operations=msgspec.json.decode(encoded, type=list[Operation]),
            next_marker=str(end) if end < len(self._later) else None,
        )

    def event(self, payload: str, *, paged: bool = False) -> dict[str, Any]:
        """Return the event of an invocation; ``paged`` moves all operations to later pages."""
        execution = Operation(
            id="run",
            type="EXECUTION",
            status="STARTED",
            start_timestamp=1_000,
            execution_details=ExecutionDetails(input_payload=payload),
        )
        recorded = list(self.operations.values())
        self._later = recorded if paged else []
        state = InitialExecutionState(
            operations=[execution, *([] if paged else recorded)],
            next_marker="0" if self._later else None,
        )
        return encode_invocation(
            Invocation(
                durable_execution_arn=ARN, checkpoint_token="token0", initial_execution_state=state
            )
        )

    def _recorded(self, update: OperationUpdate) -> Operation:
        status = STATUS[update.action]
        started = update.action == OperationAction.START
        return Operation(
            id=update.id,
            type=update.type,
            status=status,
            name=update.name,
            parent_id=update.parent_id,
            sub_type=update.sub_type,
            start_timestamp=self._now,
            end_timestamp=None if started else self._now,
            step_details=StepDetails(
                attempt=int(not started), result=update.payload, error=update.error
            )
            if update.type == "STEP"
            else None,
            context_details=ContextDetails(
                result=update.payload,
                error=update.error,
                replay_children=update.context_options.replay_children
                if update.context_options
                else None,
            )
            if update.type == "CONTEXT"
            else None,
            wait_details=WaitDetails() if update.type == "WAIT" else None,
        )
