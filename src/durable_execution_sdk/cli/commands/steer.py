"""The commands ``fork``, ``rerun``, ``time``, ``pause``, ``resume`` and ``crash``."""

from __future__ import annotations

import json

import click

from durable_execution_sdk.cli.arguments.completion import operation_names
from durable_execution_sdk.cli.arguments.durations import milliseconds
from durable_execution_sdk.cli.operation_references import named_in, operation_id
from durable_execution_sdk.cli.options import anyway_option, input_option, json_option, store_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.payloads import read_json
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.steering import Steering, steering
from durable_execution_sdk.emulator.faults.live import FaultKind, LiveFault
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.views.progress import ExecutionProgress
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.documents import time_document
from durable_execution_sdk.rendering.time_and_origin import time_text

_ADVANCE = "advance"
_NEXT = "next"
_WORDS = {
    "time": "wait for and its time stands still",
    "pause": "pause",
    "resume": "resume",
    "crash": "crash",
}

_HOW = (
    " --result OPERATION=JSON changes the result of what has been done, --before OPERATION does that one and what"
    " was recorded after it anew"
)


@click.command(short_help="Make an execution that has done what another had done.")
@click.argument("name")
@click.option(
    "--before",
    metavar="OPERATION",
    shell_complete=operation_names,
    help="Do this operation, and all after it, anew.",
)
@input_option
@click.option(
    "--result",
    "results",
    metavar="OPERATION=JSON|@FILE",
    multiple=True,
    help="Another result of an operation; one that failed or is open succeeds with it. Repeatable.",
)
@click.option(
    "--as", "new_name", metavar="NAME", help="The name of the fork; one is made if left out."
)
@anyway_option
@store_option
@json_option
def fork(
    name: str,
    before: str | None,
    payload: str | None,
    results: tuple[str, ...],
    new_name: str | None,
    anyway: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Make a new execution that has done what another had done by a moment.

    It takes over everything that was recorded before the operation of --before, or everything that has ended,
    and goes on from there: no step of that part runs again. The other execution stays as it is: an open one
    goes on too. A callback that is open gets another id; wait_for_callback submits it again.

    OPERATION is the operation's name, preceded by the names of its contexts where it is ambiguous
    (items/map-item-1/price), with a number if several have it (charge#2), or its id.
    """
    with steering(store) as control:
        arn = control.arn(name)
        progress = control.progress(arn)
        before_id = None if before is None else operation_id(progress, before)
        given = None if payload is None else read_json(payload, "--input")
        changed = dict(_result(progress, each) for each in results)
        try:
            forked = control.fork(
                arn, before=before_id, payload=given, results=changed, name=new_name, anyway=anyway
            )
        except ServiceError as error:
            raise Refusal(named_in(error.message, progress) + (_HOW if changed else "")) from error
        _tell_new(control, forked, arn, "a fork of", as_json=as_json)
        if progress.ended_at is None:
            own, end = _name(arn), control.command("stop", _name(arn))
            say(f"{own} goes on too: end it with {end} if {_name(forked)} replaces it", err=True)


@click.command(short_help="Start the same function again, with the same or another input.")
@click.argument("name")
@input_option
@click.option("--as", "new_name", metavar="NAME", help="The new name; one is made if left out.")
@store_option
@json_option
def rerun(
    name: str, payload: str | None, new_name: str | None, store: str | None, as_json: bool
) -> None:
    """Start an execution of the same function again, from the beginning."""
    given = None if payload is None else read_json(payload, "--input")
    with steering(store) as control:
        arn = control.arn(name)
        again = control.rerun(arn, payload=given, name=new_name)
        _tell_new(control, again, arn, "another run of", as_json=as_json)


@click.command(short_help="Show or change the time of an execution.")
@click.argument("name")
@click.argument(
    "action", required=False, type=click.Choice([*(mode.value for mode in TimeMode), _ADVANCE])
)
@click.argument("amount", required=False, metavar="[DURATION|next]")
@store_option
@json_option
def time(
    name: str, action: str | None, amount: str | None, store: str | None, as_json: bool
) -> None:
    """Show or change the time of an execution, and of those that it invoked.

    real: time passes like that of the clock. paused: it stands still. skip: it jumps over waits and
    retry delays, but not while a callback is open, which would time out before its answer.

    advance 3h, advance next: time goes on by a duration, or to the next timer, in every mode, and while
    callbacks are open. Each timer on the way fires at its time, and the code that waits for it runs first.
    """
    if (action == _ADVANCE) != (amount is not None):
        raise Refusal("write `advance DURATION` (90s, 3h, 1d12h) or `advance next`")
    with steering(store) as control:
        arn = _open(control, name, "time") if action is not None else control.arn(name)
        if action == _ADVANCE and amount is not None:
            by = None if amount == _NEXT else milliseconds(amount, "DURATION")
            control.advance(arn, by)
        elif action is not None:
            control.set_time(arn, TimeMode(action))
        progress, reading = control.progress(arn), control.time(arn)
        if as_json:
            say(json.dumps({**_names(arn), **time_document(reading, progress)}, indent=2))
            return
        say(f"{_name(arn)}: {time_text(reading, progress.time.advances_to)}")
        if action is not None:
            _tell_going_on(control, arn)


@click.command(short_help="Pause an execution: its handler is not invoked.")
@click.argument("name")
@click.option("--reason", metavar="TEXT", help="Why; recorded with the pause.")
@store_option
def pause(name: str, reason: str | None, store: str | None) -> None:
    """Pause an execution: its handler is not invoked, while timers go on and callbacks can be answered."""
    with steering(store) as control:
        arn = _open(control, name, "pause")
        control.pause(arn, reason)
        say(f"{_name(arn)} is {control.progress(arn).status}")


@click.command(short_help="End the pause of an execution, or its hold with --anyway.")
@click.argument("name")
@click.option("--reason", metavar="TEXT", help="Why; recorded with the end of the pause.")
@click.option(
    "--anyway",
    is_flag=True,
    help="Let a held execution go on with edited code that does not fit its log.",
)
@store_option
def resume(name: str, reason: str | None, store: str | None, anyway: bool) -> None:
    """End the pause of an execution, or with --anyway let one go on that the server holds."""
    with steering(store) as control:
        arn = _open(control, name, "resume")
        if anyway:
            if reason is not None:
                raise Refusal("--reason is recorded with the end of a pause; leave it out")
            control.accept_code(arn)
            say(f"{_name(arn)} goes on with the code as it is")
            return
        control.resume(arn, reason)
        say(f"{_name(arn)} is {control.progress(arn).status}")
        _tell_going_on(control, arn)


@click.command(short_help="Kill the worker that runs an execution, now or later.")
@click.argument("name")
@click.option("--before", metavar="CHECKPOINT", help="Crash before this checkpoint is recorded.")
@click.option("--after", metavar="CHECKPOINT", help="Crash after it was recorded.")
@click.option("--lose", metavar="CHECKPOINT", help="Record it, and lose the response.")
@click.option("--throttle", metavar="CHECKPOINT", help="Refuse it, as with too many requests.")
@click.option(
    "--times", type=click.IntRange(min=1), default=1, help="How often --throttle refuses it."
)
@store_option
def crash(
    name: str,
    before: str | None,
    after: str | None,
    lose: str | None,
    throttle: str | None,
    times: int,
    store: str | None,
) -> None:
    """Kill the worker that runs an execution now, or at a checkpoint to come; or plan another fault.

    CHECKPOINT is a number, 1 for the next one, or the name or id of an operation: the next checkpoint that
    records it.
    """
    places = {
        FaultKind.CRASH_BEFORE: before,
        FaultKind.CRASH_AFTER: after,
        FaultKind.LOSE_RESPONSE: lose,
        FaultKind.THROTTLE: throttle,
    }
    faults = [
        LiveFault(
            kind=kind,
            checkpoint=int(place) if place.isdecimal() else 1,
            operation=None if place.isdecimal() else place,
            times=times,
        )
        for kind, place in places.items()
        if place is not None
    ]
    if len(faults) > 1 or (times > 1 and throttle is None):
        raise Refusal(
            "give one of --before, --after, --lose and --throttle; --times is for --throttle"
        )
    with steering(store) as control:
        arn = _open(control, name, "crash")
        control.crash(arn, faults[0] if faults else None)
        if not faults:
            say(f"{_name(arn)}: its worker was killed")
        else:
            say(f"{_name(arn)}: {_fault_text(faults[0])}")


def _fault_text(fault: LiveFault) -> str:
    place = f"checkpoint {fault.checkpoint} from now"
    if fault.operation is not None:
        place = f"the next checkpoint of {fault.operation}"
    match fault.kind:
        case FaultKind.CRASH_BEFORE:
            return f"its worker will be killed before {place} is recorded"
        case FaultKind.CRASH_AFTER:
            return f"its worker will be killed after {place} is recorded"
        case FaultKind.LOSE_RESPONSE:
            return f"the response of {place} will be lost"
        case FaultKind.THROTTLE:
            often = "" if fault.times == 1 else f" {fault.times} times"
            return f"{place} will be refused{often}"


def _open(control: Steering, name: str, command: str) -> str:
    """Return the ARN of an execution that has not ended; raise ``Refusal`` for one that has."""
    arn = control.arn(name)
    progress = control.progress(arn)
    if progress.ended_at is not None:
        own = _name(arn)
        raise Refusal(
            f"{own} has ended: it is {progress.status}, so there is nothing to {_WORDS[command]}. To go on from"
            f" an earlier moment, fork it: {control.command('fork', own, '--before', 'OPERATION')}; to do it"
            f" all again: {control.command('rerun', own)}"
        )
    return arn


def _result(progress: ExecutionProgress, option: str) -> tuple[str, str]:
    reference, has_value, value = option.partition("=")
    if not has_value:
        raise Refusal(f"--result {option}: write it as OPERATION=JSON")
    return operation_id(progress, reference), read_json(value, f"--result {reference}")


def _tell_new(control: Steering, arn: str, origin: str, relation: str, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps({**_names(arn), "origin_arn": origin}, indent=2))
        return
    say(f"{_name(arn)} is {relation} {_name(origin)}")
    _tell_going_on(control, arn)


def _tell_going_on(control: Steering, arn: str) -> None:
    line = control.going_on(arn)
    if line is not None:
        say(line, err=True)


def _name(arn: str) -> str:
    return ExecutionArn.parse(arn).execution_name


def _names(arn: str) -> dict[str, str]:
    return {"durable_execution_name": _name(arn), "durable_execution_arn": arn}
