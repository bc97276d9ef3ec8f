"""The first invocation of a fork that has not been made, with the code at hand."""

from __future__ import annotations

import os

from msgspec.structs import replace

from durable_execution_sdk.client.fork import Plan
from durable_execution_sdk.fork.chunks import chunk_updates
from durable_execution_sdk.fork.open_operations import folded, reopening
from durable_execution_sdk.fork.seeding import execution_name
from durable_execution_sdk.fork.taken_over import taken_over
from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.protocol.data_plane import InitialExecutionState, Invocation
from durable_execution_sdk.protocol.operations import (
    CallbackDetails,
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
)
from durable_execution_sdk.replay.dry_run import dry_run
from durable_execution_sdk.replay.report import Divergence

__all__ = ["rehearse_fork"]


def rehearse_fork(handler: AnyHandler, plan: Plan) -> Divergence | None:
    """Return the reason for which a fork would fail with this code before it does anything new; ``None`` if it would not."""
    return dry_run(handler, _first_invocation(plan))


def _first_invocation(plan: Plan) -> Invocation:
    """Return the event of the fork, as it is once all has been taken over and begun again."""
    seed = taken_over(plan.lineage, plan.envelope)
    log = folded(seed.events)
    run_id = "rehearsal"
    head = plan.envelope.arn.rpartition("/")[0].rpartition("/")[0]
    execution = Operation(
        id=run_id,
        type=OperationType.EXECUTION,
        status=OperationStatus.STARTED,
        start_timestamp=seed.events[-1].event_timestamp + 1,
        execution_details=ExecutionDetails(input_payload=plan.envelope.payload),
    )
    chunks = [
        Operation(
            id=update.id,
            type=OperationType.STEP,
            name=update.name,
            status=OperationStatus.SUCCEEDED,
            start_timestamp=execution.start_timestamp,
            end_timestamp=execution.start_timestamp,
            step_details=StepDetails(attempt=1, result=update.payload),
        )
        for update in chunk_updates(seed, execution_name(plan.envelope.arn))
    ]
    begun = [_as_begun(log.operations[update.id]) for update in reopening(seed, log, {})]
    return Invocation(
        durable_execution_arn=f"{head}/{plan.envelope.name}/{run_id}",
        checkpoint_token="rehearsal",  # noqa: S106 - no service reads it
        initial_execution_state=InitialExecutionState(operations=[execution, *chunks, *begun]),
    )


def _as_begun(operation: Operation) -> Operation:
    """Return an operation that was open at the cut as the service would show it."""
    if operation.type == OperationType.CALLBACK:
        return replace(operation, callback_details=CallbackDetails(callback_id=os.urandom(8).hex()))
    if operation.step_details is not None:
        # The attempt that has failed is the first one that the fork's own log counts.
        return replace(operation, step_details=replace(operation.step_details, attempt=1))
    return operation
