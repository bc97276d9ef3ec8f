"""``durable list``: the executions of the store, what each does now, and what it waits for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Container, Mapping
from itertools import islice

import click
from msgspec.structs import replace

from durable_execution_sdk.cli.arguments.completion import function_names
from durable_execution_sdk.cli.arguments.moments import read_moment
from durable_execution_sdk.cli.options import Endpoint, endpoint_options, json_option, store_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.processes import NONE, brief_of, processes_of, resume_any
from durable_execution_sdk.cli.output.table import Column, print_table
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.reload.findings import finding_document
from durable_execution_sdk.dev.reload.held_file import HeldExecution
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.emulator.stores.store import Counts, ExecutionRecord, Search
from durable_execution_sdk.engine.views.progress import CustomStatus
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.activity import Activity, activity_of, summary
from durable_execution_sdk.rendering.documents import record_document
from durable_execution_sdk.rendering.family import Family, family
from durable_execution_sdk.rendering.origins import went_on_as, went_on_text
from durable_execution_sdk.rendering.payloads import custom_status_text
from durable_execution_sdk.rendering.times import at as at_time
from durable_execution_sdk.rendering.times import span

_PROCESS = "process"
_COLUMNS = (
    Column(title="name", least=12, from_middle=True),
    Column(title="function", least=10, from_middle=True),
    Column(title="status"),
    Column(title="id", spare=1),
    Column(title="started", spare=4),
    Column(title="took", spare=2),
    Column(title="operations", spare=0),
    Column(title="attempts", spare=0),
    Column(title="now", least=16),
    Column(title="set status", least=12, spare=5, is_kept=False),
    Column(title=_PROCESS, spare=3),
)
_ID_CHARACTERS = 8
_OPEN = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING, ExecutionStatus.PAUSED)

_Row = tuple[ExecutionRecord, Counts, Family | None, list[int]]


@click.command("list")
@click.argument("text", required=False)
@store_option
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([*ExecutionStatus], case_sensitive=False),
    help="Only those with this status; may be repeated.",
)
@click.option(
    "--now",
    "activities",
    multiple=True,
    type=click.Choice([str(each) for each in Activity if each is not Activity.ENDED]),
    help="Only open ones that do this now, as in the column of this name; may be repeated.",
)
@click.option(
    "--function", metavar="NAME", shell_complete=function_names, help="Only of a function."
)
@click.option(
    "--since", metavar="WHEN", help="Only those started since: 30min, 2h, 3d or 2026-01-31T12:00."
)
@endpoint_options
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--full", is_flag=True, help="Show whole cells in lines of any length.")
@json_option
def list_(
    text: str | None,
    store: str | None,
    statuses: tuple[ExecutionStatus, ...],
    activities: tuple[str, ...],
    function: str | None,
    since: str | None,
    limit: int,
    full: bool,
    as_json: bool,
    at: Endpoint,
) -> None:
    """List executions, the newest first.

    With TEXT, only those whose name or function contains it. In a terminal, columns are cut or left out to fit its width.

    At an endpoint TEXT is a function, FUNCTION[:QUALIFIER], or with --function a part of the names; without
    both, the executions of all durable functions are listed. The histories of those that are open are read too.

    The column "now" says under which name an execution went on as a new one (ctx.continue_as_new), if it is listed
    or in the store, and what an open execution does. That is running; killed, if its process ended in the
    middle of the work; due, if it can go on and no process does; asking, if it waits for an answer to a
    callback; suspended, if it waits for time, a retry or a function; held, if edited code does not fit it; or
    paused. "set status" is what its code has set by ctx.set_status or ctx.progress; at an endpoint, `durable show`
    tells it.
    """
    if at.is_given:
        if activities:
            raise Refusal("--now looks at executions of a store; at an endpoint use --status")
        after = None if since is None else read_moment(since, "--since", _now()) - 1
        if function is None:
            function, text = text, None
        _list_remote(
            at,
            function=function,
            text=text,
            statuses=statuses,
            after=after,
            limit=limit,
            full=full,
            as_json=as_json,
        )
        return
    place = Place(store)
    name, version = _function_and_version(function)
    with place.existing() as emulator:
        now = emulator.clock.now()
        search = Search(
            text=text,
            statuses=statuses or (_OPEN if activities else ()),
            function=name,
            version=version,
            started_after=None if since is None else read_moment(since, "--since", now) - 1,
            limit=sys.maxsize if activities else limit + 1,
        )
        held = place.held
        found = (_row(emulator, each, place, held) for each in emulator.store.search(search))
        rows = list(islice((row for row in found if _does(row, activities)), limit + 1))
        has_more = len(rows) > limit
        del rows[limit:]
        told = [emulator.custom_status(record) for record, *_ in rows]
        # Each execution has a time of its own.
        nows = [emulator.now(record.arn) if record.is_open else now for record, *_ in rows]
        chain = {each.arn: went_on_as(emulator, each.arn, each.status) for each, *_ in rows}
    titles: list[str] = []
    if as_json:
        documents = [
            record_document(
                *row, _reason(held, row[0]), continued_as=chain[row[0].arn], custom_status=status
            )
            for row, status in zip(rows, told, strict=True)
        ]
        say(json.dumps(documents, indent=2, ensure_ascii=False))
    else:
        cells = [
            _cells(*row, status, now=now, following=chain[row[0].arn])
            for row, status, now in zip(rows, told, nows, strict=True)
        ]
        titles = print_table(_COLUMNS, cells, full=full)
    if function is not None and not rows:
        say(f"the store has no such executions of {function}", err=True)
    if has_more:
        say(f"there are more than these {limit}; --limit shows them", err=True)
    alone = [record.arn for record, _, _, pids in rows if record.is_open and not pids]
    if alone and not as_json:
        resume = resume_any(place, alone)
        which = f"those marked {NONE!r}" if _PROCESS in titles else f"{len(alone)} of them"
        say(f"no process runs {which}; go on with: {resume}", err=True)


def _function_and_version(function: str | None) -> tuple[str | None, str | None]:
    """Return the name and the version in ``FUNCTION[:VERSION]``."""
    if function is None or ":" not in function:
        return function, None
    name, _, version = function.rpartition(":")
    if not version.isdecimal() and version != LATEST:
        raise Refusal(
            f"--function {function}: executions of a store have a version, and no alias: write {name}:1 or"
            f" {name}:{LATEST}; `durable functions` lists the version that an alias stands for"
        )
    return name, version


def _now() -> int:
    return time.time_ns() // 1_000_000


def _list_remote(
    at: Endpoint,
    *,
    function: str | None,
    text: str | None,
    statuses: tuple[ExecutionStatus, ...],
    after: int | None,
    limit: int,
    full: bool,
    as_json: bool,
) -> None:
    from durable_execution_sdk.cli.remote.listing import (  # noqa: PLC0415 - only for endpoints
        REMOTE_COLUMNS,
        ListSearch,
        read_list,
        remote_cells,
    )

    search = ListSearch(
        function=function, text=text, statuses=statuses, started_after=after, limit=limit
    )
    listing = read_list(search, at)
    now = _now()
    if as_json:
        documents = [
            record_document(
                each.record,
                each.counts,
                each.executions,
                (),
                is_run=True,
                continued_as=each.continued_as,
            )
            for each in listing.found
        ]
        say(json.dumps(documents, indent=2, ensure_ascii=False))
    else:
        cells = [
            remote_cells(each.record, each.counts, each.executions, now, each.continued_as)
            for each in listing.found
        ]
        print_table(REMOTE_COLUMNS, cells, full=full)
    for note in listing.notes:
        say(note, err=True)
    if listing.has_more:
        say(f"there are more than these {limit}; --limit shows them", err=True)


def _row(emulator: Emulator, record: ExecutionRecord, place: Place, held: Container[str]) -> _Row:
    """Return a record, its counts, and the progress and the processes of one that is open."""
    counts = emulator.counts(record)
    if not record.is_open:
        return record, counts, None, []
    executions = family(emulator, record.arn, held)
    execution = executions.execution
    # A timer that was due may have ended it just now.
    record = replace(
        record,
        status=execution.status,
        is_open=execution.ended_at is None,
        ended_at=execution.ended_at,
    )
    return record, counts, executions, processes_of(emulator, record.arn, place)


def _does(row: _Row, activities: Collection[str]) -> bool:
    """Tell if the execution does one of these now; each does where none is named."""
    if not activities:
        return True
    _, _, executions, processes = row
    return (
        executions is not None
        and activity_of(executions, has_process=bool(processes)) in activities
    )


def _reason(held: Mapping[str, HeldExecution], record: ExecutionRecord) -> dict[str, object] | None:
    return finding_document(held[record.arn].finding) if record.arn in held else None


def _cells(
    record: ExecutionRecord,
    counts: Counts,
    executions: Family | None,
    processes: list[int],
    status: CustomStatus | None,
    *,
    now: int,
    following: str | None,
) -> tuple[str, ...]:
    took = "" if record.ended_at is None else span(record.ended_at - record.started_at)
    activity = went_on_text(following)
    if executions is not None:
        kind = activity_of(executions, has_process=bool(processes))
        activity = summary(executions, kind, now)
    return (
        record.name,
        record.function,
        record.status,
        ExecutionArn.parse(record.arn).run_id[:_ID_CHARACTERS],
        at_time(record.started_at, now),
        took,
        str(counts.operations),
        str(counts.attempts),
        activity,
        "" if status is None else custom_status_text(status, has_bar=False),
        brief_of(processes) if record.is_open else "",
    )
