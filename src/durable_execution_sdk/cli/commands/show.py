"""``durable show``: an execution as a tree, with what it waits for and its result."""

from __future__ import annotations

import json

import click
from rich.console import Console

from durable_execution_sdk.cli.following import Follower, end_of_following, interruptible
from durable_execution_sdk.cli.options import (
    Endpoint,
    endpoint_options,
    full_option,
    json_option,
    name_argument,
    store_option,
)
from durable_execution_sdk.cli.output.branch_totals import noted_totals
from durable_execution_sdk.cli.output.cost import CostOptions, cost_options, tell_cost
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
from durable_execution_sdk.rendering.batch_progress import (
    Batches,
    Totals,
    family_batches,
    no_totals,
)
from durable_execution_sdk.rendering.documents import execution_document
from durable_execution_sdk.rendering.failures import failed_operations
from durable_execution_sdk.rendering.family import Family, family
from durable_execution_sdk.rendering.origins import name_in, next_in_store
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
@cost_options
@endpoint_options
@json_option
def show(
    name: str,
    store: str | None,
    full: bool,
    failed: bool,
    follow: bool,
    as_json: bool,
    at: Endpoint,
    cost: bool,
    prices: tuple[str, ...],
    memory: int | None,
    retention: float | None,
) -> int:
    """Show an execution and its operations.

    Shows the results of operations, what it waits for, and its own result or error. With --cost, what it costs on
    AWS instead: operations, bytes, invocations and the share of replay, with the public prices.

    NAME is the execution's name, its ARN, the beginning of its id, or @last. At an endpoint it is
    FUNCTION/NAME, FUNCTION/@last or an ARN.
    """
    if as_json and (full or failed):
        raise Refusal(
            "--json writes all operations with whole payloads: leave out --full and --failed"
        )
    costs = CostOptions(cost, prices, memory, retention)
    costs.chosen()
    if cost:
        if full or failed or follow:
            raise Refusal("--cost shows no operations: leave out --full, --failed and --follow")
        return _show_cost(name, store, at, costs, as_json=as_json)
    return _shown(name, store, at, full=full, failed=failed, follow=follow, as_json=as_json)


def _shown(
    name: str,
    store: str | None,
    at: Endpoint,
    *,
    full: bool,
    failed: bool,
    follow: bool,
    as_json: bool,
) -> int:
    if at.is_given:
        return _show_remote(name, at, full=full, failed=failed, follow=follow, as_json=as_json)
    place = Place(store)
    with place.existing() as emulator, noted_totals(place.path) as totals:
        arn = place.arn(emulator, name)
        code = ExitCode.SUCCEEDED
        if follow:
            arn, code = _follow(emulator, arn, place, totals, as_json=as_json)
        held_now = place.held
        finding = held_now[arn].finding if arn in held_now else None
        if as_json:
            held = {key: finding_document(each.finding) for key, each in held_now.items()}
            processes = processes_of(emulator, arn, place)
            document = execution_document(emulator, arn, processes, held, totals)
            say(json.dumps(document, indent=2, ensure_ascii=False))
            return code
        _tell_operations(emulator, arn, totals, full=full, failed=failed)
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


def _show_cost(
    name: str, store: str | None, at: Endpoint, costs: CostOptions, *, as_json: bool
) -> int:
    if at.is_given:
        from durable_execution_sdk.cli.remote.views import (  # noqa: PLC0415 - only for endpoints
            EndpointView,
        )

        view = EndpointView(name, at)
        tell_cost(view.emulator, view.arn, costs, as_json=as_json, has_log=False)
        return ExitCode.SUCCEEDED
    place = Place(store)
    with place.existing() as emulator:
        tell_cost(emulator, place.arn(emulator, name), costs, as_json=as_json)
    return ExitCode.SUCCEEDED


@click.command()
@name_argument
@store_option
@endpoint_options
@json_option
def watch(name: str, store: str | None, as_json: bool, at: Endpoint) -> int:
    """Watch an execution until it has ended or is held.

    It shows what `durable show --follow` shows, and then the executions as which it goes on.

    NAME is the execution's name, its ARN, the beginning of its id, or @last. At an endpoint it is
    FUNCTION/NAME, FUNCTION/@last or an ARN, and the execution is read every second to every 15
    seconds, the longer the less happens. Ctrl-C ends the command, and leaves the execution as it is.
    """
    return _shown(name, store, at, full=False, failed=False, follow=True, as_json=as_json)


def _show_remote(
    name: str, at: Endpoint, *, full: bool, failed: bool, follow: bool, as_json: bool
) -> int:
    from durable_execution_sdk.cli.remote.views import (  # noqa: PLC0415 - only for endpoints
        EndpointView,
    )

    view, code = EndpointView(name, at), ExitCode.SUCCEEDED
    if follow:
        with interruptible():
            code = view.follow(as_json=as_json)
            while (following := view.next_arn()) is not None:
                Streams(as_json=as_json).say(f"{name_in(view.arn)} goes on as {name_in(following)}")
                view = EndpointView(following, at)
                code = view.follow(as_json=as_json)
    emulator, arn = view.emulator, view.arn
    if as_json:
        say(view.document())
        return code
    _tell_operations(emulator, arn, no_totals, full=full, failed=failed)
    tell_standing(emulator, arn, has_log=False)
    tell_time_and_origin(emulator, arn, view.before())
    tell_waits(emulator, arn, view.place)
    tell_recovery(emulator, arn, view.place)
    return code


def _tell_operations(
    emulator: Emulator, arn: str, totals: Totals, *, full: bool, failed: bool
) -> None:
    """Print the tree of operations, and the payloads."""
    executions = family(emulator, arn)
    shown = failed_operations(executions) if failed else executions
    batches = family_batches(executions, totals)
    _draw(shown, batches, now=emulator.now(arn), payloads=not full)
    _tell_payloads(emulator, arn, shown, full=full)
    if failed and not shown.execution.operations:
        say("no operation has failed")


def _follow(
    emulator: Emulator, arn: str, place: Place, totals: Totals, *, as_json: bool
) -> tuple[str, ExitCode]:
    """Show progress until the execution, and those as which it goes on, have ended or are held.

    Returns the ARN of the last one, and the exit code.
    """
    streams = Streams(as_json=as_json)
    while True:
        code = _follow_one(emulator, arn, place, totals, streams)
        following = next_in_store(emulator, arn)
        if following is None:
            return arn, code
        streams.say(f"{name_in(arn)} goes on as {name_in(following)}")
        arn = following


def _follow_one(
    emulator: Emulator, arn: str, place: Place, totals: Totals, streams: Streams
) -> ExitCode:
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
