"""The commands ``list``, ``show``, ``history``, ``stop``, ``delete`` and ``callback``."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from durable_execution_sdk.cli.callback_references import callback_id
from durable_execution_sdk.cli.options import json_option, store_option
from durable_execution_sdk.cli.output.documents import execution_document, record_document
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.outcome import (
    tell_standing,
    tell_time_and_origin,
    tell_waits,
)
from durable_execution_sdk.cli.output.processes import (
    NONE,
    brief_of,
    processes_of,
    resume_any,
    running_or_resume,
)
from durable_execution_sdk.cli.output.progress import drawing
from durable_execution_sdk.cli.output.tree import tree
from durable_execution_sdk.cli.payloads import is_json, read_text
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.times import at, span
from durable_execution_sdk.rendering.wording import EventTexts

_WIDE = 300


@click.command("list")
@store_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@json_option
def list_(store: str | None, limit: int, as_json: bool) -> None:
    """List executions, the newest first."""
    place = Place(store)
    with place.existing() as emulator:
        records = emulator.store.search(Search(limit=limit))
        now = emulator.clock.now()
        processes = {
            record.arn: processes_of(emulator, record.arn, place)
            for record in records
            if record.is_open
        }
    if as_json:
        documents = [record_document(record, processes.get(record.arn, [])) for record in records]
        say(json.dumps(documents, indent=2))
        return
    columns = ("name", "function", "status", "started", "took", "process")
    table = Table(*columns, box=None, pad_edge=False)
    for record in records:
        duration = "" if record.ended_at is None else span(record.ended_at - record.started_at)
        started = at(record.started_at, now)
        running = brief_of(processes[record.arn]) if record.is_open else ""
        row = (record.name, record.function, record.status, started, duration, running)
        table.add_row(*(Text(visible(cell)) for cell in row))
    console = Console()
    # Into a pipe, whole names matter more than the width of a terminal.
    console.print(table, width=None if console.is_terminal else _WIDE)
    if not all(processes.values()):
        say(f"no process runs those marked {NONE!r}; go on with: {resume_any(place)}", err=True)


@click.command()
@click.argument("name")
@store_option
@json_option
def show(name: str, store: str | None, as_json: bool) -> None:
    """Show an execution: its operations, what it waits for, its result."""
    place = Place(store)
    with place.existing() as emulator:
        arn = place.arn(emulator, name)
        if as_json:
            document = execution_document(emulator, arn, processes_of(emulator, arn, place))
            say(json.dumps(document, indent=2, ensure_ascii=False))
            return
        console = Console()
        outline = drawing(console, emulator.now(arn)).outline(family(emulator, arn))
        console.print(tree(outline))
        tell_standing(emulator, arn)
        tell_time_and_origin(emulator, arn)
        tell_waits(emulator, arn, place)
        if not emulator.is_closed(arn):
            say(running_or_resume(emulator, arn, place))


@click.command()
@click.argument("name")
@store_option
@json_option
def history(name: str, store: str | None, as_json: bool) -> None:
    """Show the events of an execution, in order."""
    place = Place(store)
    with place.existing() as emulator:
        arn = place.arn(emulator, name)
        events = _events(emulator, arn)
        now, origin = emulator.now(arn), emulator.progress(arn).forked_from
    if as_json:
        # The API's format, plus the ARN, from which replay derives ctx.uuid4() and ctx.random(), or that of
        # the first execution in a line of forks.
        page = msgspec.json.decode(
            control_plane_codec.encode_history_page(HistoryPage(events=events))
        )
        arns = {"DurableExecutionArn": arn}
        if origin is not None:
            arns["ForkedFromArn"] = origin.first_arn
        say(json.dumps({**arns, **page}, indent=2, ensure_ascii=False))
        return
    texts = EventTexts()
    for event in events:
        say(f"{event.event_id:>5}  {at(event.event_timestamp, now)}  {texts.text(event)}")


@click.command()
@click.argument("name")
@store_option
@click.option("--reason", metavar="TEXT", help="Why; recorded as the execution's error.")
def stop(name: str, store: str | None, reason: str | None) -> None:
    """Stop an execution for good. A `durable run` of it that is under way ends too."""
    place = Place(store)
    with place.existing() as emulator:
        arn = place.arn(emulator, name)
        if emulator.is_closed(arn):
            say(f"{name} has ended already: {emulator.describe(arn).status}")
            return
        error = None if reason is None else ErrorObject(error_message=reason)
        emulator.stop(arn, error)
        say(f"{name} is {emulator.describe(arn).status}")


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@store_option
@click.option("--force", is_flag=True, help="Stop those that have not ended, and delete them too.")
def delete(names: tuple[str, ...], store: str | None, force: bool) -> None:
    """Delete executions, with those that they invoked. The names are free again.

    An execution that has not ended is refused without --force, and then nothing is deleted.
    """
    place = Place(store)
    with place.existing() as emulator:
        members = {name: _members(emulator, place.arn(emulator, name)) for name in names}
        is_open = {arn: not emulator.is_closed(arn) for arns in members.values() for arn in arns}
        for arn in (arn for arn, is_running in is_open.items() if is_running and not force):
            name = ExecutionArn.parse(arn).execution_name
            raise Refusal(
                f"{name} has not ended: it is {emulator.describe(arn).status}. Stop it first"
                f" (`{place.command('stop', name)}`), or delete it all the same with --force"
            )
        for arn, is_running in is_open.items():
            if is_running:
                emulator.stop(arn)
        for arn in reversed(is_open):
            emulator.delete(arn)
        for name, (_, *invoked) in members.items():
            say(f"deleted {name}" + (f" and {len(invoked)} that it invoked" if invoked else ""))


def _members(emulator: Emulator, arn: str) -> list[str]:
    """List an execution, and those that it invoked, at any depth."""
    return list(family(emulator, arn).arns())


@click.group()
def callback() -> None:
    """Answer a callback that an execution waits for.

    CALLBACK is NAME/OPERATION: the execution's name, and the name given to ctx.wait_for_callback or
    ctx.create_callback, preceded by the names of its contexts where it is ambiguous. NAME alone is
    enough if one callback waits. The callback's id works too.
    """


@callback.command()
@click.argument("reference", metavar="CALLBACK")
@click.option("--data", metavar="TEXT|@FILE|-", help="The result, usually JSON; none if left out.")
@store_option
def succeed(reference: str, data: str | None, store: str | None) -> None:
    """Answer with a result."""
    result = None if data is None else read_text(data, "--data").encode("utf-8", "surrogateescape")
    place = Place(store)
    with place.existing() as emulator:
        answered = callback_id(place, emulator, reference)
        with _telling_resume(emulator, answered, place):
            emulator.readable_success(answered, result)
            is_text = data is not None and not is_json(result)
            say("answered; sent as text: it is not JSON" if is_text else "answered")


@callback.command()
@click.argument("reference", metavar="CALLBACK")
@click.option("--message", metavar="TEXT", help="What went wrong.")
@click.option("--type", "error_type", metavar="TEXT", help="The error's type.")
@click.option("--data", metavar="TEXT|@FILE|-", help="More about the error.")
@store_option
def fail(
    reference: str,
    message: str | None,
    error_type: str | None,
    data: str | None,
    store: str | None,
) -> None:
    """Answer with a failure."""
    error = ErrorObject(
        error_type=error_type,
        error_message=message,
        error_data=None if data is None else read_text(data, "--data"),
    )
    place = Place(store)
    with place.existing() as emulator:
        answered = callback_id(place, emulator, reference)
        with _telling_resume(emulator, answered, place):
            emulator.callback_failure(answered, error)
            say("answered")


@callback.command()
@click.argument("reference", metavar="CALLBACK")
@store_option
def heartbeat(reference: str, store: str | None) -> None:
    """Send a heartbeat: the callback's heartbeat timeout starts again."""
    place = Place(store)
    with place.existing() as emulator:
        emulator.callback_heartbeat(callback_id(place, emulator, reference))
    say("noted")


@callback.command("id")
@click.argument("reference", metavar="CALLBACK")
@store_option
def id_(reference: str, store: str | None) -> None:
    """Print the callback's id, which other systems need to answer it."""
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


def _events(emulator: Emulator, arn: str) -> list[HistoryEvent]:
    events: list[HistoryEvent] = []
    marker: str | None = None
    while True:
        page = emulator.history(
            HistoryRequest(durable_execution_arn=arn, max_items=MAX_PAGE_ITEMS, marker=marker)
        )
        events += page.events
        marker = page.next_marker
        if not marker:
            return events
