"""``durable start``: start an execution on a running development server."""

from __future__ import annotations

import click
import msgspec

from durable_execution_sdk.cli.arguments.completion import execution_names
from durable_execution_sdk.cli.arguments.execution_names import (
    EMPTY,
    existing,
    name_of,
    recorded_input,
)
from durable_execution_sdk.cli.commands.functions import check_served, served_functions
from durable_execution_sdk.cli.following import Follower, end_of_following, interruptible
from durable_execution_sdk.cli.options import json_option, store_option
from durable_execution_sdk.cli.output.branch_totals import noted_totals
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.outcome import tell_document, tell_standing
from durable_execution_sdk.cli.output.streams import Streams
from durable_execution_sdk.cli.payloads import read_json
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.server_client import ServerClient, running_server
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.protocol.ids import ExecutionArn


@click.command()
@click.argument("function", shell_complete=served_functions)
@click.option("--input", "payload", metavar="JSON|@FILE|-", help="The event; {} if left out.")
@click.option(
    "--name",
    metavar="NAME",
    shell_complete=execution_names,
    help="The execution's name; a fresh one if left out.",
)
@click.option(
    "--follow", is_flag=True, help="Show progress until the execution has ended or is held."
)
@store_option
@json_option
def start(
    function: str,
    payload: str | None,
    name: str | None,
    follow: bool,
    store: str | None,
    as_json: bool,
) -> int:
    """Start an execution on the development server.

    FUNCTION is the name of a function that `durable dev` runs, with :VERSION or :ALIAS if it is not the
    latest code. With the --name of an execution that exists, that one is meant, and another input is
    refused; so is a name without --input that is nearly that of another execution. A function that is not durable is called, and its result is printed.
    """
    place = Place(store)
    given = None if payload is None else read_json(payload, "--input")
    client = ServerClient(running_server(place))
    check_served(client, function)
    if not client.is_durable(function):
        return _call(client, function, given or EMPTY, has_options=bool(name or follow or as_json))
    qualified = function if ":" in function else f"{function}:{LATEST}"
    name = name if name is None else name_of(place, name)
    with place.existing() as emulator:
        text = (given or EMPTY) if name is None else _input(emulator, place, function, name, given)
        arn = client.start(qualified, text, name)
        parts = ExecutionArn.parse(arn)
        execution_name = parts.execution_name
        asked = function.rpartition(":")[2]
        if ":" in function and (asked.isdecimal() or asked == LATEST) and asked != parts.version:
            say(
                f"{execution_name} was there already, on version {parts.version} and not on {asked}: an execution"
                " stays on its version",
                err=True,
            )
        if not follow:
            if as_json:
                tell_document(emulator, arn)
            else:
                say(execution_name)
                say(
                    f"follow it with: {place.command('show', execution_name, '--follow')}", err=True
                )
            return ExitCode.SUCCEEDED
        streams = Streams(as_json=as_json)
        follower = Follower(emulator, arn, place, aloud=not streams.is_live)
        with (
            interruptible(),
            noted_totals(place.path) as totals,
            streams.watch(lambda: follower.note, totals)(emulator, arn, place),
        ):
            follower.wait_for_end()
        code = end_of_following(emulator, arn, place)
        if as_json:
            tell_document(emulator, arn)
        else:
            tell_standing(emulator, arn)
        return code


def _input(emulator: Emulator, place: Place, function: str, name: str, payload: str | None) -> str:
    """Return the input to send: as it was recorded, if the execution exists, because the server compares texts."""
    function, _ = emulator.functions.parse(function)
    arn = existing(emulator, place, function=function, name=name, payload=payload)
    return (payload or EMPTY) if arn is None else recorded_input(emulator, arn)


def _call(client: ServerClient, function: str, payload: str, *, has_options: bool) -> int:
    if has_options:
        raise Refusal(
            f"{function} is not a durable function, so it has no executions: leave out --name, --follow and"
            " --json"
        )
    result, has_failed = client.call(function, payload)
    say(result)
    if has_failed:
        say(f"{function} failed: {_error(result)}", err=True)
    return ExitCode.FAILED if has_failed else ExitCode.SUCCEEDED


class _Failure(msgspec.Struct, rename="camel"):
    error_message: str = "it gave no message"


def _error(result: str) -> str:
    try:
        return msgspec.json.decode(result, type=_Failure).error_message
    except msgspec.DecodeError:
        return "its error is no JSON"
