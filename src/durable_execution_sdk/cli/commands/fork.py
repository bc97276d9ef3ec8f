"""The commands ``fork`` and ``rerun``, which make new executions of recorded ones."""

from __future__ import annotations

import json

import click

from durable_execution_sdk.cli.arguments.completion import operation_names
from durable_execution_sdk.cli.operation_references import named_in, operation_id, result_option
from durable_execution_sdk.cli.options import (
    Endpoint,
    anyway_option,
    endpoint_options,
    input_option,
    json_option,
    store_option,
)
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.payloads import read_json
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.fork import RemoteFork, is_remote
from durable_execution_sdk.cli.steering import (
    Steering,
    name_of,
    names_of,
    steering,
    tell_going_on,
)
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.errors import ServiceError

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
    "--as",
    "new_name",
    metavar="NAME",
    help="In a store: the name of the fork; one is made if left out.",
)
@click.option(
    "--function",
    metavar="NAME:QUALIFIER",
    help="At an endpoint: the function and version, or alias, that runs the fork; those of NAME if left out.",
)
@click.option("--stop", is_flag=True, help="At an endpoint: stop the execution if it still runs.")
@click.option(
    "--code",
    metavar="FILE[:HANDLER]",
    help="At an endpoint: first try, without running a step, whether this code goes on from there.",
)
@endpoint_options
@anyway_option
@store_option
@json_option
def fork(
    name: str,
    before: str | None,
    payload: str | None,
    results: tuple[str, ...],
    new_name: str | None,
    function: str | None,
    stop: bool,
    code: str | None,
    anyway: bool,
    store: str | None,
    as_json: bool,
    at: Endpoint,
) -> None:
    """Make a new execution that has done what another had done by a moment.

    It takes over everything that was recorded before the operation of --before, or everything that has ended,
    and goes on from there: no step of that part runs again. A callback that is open gets another id;
    wait_for_callback submits it again.

    OPERATION is the operation's name, preceded by the names of its contexts where it is ambiguous
    (items/map-item-1/price), with a number if several have it (charge#2), or its id.

    NAME is looked up in the store first. With --endpoint, --profile or --region, or as the ARN of an execution that
    the store does not have, it is one at AWS or another endpoint of Lambda's API: FUNCTION/NAME, an ARN, or a
    mere name with --function. An open execution of the store goes on too; one at an endpoint is refused without --stop.
    """
    given = None if payload is None else read_json(payload, "--input")
    if is_remote(name, store, at, function):
        if new_name is not None:
            raise Refusal(
                "--as is for executions in a store: at an endpoint a fork has its own name"
            )
        remote = RemoteFork(at, name, function)
        arn, made = remote.fork(before, given, results, code, stop=stop)
        if code is not None and made.is_new:
            # The two may differ, and only one of them was tried.
            runs = function or "the version of its origin"
            say(f"{code} goes on from there; the fork runs the code of {runs}", err=True)
        if as_json:
            document = {**names_of(made.arn), "origin_arn": arn, "is_new": made.is_new}
            say(json.dumps(document, indent=2))
        else:
            already = "" if made.is_new else " already, and still open"
            say(f"{name_of(made.arn)} is a fork of {name_of(arn)}{already}\n{made.arn}")
        return
    _refuse_for_stores(Place(store), function=function, stop=stop, code=code)
    with steering(store) as control:
        arn = control.arn(name)
        progress = control.progress(arn)
        before_id = None if before is None else operation_id(progress, before)
        changed = dict(result_option(progress, each) for each in results)
        try:
            forked = control.fork(
                arn, before=before_id, payload=given, results=changed, name=new_name, anyway=anyway
            )
        except ServiceError as error:
            raise Refusal(named_in(error.message, progress) + (_HOW if changed else "")) from error
        _tell_new(control, forked, arn, "a fork of", as_json=as_json)
        if progress.ended_at is None:
            own, end = name_of(arn), control.command("stop", name_of(arn))
            say(f"{own} goes on too: end it with {end} if {name_of(forked)} replaces it", err=True)


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


def _refuse_for_stores(place: Place, *, function: str | None, stop: bool, code: str | None) -> None:
    """Refuse options that a fork in a store does not have."""
    reasons = {
        "--function": function
        and "a fork goes on with the function of its origin, and with the code that runs it then",
        "--stop": stop and "the execution goes on; end it with `durable stop NAME`",
        "--code": code and "the fork is tried when it runs: `durable run FILE --name FORK`",
    }
    for option, reason in reasons.items():
        if reason:
            server = place.server
            way = (
                ""
                if server is None
                else f". The server that runs the store is such an endpoint: --endpoint {server.url}"
            )
            raise Refusal(
                f"{option} is for executions at an endpoint of Lambda's API, and this one is in the store:"
                f" {reason}{way}"
            )


def _tell_new(control: Steering, arn: str, origin: str, relation: str, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps({**names_of(arn), "origin_arn": origin}, indent=2))
        return
    say(f"{name_of(arn)} is {relation} {name_of(origin)}")
    tell_going_on(control, arn)
