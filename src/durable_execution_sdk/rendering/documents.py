"""The JSON documents of the command and of the development server: the service's names in snake_case, in a fixed order.

``durable history`` prints the service's own page instead, which ``durable replay`` reads.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.steering.execution_times import TimeReading
from durable_execution_sdk.emulator.stores.store import Counts, ExecutionRecord
from durable_execution_sdk.engine.views.progress import (
    CustomStatus,
    ExecutionProgress,
    OperationProgress,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import OperationSubType, OperationType
from durable_execution_sdk.rendering.activity import Activity, activity_of
from durable_execution_sdk.rendering.batch_progress import (
    BatchProgress,
    Totals,
    batch_progress,
    no_totals,
)
from durable_execution_sdk.rendering.family import Family, Waiter, family, kind
from durable_execution_sdk.rendering.origins import continued_as, continues, name_in, origin_of
from durable_execution_sdk.rendering.payloads import custom_status_document, json_or_text, result_of
from durable_execution_sdk.rendering.times import iso
from durable_execution_sdk.rendering.wording import callback_id_of, error_of

# Characters of a submitter's result that lists of callbacks show.
_MOST_ABOUT = 16_384


def outcome_document(
    emulator: Emulator, arn: str, held: Container[str] = (), *, has_log: bool = True
) -> dict[str, object]:
    """Build the document of ``durable run``: status, result or error, counts, and waiting operations.

    ``held`` has the ARNs of the executions that a server holds. ``has_log``: checkpoints are known, which a
    history does not tell.
    """
    described = emulator.describe(arn)
    tally = emulator.tally(arn)
    return {
        "durable_execution_name": described.durable_execution_name,
        "function_name": ExecutionArn.parse(arn).function_name,
        "durable_execution_arn": arn,
        "status": described.status,
        "result": json_or_text(described.result or None),
        "error": error_document(described.error),
        "start_timestamp": iso(described.start_timestamp),
        "end_timestamp": iso(described.end_timestamp),
        "counts": {
            "invocations": tally.invocations,
            "operations": tally.operations,
            "checkpoints": tally.checkpoints if has_log else None,
        },
        "waiting": _waiting(family(emulator, arn, held)),
        **custom_status_document(emulator.progress(arn).custom_status),
    }


def execution_document(
    emulator: Emulator,
    arn: str,
    processes: Sequence[int],
    held: Mapping[str, Mapping[str, object]] | None = None,
    totals: Totals = no_totals,
    *,
    before: str | None = None,
    has_log: bool = True,
) -> dict[str, object]:
    """Build the document of ``durable show``: the outcome, input, processes and all operations.

    ``held`` has the reasons for which a server holds executions, by ARN; ``has_log`` as for the outcome. ``before`` is
    the ARN of the execution that this one continues, if it is not in the store.
    """
    held = held or {}
    operations = emulator.progress(arn).operations
    batches = batch_progress(operations, totals(arn))
    payload = emulator.describe(arn).input_payload
    return {
        **outcome_document(emulator, arn, held, has_log=has_log),
        "input_payload": json_or_text(payload or None),
        "processes": list(processes),
        "held": held.get(arn),
        "time": time_document(emulator.time(arn), emulator.progress(arn)),
        "forked_from": origin_document(emulator.progress(arn), payload),
        **chain_documents(emulator, arn, before or continues(emulator, arn)),
        "operations": [
            {
                **operation_document(progress),
                "progress": batch_document(batches.get(progress.operation.id)),
            }
            for progress in operations
        ],
    }


def batch_document(batch: BatchProgress | None) -> dict[str, object] | None:
    """Build the document of the progress of a map or parallel; ``None`` for another operation."""
    if batch is None:
        return None
    return {
        "total": batch.total,
        "started": batch.started,
        "succeeded": batch.succeeded,
        "failed": batch.failed,
        "estimated_end_timestamp": iso(batch.ends_at),
    }


def time_document(time: TimeReading, progress: ExecutionProgress) -> dict[str, object]:
    """Build the document of an execution's time."""
    return {
        "mode": time.mode,
        "offset_milliseconds": time.offset,
        "now": iso(time.now),
        "advances_to": iso(progress.time.advances_to),
    }


def origin_document(progress: ExecutionProgress, payload: str | None) -> dict[str, object] | None:
    """Build the document of the execution that a fork was made of; ``None`` for another execution.

    ``payload`` is its input.
    """
    origin = origin_of(progress.arn, progress.forked_from, payload)
    if origin is None:
        return None
    return {"durable_execution_arn": origin.arn, "before": origin.before}


def chain_documents(emulator: Emulator, arn: str, before: str | None) -> dict[str, object]:
    """Build the documents of the executions before and after one; each is ``None`` if there is none."""
    continuation = continued_as(emulator, arn)
    following = None
    if continuation is not None:
        following = {
            "durable_execution_name": continuation.name,
            "durable_execution_arn": continuation.arn,
        }
    return {
        "continues": None
        if before is None
        else {"durable_execution_name": name_in(before), "durable_execution_arn": before},
        "continued_as": following,
    }


def record_document(
    record: ExecutionRecord,
    counts: Counts | None,
    executions: Family | None,
    processes: Sequence[int],
    held: Mapping[str, object] | None = None,
    *,
    is_run: bool | None = None,
    continued_as: str | None = None,
    custom_status: CustomStatus | None = None,
) -> dict[str, object]:
    """Build one entry of ``durable list``; ``processes`` are the ids of those that run it.

    ``executions`` is the progress of one that is open, ``held`` the reason for which it is held. ``is_run``
    tells that it is run where processes are not known. ``continued_as`` is the name under which it went on,
    ``custom_status`` what its code set last.
    """
    activity, waiting = Activity.ENDED, []
    if executions is not None:
        has_process = bool(processes) if is_run is None else is_run
        activity = activity_of(executions, has_process=has_process)
        waiting = _waiting(executions)
    return {
        "durable_execution_name": record.name,
        "function_name": record.function,
        "durable_execution_arn": record.arn,
        "status": record.status,
        "start_timestamp": iso(record.started_at),
        "end_timestamp": iso(record.ended_at),
        "operations": None if counts is None else counts.operations,
        "attempts": None if counts is None else counts.attempts,
        "activity": activity,
        "waiting": waiting,
        "processes": list(processes),
        "held": held,
        "continued_as": continued_as,
        **custom_status_document(custom_status),
    }


def callback_document(reference: str, waiter: Waiter) -> dict[str, object]:
    """Build one entry of ``durable callback list``."""
    arn = ExecutionArn.parse(waiter.execution.arn)
    return {
        "callback": reference,
        "callback_id": callback_id_of(waiter.progress),
        "durable_execution_name": arn.execution_name,
        "function_name": arn.function_name,
        "durable_execution_arn": waiter.execution.arn,
        "path": list(waiter.path),
        "start_timestamp": iso(waiter.progress.operation.start_timestamp),
        "until": iso(waiter.waiting.until),
        "about": about_of(waiter),
    }


def about_of(waiter: Waiter) -> object:
    """Return the value that the submitter of a ``wait_for_callback`` returned, such as a question; ``None`` if none is shown."""
    context = waiter.progress.operation.parent_id
    if context is None:
        return None
    submitter: str | None = None
    for progress in waiter.execution.operations:
        operation = progress.operation
        if operation.id == context and operation.sub_type != OperationSubType.WAIT_FOR_CALLBACK:
            return None
        if operation.parent_id == context and operation.type == OperationType.STEP:
            submitter = result_of(operation)
    if submitter is None or len(submitter) > _MOST_ABOUT:
        return None
    return json_or_text(submitter)


def _waiting(executions: Family) -> list[dict[str, object]]:
    return [
        {"path": list(waiter.path), **operation_document(waiter.progress)}
        for waiter in executions.waiters()
    ]


def operation_document(progress: OperationProgress) -> dict[str, object]:
    """Build the document of an operation."""
    operation, waiting = progress.operation, progress.waiting
    return {
        "id": operation.id,
        "parent_id": operation.parent_id,
        "name": operation.name,
        "kind": kind(operation),
        "status": operation.status,
        "attempt": progress.attempt,
        "waits_for": None if waiting is None else waiting.awaited.value,
        "until": None if waiting is None else iso(waiting.until),
        "callback_id": callback_id_of(progress),
        "result": json_or_text(result_of(operation)),
        "error": error_document(error_of(operation)),
    }


def error_document(error: ErrorObject | None) -> dict[str, object] | None:
    """Build the document of an error."""
    if error is None:
        return None
    return {
        "error_type": error.error_type,
        "error_message": error.error_message,
        "error_data": json_or_text(error.error_data or None),
        "stack_trace": error.stack_trace,
    }
