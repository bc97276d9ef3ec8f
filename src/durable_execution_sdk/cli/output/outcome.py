"""The lines or the document printed at the end of a run, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence

from durable_execution_sdk.cli.operation_references import reference_of
from durable_execution_sdk.cli.output.callback_hints import answers, questions
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import ExitCode
from durable_execution_sdk.cli.store_file import ExecutionPlace
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.errors import StepInterruptedError
from durable_execution_sdk.operations.lifecycle.failed_attempts import TIME_UP
from durable_execution_sdk.protocol.continuation import continuation_of
from durable_execution_sdk.protocol.control_plane import ExecutionDescription, ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.rendering.documents import outcome_document
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.origins import continues
from durable_execution_sdk.rendering.time_and_origin import (
    chain_lines,
    is_special,
    lineage,
    time_text,
)
from durable_execution_sdk.rendering.times import span
from durable_execution_sdk.rendering.wording import error_of, waits


def exit_code(emulator: Emulator, arn: str) -> ExitCode:
    """Map an execution's status to an exit code."""
    if not emulator.is_closed(arn):
        return ExitCode.SUSPENDED
    succeeded = emulator.describe(arn).status == ExecutionStatus.SUCCEEDED
    return ExitCode.SUCCEEDED if succeeded else ExitCode.FAILED


def tell_document(
    emulator: Emulator, arn: str, held: Sequence[dict[str, object]] | None = None
) -> None:
    """Print the outcome as one JSON document on stdout, with the executions that are held."""
    document = outcome_document(emulator, arn)
    if held is not None:
        document["held"] = held
    say(json.dumps(document, indent=2, ensure_ascii=False))


def tell(emulator: Emulator, arn: str, resume: str) -> None:
    """Print the outcome on stdout, the result on a line of its own; on stderr the command to go on."""
    tell_standing(emulator, arn)
    for name in _unknown_functions(emulator, arn):
        say(f"{name} is not here; name it in a new run: --function {name}=FILE:ATTR", err=True)
    if not emulator.is_closed(arn):
        say(f"not finished; go on with: {resume}", err=True)


def tell_standing(emulator: Emulator, arn: str, *, has_log: bool = True) -> None:
    """Print an execution's status, counts and time, and its result or error if it has ended.

    ``has_log``: checkpoints are known, which a history does not tell.
    """
    described = emulator.describe(arn)
    tally = emulator.tally(arn)
    ended = described.end_timestamp or family(emulator, arn).last_at
    checkpoints = f"  checkpoints: {tally.checkpoints}" if has_log else ""
    say(
        f"{described.status}  {described.durable_execution_name}"
        f"  invocations: {tally.invocations}  operations: {tally.operations}"
        f"{checkpoints}  time: {span(ended - described.start_timestamp)}"
    )
    if emulator.is_closed(arn):
        _print_end(described)


def tell_time_and_origin(emulator: Emulator, arn: str, before: str | None = None) -> None:
    """Print the executions that one was forked from and continues, the next one, and a time that is not the clock's.

    ``before`` is the ARN of the execution that it continues, if that is not in the store.
    """
    progress, time = emulator.progress(arn), emulator.time(arn)
    origin = lineage(progress, emulator.describe(arn).input_payload)
    if origin is not None:
        say(origin)
    for line in chain_lines(emulator, arn, before or continues(emulator, arn)):
        say(line)
    if progress.ended_at is None and is_special(time):
        say(time_text(time, progress.time.advances_to))


def tell_waits(emulator: Emulator, arn: str, place: ExecutionPlace) -> None:
    """Print the operations that an execution waits for, what its callbacks ask, and the commands to answer them."""
    executions = family(emulator, arn, place.held)
    for line in waits(executions, emulator.now(arn)):
        say(line)
    for line in questions(executions, place):
        say(line)
    for answer in answers(executions, place):
        say(f"answer with: {answer}")


def tell_recovery(emulator: Emulator, arn: str, place: ExecutionPlace) -> None:
    """Print the command that goes on from before the operation whose error failed an execution, if one did.

    Where a step was cut off, that command would run its body again; so the text says when it may, and of one that the
    function's time cut off, that it needs more time.
    """
    described = emulator.describe(arn)
    if described.status != ExecutionStatus.FAILED or described.error is None:
        return
    progress = emulator.progress(arn)
    failed = [
        each.operation.id
        for each in progress.operations
        if each.operation.parent_id is None and _is_cause(error_of(each.operation), described.error)
    ]
    if not failed:
        return
    name, cut = place.reference(arn, described.durable_execution_name), failed[-1]
    command = place.command("fork", name, "--before", reference_of(progress, cut))
    ids = [each.operation.id for each in progress.operations]
    interrupted = [
        each.operation
        for each in progress.operations[ids.index(cut) :]
        if _was_cut_off(error_of(each.operation)) and each.operation.type == OperationType.STEP
    ]
    if not interrupted:
        say(f"to try it again from there, once the cause is mended: {command}", err=True)
        return
    step = reference_of(progress, interrupted[-1].id)
    error = error_of(interrupted[-1])
    is_out_of_time = error is not None and TIME_UP in (error.error_message or "")
    if is_out_of_time:
        say(
            f"{step} was cut off by the function's time, and may have had its effect: raise the function's timeout, or"
            " divide the step",
            err=True,
        )
    else:
        say(f"{step} was cut off, and may have had its effect: find out whether it had", err=True)
    if interrupted[-1].id == cut:
        done = place.command("fork", name, "--result", f"{step}=JSON")
        say(f"if it had, go on with its result: {done}", err=True)
    when = "if it had not, or may have it twice" if is_out_of_time else "only if it had not"
    say(f"{when}, try it again from there: {command}", err=True)


def _was_cut_off(error: ErrorObject | None) -> bool:
    return error is not None and error.error_type == StepInterruptedError.__name__


def _is_cause(error: ErrorObject | None, end: ErrorObject) -> bool:
    return error is not None and (error.error_type, error.error_message) == (
        end.error_type,
        end.error_message,
    )


def _unknown_functions(emulator: Emulator, arn: str) -> list[str]:
    """List the functions that the execution invoked and that this run does not know."""
    names: dict[str, None] = {}
    for entry in history(emulator.recording(arn)()):
        started = entry.chained_invoke_started_details
        if started is not None and started.durable_execution_arn is None:
            name, _ = emulator.functions.parse(started.function_name)
            if emulator.functions.get(name) is None:
                names.setdefault(name)
    return list(names)


def _print_end(described: ExecutionDescription) -> None:
    if described.status == ExecutionStatus.SUCCEEDED:
        if continuation_of(described.durable_execution_arn, described.result) is None:
            say(described.result or "null")
        return
    error = described.error or ErrorObject()
    line = ": ".join(part for part in (error.error_type, error.error_message) if part)
    if line:
        say(line)
    for line in error.stack_trace or []:
        say(line.rstrip())
