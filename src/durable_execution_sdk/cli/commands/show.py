"""``durable show``: an execution as a tree, with what it waits for and its result."""

from __future__ import annotations

import json

import click
from rich.console import Console

from durable_execution_sdk.cli.following import Follower, end_of_following, interruptible
from durable_execution_sdk.cli.options import full_option, json_option, name_argument, store_option
from durable_execution_sdk.cli.output.branch_totals import noted_totals
from durable_execution_sdk.cli.output.held_executions import finding_lines, ways_on
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.outcome import (
    tell_recovery,
    tell_standing,
    tell_time_and_origin,
    tell_waits,
)
from durable_execution_sdk.cli.output.processes import processes_of, running_or_resume
from durable_execution_sdk.cli.output.progress import drawing
from durable_execution_sdk.cli.output.streams import Streams
from durable_execution_sdk.cli.output.tree import tree
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.reload.findings import finding_document
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.rendering.batch_progress import Batches, Totals, family_batches
from durable_execution_sdk.rendering.documents import execution_document
from durable_execution_sdk.rendering.failures import failed_operations
from durable_execution_sdk.rendering.family import Family, family
from durable_execution_sdk.rendering.payloads import payload_line, payload_lines, result_of


@click.command()
@name_argument
@store_option
@full_option
@click.option(
    "--failed", is_flag=True, help="Show only operations that failed, and their contexts."
)
@click.option(
    "--follow", is_flag=True, help="Show progress until the execution has ended or is held."
)
@json_option
def show(
    name: str, store: str | None, full: bool, failed: bool, follow: bool, as_json: bool
) -> int:
    """Show an execution and its operations.

    Shows the results of operations, what it waits for, and its own result or error.

    NAME is the execution's name, its ARN, the beginning of its id, or @last.
    """
    if as_json and (full or failed):
        raise Refusal(
            "--json writes all operations with whole payloads: leave out --full and --failed"
        )
    place = Place(store)
    with place.existing() as emulator, noted_totals(place.path) as totals:
        arn = place.arn(emulator, name)
        code = ExitCode.SUCCEEDED
        if follow:
            code = _follow(emulator, arn, place, totals, as_json=as_json)
        held_now = place.held
        finding = held_now[arn].finding if arn in held_now else None
        if as_json:
            held = {key: finding_document(each.finding) for key, each in held_now.items()}
            processes = processes_of(emulator, arn, place)
            document = execution_document(emulator, arn, processes, held, totals)
            say(json.dumps(document, indent=2, ensure_ascii=False))
            return code
        executions = family(emulator, arn)
        shown = failed_operations(executions) if failed else executions
        batches = family_batches(executions, totals)
        _draw(shown, batches, now=emulator.now(arn), payloads=not full)
        _tell_payloads(emulator, arn, shown, full=full)
        if failed and not shown.execution.operations:
            say("no operation has failed")
        tell_standing(emulator, arn)
        tell_time_and_origin(emulator, arn)
        tell_waits(emulator, arn, place)
        tell_recovery(emulator, arn, place)
        if finding is not None:
            for line in finding_lines([arn], finding):
                say(line)
            for line in ways_on(emulator, place, [arn], finding):
                say(line)
        elif not emulator.is_closed(arn):
            say(running_or_resume(emulator, arn, place))
        return code


def _follow(
    emulator: Emulator, arn: str, place: Place, totals: Totals, *, as_json: bool
) -> ExitCode:
    """Show progress until the execution has ended or is held; return the exit code."""
    streams = Streams(as_json=as_json)
    follower = Follower(emulator, arn, place, aloud=not streams.is_live)
    with interruptible(), streams.watch(lambda: follower.note, totals)(emulator, arn, place):
        follower.wait_for_end()
    return end_of_following(emulator, arn, place)


def _draw(executions: Family, batches: Batches, *, now: int, payloads: bool) -> None:
    console = Console()
    options = drawing(console, now, payloads=payloads, batches=batches)
    console.print(tree(options.outline(executions)))


def _tell_payloads(emulator: Emulator, arn: str, executions: Family, *, full: bool) -> None:
    """Print the input in a line; with ``full``, the whole input and the whole results of operations."""
    payload = emulator.describe(arn).input_payload
    if not full:
        if payload is not None:
            say(f"input: {payload_line(payload)}")
        return
    if payload is not None:
        _tell_payload("input", payload)
    for entry in executions.entries():
        result = result_of(entry.progress.operation)
        if result is not None:
            _tell_payload(f"result of {' / '.join(entry.path)}", result)


def _tell_payload(title: str, payload: str) -> None:
    say(f"{title}:")
    for line in payload_lines(payload):
        say(f"  {line}")
