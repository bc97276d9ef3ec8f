"""``durable send``: send a message to an inbox of an execution."""

from __future__ import annotations

import time
import uuid

import click

from durable_execution_sdk.cli.arguments.completion import execution_names
from durable_execution_sdk.cli.options import Endpoint, endpoint_options, store_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.processes import processes_of, running_or_resume
from durable_execution_sdk.cli.payloads import read_json
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.client.messages.inbox_ref import written
from durable_execution_sdk.dev.answers import MisfitError, check_answer, logs_beside
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.views.inboxes import room_in
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol.error_codes import CALLBACK_CLOSED
from durable_execution_sdk.rendering.origins import name_in, next_in_store

_PAUSE = 0.2


@click.command()
@click.argument("name", shell_complete=execution_names)
@click.argument("inbox")
@click.argument("message", metavar="JSON|@FILE|-")
@click.option(
    "--id", "message_id", metavar="TEXT", help="An id for the message.  [default: a new UUID]"
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=10.0,
    metavar="SECONDS",
    show_default=True,
    help="How long to wait for room in the inbox.",
)
@click.option(
    "--anyway", is_flag=True, help="Send a message that does not fit the type of the inbox."
)
@store_option
@endpoint_options
def send(
    name: str,
    inbox: str,
    message: str,
    message_id: str | None,
    timeout: float,
    anyway: bool,
    store: str | None,
    at: Endpoint,
) -> None:
    """Send a message to an inbox of an execution.

    INBOX is the name that the workflow gives to ctx.inbox: durable send order-7 commands '{"cancel": true}'. The workflow
    takes the messages in the order in which they were accepted, and one of several with the same --id. A message that
    does not fit the type of the inbox is refused where `durable dev` has run the code; an endpoint does not know the
    type.

    At an endpoint NAME is FUNCTION/NAME, FUNCTION/@last or an ARN.
    """
    chosen = str(uuid.uuid4()) if message_id is None else message_id
    try:
        payload = written(inbox, read_json(message, "the message"), chosen)
    except ConfigError as error:
        raise Refusal(str(error)) from error
    if at.is_given:
        from durable_execution_sdk.cli.remote.messages import (  # noqa: PLC0415 - only for endpoints
            send_message,
        )

        send_message(name, at, inbox, chosen, payload, timeout)
        say(f"accepted: {chosen}")
        return
    place = Place(store)
    with place.existing() as emulator:
        arn = place.arn(emulator, name)
        runs = bool(processes_of(emulator, arn, place))
        _send(place, emulator, arn, inbox, payload, timeout=timeout, anyway=anyway)
        say(f"accepted: {chosen}")
        if not runs:
            say(running_or_resume(emulator, arn, place), err=True)


def _send(
    place: Place,
    emulator: Emulator,
    arn: str,
    inbox: str,
    payload: bytes,
    *,
    timeout: float,
    anyway: bool,
) -> None:
    """Answer the next callback of the inbox; wait for room in it."""
    ends_at = time.monotonic() + timeout
    while True:
        room = room_in(emulator.progress(arn), inbox)
        if room.callback_id is not None:
            if not anyway:
                _check(place, room.callback_id, payload)
            try:
                emulator.callback_success(room.callback_id, payload)
            except ServiceError as error:
                if error.code != CALLBACK_CLOSED:
                    raise
                continue  # another sender was first
            return
        if room.is_hopeless or time.monotonic() >= ends_at:
            following = next_in_store(emulator, arn)
            went_on = (
                "" if following is None else f"; it went on as {name_in(following)}, send there"
            )
            raise Refusal(f"{name_in(arn)} did not accept the message: {room.reason}{went_on}")
        time.sleep(_PAUSE)


def _check(place: Place, callback_id: str, payload: bytes) -> None:
    """Raise ``Refusal`` for a message that does not fit the type that a server knows."""
    try:
        with logs_beside(place.path) as logs:
            check_answer(logs, callback_id, payload.decode(), is_typed=True)
    except MisfitError as error:
        raise Refusal(f"{error.message} Correct the message, or send it with --anyway") from error
