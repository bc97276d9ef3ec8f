"""The commands ``time``, ``pause``, ``resume`` and ``crash``."""

from __future__ import annotations

import json

import click

from durable_execution_sdk.cli.arguments.durations import milliseconds
from durable_execution_sdk.cli.options import Endpoint, endpoint_options, json_option, store_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.steering import (
    Steering,
    name_of,
    names_of,
    steering,
    tell_going_on,
)
from durable_execution_sdk.emulator.faults.live import FaultKind, LiveFault
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.protocol.continuation import next_name
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
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
    retry delays, but not while a callback is open, which would time out before its answer. An inbox does
    not hold it up, as a message may never come.

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
            say(json.dumps({**names_of(arn), **time_document(reading, progress)}, indent=2))
            return
        say(f"{name_of(arn)}: {time_text(reading, progress.time.advances_to)}")
        if action is not None:
            tell_going_on(control, arn)


@click.command(short_help="Pause an execution: its handler is not invoked.")
@click.argument("name")
@click.option("--reason", metavar="TEXT", help="Why; recorded with the pause.")
@store_option
@endpoint_options
def pause(name: str, reason: str | None, store: str | None, at: Endpoint) -> None:
    """Pause an execution: its handler is not invoked, while timers go on and callbacks can be answered.

    At an endpoint NAME is FUNCTION/NAME, FUNCTION/@last or an ARN.
    """
    if at.is_given:
        from durable_execution_sdk.cli.remote import (  # noqa: PLC0415 - only for endpoints
            steering as remote,
        )

        say(remote.pause(name, at, reason))
        return
    with steering(store) as control:
        arn = _open(control, name, "pause")
        control.pause(arn, reason)
        say(f"{name_of(arn)} is {control.progress(arn).status}")


@click.command(short_help="End the pause of an execution, or its hold with --anyway.")
@click.argument("name")
@click.option("--reason", metavar="TEXT", help="Why; recorded with the end of the pause.")
@click.option(
    "--anyway",
    is_flag=True,
    help="Let a held execution go on with edited code that does not fit its log.",
)
@store_option
@endpoint_options
def resume(name: str, reason: str | None, store: str | None, anyway: bool, at: Endpoint) -> None:
    """End the pause of an execution, or with --anyway let one go on that the server holds.

    At an endpoint NAME is FUNCTION/NAME, FUNCTION/@last or an ARN.
    """
    if at.is_given:
        from durable_execution_sdk.cli.remote import (  # noqa: PLC0415 - only for endpoints
            steering as remote,
        )

        if anyway:
            raise Refusal("--anyway is for executions that `durable dev` holds; leave it out")
        say(remote.resume(name, at, reason))
        return
    with steering(store) as control:
        arn = _open(control, name, "resume")
        if anyway:
            if reason is not None:
                raise Refusal("--reason is recorded with the end of a pause; leave it out")
            control.accept_code(arn)
            say(f"{name_of(arn)} goes on with the code as it is")
            return
        control.resume(arn, reason)
        say(f"{name_of(arn)} is {control.progress(arn).status}")
        tell_going_on(control, arn)


@click.command(short_help="Kill the process that runs an execution, now or later.")
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
    """Kill the process that runs an execution now, or at a checkpoint to come; or plan another fault.

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
            say(f"{name_of(arn)}: its process was killed")
        else:
            say(f"{name_of(arn)}: {_fault_text(faults[0])}")


def _fault_text(fault: LiveFault) -> str:
    place = f"checkpoint {fault.checkpoint} from now"
    if fault.operation is not None:
        place = f"the next checkpoint of {fault.operation}"
    match fault.kind:
        case FaultKind.CRASH_BEFORE:
            return f"its process will be killed before {place} is recorded"
        case FaultKind.CRASH_AFTER:
            return f"its process will be killed after {place} is recorded"
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
        own, last = name_of(arn), _last_name(control, arn)
        if last != own:
            raise Refusal(f"{own} has ended, and went on as {last}: write {last} in place of {own}")
        raise Refusal(
            f"{own} has ended: it is {progress.status}, so there is nothing to {_WORDS[command]}. To go on from"
            f" an earlier moment, fork it: {control.command('fork', own, '--before', 'OPERATION')}; to do it"
            f" all again: {control.command('rerun', own)}"
        )
    return arn


def _last_name(control: Steering, arn: str) -> str:
    """Return the name of the last execution as which one went on; its own if it did not."""
    while control.progress(arn).status == ExecutionStatus.SUCCEEDED:
        try:
            arn = control.arn(next_name(arn))
        except Refusal:
            break
    return name_of(arn)
