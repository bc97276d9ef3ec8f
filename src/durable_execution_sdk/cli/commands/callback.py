"""``durable callback``: list the callbacks that wait, and answer them."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import click

from durable_execution_sdk.cli.arguments.completion import execution_names
from durable_execution_sdk.cli.callback_references import callback_id
from durable_execution_sdk.cli.options import (
    Endpoint,
    anyway_option,
    callback_argument,
    endpoint_options,
    json_option,
    store_option,
)
from durable_execution_sdk.cli.output.callback_hints import asked
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.processes import processes_of, running_or_resume
from durable_execution_sdk.cli.output.table import Column, print_table
from durable_execution_sdk.cli.payloads import read_json, read_text
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.answers import MisfitError, awaited_by, check_answer, logs_beside
from durable_execution_sdk.dev.logs.log_store import LogStore
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.rendering.callback_names import all_references, references
from durable_execution_sdk.rendering.documents import callback_document
from durable_execution_sdk.rendering.family import Waiter, family
from durable_execution_sdk.rendering.times import at as at_time
from durable_execution_sdk.rendering.times import span

_FORMS = (
    "Write the JSON that the code waits for, such as --data true, --data '\"yes\"' or --data @file.json;"
    " --text sends the text as it is, to code that reads text"
)


@click.group()
def callback() -> None:
    """List and answer the callbacks that executions wait for.

    CALLBACK is NAME/OPERATION: the execution's name, and the name given to ctx.wait_for_callback or
    ctx.create_callback, preceded by the names of its contexts where it is ambiguous. NAME alone is
    enough if one callback waits. The callback's id works too, and in place of NAME an ARN, the beginning
    of an execution's id, or @last. At an endpoint NAME is FUNCTION/NAME, FUNCTION/@last or an ARN.
    """


@callback.command("list")
@click.argument("name", required=False, shell_complete=execution_names)
@store_option
@endpoint_options
@json_option
def list_(name: str | None, store: str | None, as_json: bool, at: Endpoint) -> None:
    """List the callbacks that wait for an answer, those with the earliest deadline first.

    A line below a callback tells what its submitter returned, such as a question, and where `durable dev` has run
    the code, which JSON answers it; a member with ? may be left out.

    At an endpoint NAME may be a FUNCTION[:QUALIFIER] too, whose open executions are read.
    """
    if at.is_given:
        from durable_execution_sdk.cli.remote.callbacks import (  # noqa: PLC0415 - only for endpoints
            waiting_callbacks,
        )

        waiting = waiting_callbacks(name, at)
        for note in waiting.notes:
            say(note, err=True)
        now = time.time_ns() // 1_000_000
        nows = dict.fromkeys(waiting.waiters, now)
        _tell_waiters(waiting.waiters, nows, waiting.arns, None, as_json=as_json)
        return
    place = Place(store)
    with place.existing() as emulator:
        if name is None:
            waiters = all_references(emulator)
        else:
            waiters = references(family(emulator, place.arn(emulator, name)))
        nows = {reference: emulator.now(each.execution.arn) for reference, each in waiters.items()}
        arns = {reference: each.execution.arn for reference, each in waiters.items()}
    with logs_beside(place.path) as logs:
        _tell_waiters(waiters, nows, arns, logs, as_json=as_json)


def _tell_waiters(
    waiters: Mapping[str, Waiter],
    nows: Mapping[str, int],
    arns: Mapping[str, str],
    logs: LogStore | None,
    *,
    as_json: bool,
) -> None:
    by_deadline = sorted(waiters.items(), key=_deadline)
    if as_json:
        documents = [
            {**callback_document(reference, waiter), "durable_execution_arn": arns[reference]}
            for reference, waiter in by_deadline
        ]
        say(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    rows: list[tuple[str, ...]] = []
    below: list[str | None] = []
    for reference, waiter in by_deadline:
        now = nows[reference]
        operation, until = waiter.progress.operation, waiter.waiting.until
        started = operation.start_timestamp
        rows.append(
            (
                reference,
                "" if started is None else at_time(started, now),
                "no deadline"
                if until is None
                else f"{at_time(until, now)} (in {span(until - now)})",
            )
        )
        below.append(asked(waiter, awaited_by(logs, waiter.execution.arn, operation.id)))
    columns = [Column(title=title) for title in ("callback", "since", "until")]
    print_table(columns, rows, below=below)


def _deadline(entry: tuple[str, Waiter]) -> float:
    until = entry[1].waiting.until
    return float("inf") if until is None else until


@callback.command()
@callback_argument
@click.option("--data", metavar="JSON|@FILE|-", help="The result; none if left out.")
@click.option("--text", "is_text", is_flag=True, help="Send --data as it is, be it JSON or not.")
@anyway_option
@store_option
@endpoint_options
def succeed(
    reference: str,
    data: str | None,
    is_text: bool,
    anyway: bool,
    store: str | None,
    at: Endpoint,
) -> None:
    """Answer with a result.

    The code that waits reads the result as JSON: --data true, --data '{"approved": true}', and a text in
    quotes, --data '"yes"'. Another --data is refused, because it may end the execution. --text is for
    callbacks with a serdes of their own, which reads something else.

    A result that does not fit the result_type of the callback is refused too, where `durable dev` has run the
    code. --anyway sends it, to code that was edited since for instance. An endpoint does not know the type:
    there an answer without --data takes --anyway.
    """
    if is_text and data is None:
        raise Refusal("--text sends the --data as it is: give --data, too")
    result = None if data is None else _result(data, is_text=is_text)
    if at.is_given:
        if result is None and not anyway:
            raise Refusal(
                "an endpoint does not tell the type that the code waits for, and an answer without --data is None"
                f" there. {_FORMS}. --anyway answers without a result"
            )
        from durable_execution_sdk.cli.remote import (  # noqa: PLC0415 - only for endpoints
            steering as remote,
        )

        remote.answer(
            reference, at, "Success", lambda control, id_: control.callback_success(id_, result)
        )
        say("answered, without a result" if result is None else "answered")
        return
    place = Place(store)
    with place.existing() as emulator:
        answered = callback_id(place, emulator, reference)
        with _telling_resume(emulator, answered, place):
            if anyway:
                emulator.callback_success(answered, result)
            else:
                _check(place, answered, result)
                emulator.readable_success(answered, result)
            say("answered, without a result" if result is None else "answered")


def _check(place: Place, answered: str, result: bytes | None) -> None:
    """Raise ``Refusal`` for a result that does not fit the type that a server knows."""
    text = None if result is None else result.decode("utf-8", "surrogateescape")
    try:
        with logs_beside(place.path) as logs:
            check_answer(logs, answered, text, is_typed=True)
    except MisfitError as error:
        raise Refusal(f"{error.message} Correct --data, or send it with --anyway") from error


def _result(data: str, *, is_text: bool) -> bytes:
    text = read_text(data, "--data") if is_text else read_json(data, "--data", forms=_FORMS)
    return text.encode("utf-8", "surrogateescape")


@callback.command()
@callback_argument
@click.option("--message", metavar="TEXT", help="What went wrong.")
@click.option("--type", "error_type", metavar="TEXT", help="The error's type.")
@click.option("--data", metavar="TEXT|@FILE|-", help="More about the error.")
@store_option
@endpoint_options
def fail(
    reference: str,
    message: str | None,
    error_type: str | None,
    data: str | None,
    store: str | None,
    at: Endpoint,
) -> None:
    """Answer with a failure."""
    error = ErrorObject(
        error_type=error_type,
        error_message=message,
        error_data=None if data is None else read_text(data, "--data"),
    )
    if at.is_given:
        from durable_execution_sdk.cli.remote import (  # noqa: PLC0415 - only for endpoints
            steering as remote,
        )

        remote.answer(
            reference, at, "Failure", lambda control, id_: control.callback_failure(id_, error)
        )
        say("answered")
        return
    place = Place(store)
    with place.existing() as emulator:
        answered = callback_id(place, emulator, reference)
        with _telling_resume(emulator, answered, place):
            emulator.callback_failure(answered, error)
            say("answered")


@callback.command()
@callback_argument
@store_option
@endpoint_options
def heartbeat(reference: str, store: str | None, at: Endpoint) -> None:
    """Send a heartbeat: the callback's heartbeat timeout starts again."""
    if at.is_given:
        from durable_execution_sdk.cli.remote import (  # noqa: PLC0415 - only for endpoints
            steering as remote,
        )

        remote.answer(
            reference, at, "Heartbeat", lambda control, id_: control.callback_heartbeat(id_)
        )
        say("noted")
        return
    place = Place(store)
    with place.existing() as emulator:
        emulator.callback_heartbeat(callback_id(place, emulator, reference))
    say("noted")


@callback.command("id")
@callback_argument
@store_option
@endpoint_options
def id_(reference: str, store: str | None, at: Endpoint) -> None:
    """Print the callback's id, which other systems need to answer it."""
    if at.is_given:
        from durable_execution_sdk.cli.remote import (  # noqa: PLC0415 - only for endpoints
            steering as remote,
        )

        say(remote.callback_id(reference, at))
        return
    place = Place(store)
    with place.existing() as emulator:
        say(callback_id(place, emulator, reference))


@contextmanager
def _telling_resume(emulator: Emulator, answered: str, place: Place) -> Generator[None]:
    """Say after an answer with what command the execution sees it, if no process ran it before."""
    arn, _ = parse_callback_id(answered)
    runs = bool(processes_of(emulator, arn, place))
    yield
    if not runs:
        say(running_or_resume(emulator, arn, place), err=True)
