"""``durable run``: start an execution on the embedded engine, or continue one."""

from __future__ import annotations

import uuid
from functools import partial
from typing import NamedTuple, TypeGuard

import click

from durable_execution_sdk.cli.arguments.completion import execution_names
from durable_execution_sdk.cli.arguments.execution_names import name_of
from durable_execution_sdk.cli.execution_run import Order, Run, begin, fresh_name
from durable_execution_sdk.cli.interrupts import Interrupts
from durable_execution_sdk.cli.options import json_option, store_option
from durable_execution_sdk.cli.output.branch_totals import CountedTotals
from durable_execution_sdk.cli.output.held_executions import held_documents, tell_held
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.outcome import (
    exit_code,
    tell,
    tell_document,
    tell_recovery,
    tell_waits,
)
from durable_execution_sdk.cli.output.processes import shared_with
from durable_execution_sdk.cli.output.streams import Streams, show_logs
from durable_execution_sdk.cli.payloads import read_json
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.cli.user_code import (
    BrokenCode,
    UserCode,
    input_fault,
    needed_input,
    split_target,
)
from durable_execution_sdk.dev.reload.edited_code import EditedCode, code_of
from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.origins import name_in, next_in_store
from durable_execution_sdk.rendering.time_and_origin import is_special, time_text

_LEVELS = ("debug", "info", "warning", "error")


class _Held(Refusal):
    """An execution cannot go on with a file as it is."""

    exit_code = ExitCode.SUSPENDED


@click.command(context_settings={"show_default": True})
@click.argument("target", metavar="FILE[:HANDLER]")
@click.option("--input", "payload", metavar="JSON|@FILE|-", help="The event; {} if left out.")
@click.option(
    "--name",
    metavar="NAME",
    shell_complete=execution_names,
    help="The execution's name; a fresh one if left out.",
)
@store_option
@click.option("--skip-time", is_flag=True, help="Do not wait for time to pass: skip it.")
@click.option("--no-wait", is_flag=True, help="Do what is due now, and leave the rest for later.")
@click.option(
    "--function",
    "others",
    metavar="NAME=FILE:ATTR",
    multiple=True,
    help="A function that ctx.invoke can call: a workflow or a plain Lambda handler. Repeatable.",
)
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", help="What is logged.")
@click.option(
    "--anyway",
    is_flag=True,
    help="Go on with edited code although a rehearsal finds that it fails.",
)
@json_option
def run(
    target: str,
    payload: str | None,
    name: str | None,
    store: str | None,
    skip_time: bool,
    no_wait: bool,
    others: tuple[str, ...],
    log_level: str,
    anyway: bool,
    as_json: bool,
) -> int:
    """Run a workflow, or continue one that was interrupted.

    HANDLER is the name of a @durable_execution workflow in FILE; it may be left out if there is only
    one. Every workflow in FILE can be invoked under its name with ctx.invoke("NAME:$LATEST").

    With the --name of an execution that has not ended, the run continues it, no matter how the last run
    ended; with that of one that has ended, it shows the result. A different input for a name that is
    in use is refused, and so is a name without --input that is nearly that of another execution.

    An execution that goes on as a new one (ctx.continue_as_new) is followed to the last, also by the name of the first.

    --skip-time skips waits and retry delays, except while a callback waits for its answer. A later
    run without it starts at the time that was reached.

    If the code was edited since the execution last ran, and would fail only for that, nothing is recorded:
    the run says what does not fit, and exits with 3. Edit the code again, or go on with --anyway.

    Ctrl-C stops after the step that runs, a second Ctrl-C at once. The execution can be continued after
    both.
    """
    place = Place(store)
    streams = Streams(as_json=as_json)
    given = None if payload is None else read_json(payload, "--input")
    try:
        with streams.for_user_code():
            loaded = _load(target, others)
            show_logs(log_level)
    except BrokenCode as broken:
        if name is not None and _is_open(place, name):
            raise _Held(
                f"{broken.message} nothing was recorded, and {name} goes on once the file is mended",
                broken.detail,
            ) from broken
        raise
    chosen = loaded.chosen
    order = Order(
        function=chosen,
        name=name_of(place, name) if name else fresh_name(chosen, str(uuid.uuid4())),
        payload=given,
        is_named=bool(name),
        needs=needed_input(loaded.handler),
        fault=None if given is None else input_fault(loaded.handler, given),
    )
    words = ["run", target, "--name", order.name, *(f"--function={each}" for each in others)]
    resume = place.command(*words, *(["--skip-time"] if skip_time else []))
    interrupts = Interrupts()
    with place.opened(loaded.functions) as emulator:
        arn = begin(emulator, order, place)
        drive = partial(_drive, emulator, place, loaded, streams, interrupts)
        while True:
            findings = drive(arn, waits=not no_wait, skips=skip_time, anyway=anyway)
            following = None if interrupts.asked.is_set() else next_in_store(emulator, arn)
            if following is None:
                break
            if streams.is_live:
                streams.draw(family(emulator, arn), emulator.now(arn), loaded.totals)
            streams.say(f"{name_in(arn)} goes on as {name_in(following)}")
            arn = following
        if as_json:
            tell_document(emulator, arn, held=held_documents(findings))
        elif findings:
            tell_held(emulator, findings, place, resume)
        else:
            if streams.is_live:
                streams.draw(family(emulator, arn), emulator.now(arn), loaded.totals)
                tell_waits(emulator, arn, place)
            tell(emulator, arn, resume)
            tell_recovery(emulator, arn, place)
        code = exit_code(emulator, arn)
    interrupts.leave(code)
    return code


def _drive(
    emulator: Emulator,
    place: Place,
    loaded: _Loaded,
    streams: Streams,
    interrupts: Interrupts,
    arn: str,
    *,
    waits: bool,
    skips: bool,
    anyway: bool,
) -> dict[str, Finding]:
    """Run an execution that has not ended; return the findings for which it cannot go on."""
    if emulator.is_closed(arn):
        return {}
    name = name_in(arn)
    streams.say(f"{ExecutionArn.parse(arn).function_name}  {name}  {place.path}")
    if is_special(time := emulator.time(arn)):
        streams.say(time_text(time))
    listening = interrupts.listening(aloud=not streams.is_live)
    with place.runs.entered(arn) as processes, listening, streams.for_user_code():
        if processes:
            streams.say(shared_with(processes, waits=waits))
        watch = streams.watch(interrupts.footnote, loaded.totals)
        running = Run(emulator, arn, place, waits=waits, skips=skips)
        edited = EditedCode(emulator, loaded.places)
        findings = running.drive(watch, interrupts, edited, anyway=anyway)
        for reason in dict.fromkeys(edited.unrehearsed.values()):
            say(f"the edited code was not rehearsed: {reason}", err=True)
    if emulator.store.find(arn) is None:
        raise Refusal(f"{name} was deleted by another process while this one ran it")
    return findings


def _is_open(place: Place, name: str) -> bool:
    if not place.path.exists():
        return False
    with place.existing() as emulator:
        arn = place.find(emulator, name)
        return arn is not None and not emulator.is_closed(arn)


class _Loaded(NamedTuple):
    """The functions, the one to run, its name, and the files of those that are durable.

    ``totals`` are those of what they run.
    """

    functions: Functions
    chosen: str
    handler: AnyHandler
    places: dict[str, tuple[str, str]]
    totals: CountedTotals


def _load(target: str, others: tuple[str, ...]) -> _Loaded:
    user_code = UserCode()
    functions = Functions()
    totals = CountedTotals()
    places: dict[str, tuple[str, str]] = {}
    file, wanted = split_target(target)
    chosen = user_code.choose(file, wanted)
    handlers = user_code.handlers(file)
    for name, handler in handlers.items():
        functions.add_durable(name, totals.counting(handler).bind, code=code_of(file, name))
        places[name] = file, name
    for other in others:
        name, _, place = other.partition("=")
        file, attribute = split_target(place)
        if not name or attribute is None:
            raise Refusal(f"--function {other}: write it as NAME=FILE:ATTR")
        found = user_code.function(file, attribute)
        if _is_durable(found):
            functions.add_durable(name, totals.counting(found).bind, code=code_of(file, attribute))
            places[name] = file, attribute
        else:
            functions.add_plain(name, found)
    return _Loaded(functions, chosen, handlers[chosen], places, totals)


def _is_durable(function: object) -> TypeGuard[AnyHandler]:
    return isinstance(function, DurableHandler)
