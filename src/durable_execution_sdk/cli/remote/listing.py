"""``durable list`` and ``durable callback list`` of the executions at an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from itertools import chain
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from durable_execution_sdk.cli.options import Endpoint
from durable_execution_sdk.cli.output.table import Column
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.endpoint import FunctionReference
from durable_execution_sdk.cli.remote.executions import shown_arn
from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.client.fork import history_of
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.dev.viewer.history_logs import HistoryLogs
from durable_execution_sdk.emulator.stores.store import Counts, ExecutionRecord
from durable_execution_sdk.engine.from_history import HistoryLog
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol.continuation import next_name
from durable_execution_sdk.protocol.control_plane import (
    CLOSED_STATUSES,
    ExecutionStatus,
    ExecutionSummary,
    ListRequest,
)
from durable_execution_sdk.protocol.error_codes import NOT_FOUND
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.activity import activity_of, summary
from durable_execution_sdk.rendering.family import Family, family
from durable_execution_sdk.rendering.origins import went_on_text
from durable_execution_sdk.rendering.times import at as at_time
from durable_execution_sdk.rendering.times import span

__all__ = ["REMOTE_COLUMNS", "ListSearch", "Listed", "Listing", "read_list", "remote_cells"]

_AT_ONCE = 8
_FORBIDDEN = 403
_Answer = TypeVar("_Answer")

REMOTE_COLUMNS = (
    Column(title="execution", least=16, from_middle=True),
    Column(title="version", spare=3),
    Column(title="status"),
    Column(title="started", spare=4),
    Column(title="took", spare=2),
    Column(title="operations", spare=0),
    Column(title="attempts", spare=0),
    Column(title="now", least=32),
)


class ListSearch(msgspec.Struct, frozen=True, kw_only=True):
    """The executions to list. ``text`` is a part of their names, ``function`` the only function if it is given."""

    function: str | None = None
    text: str | None = None
    statuses: Sequence[str] = ()
    started_after: int | None = None
    limit: int


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An execution of a list, and the progress of one that is open and could be read.

    ``continued_as`` is the name under which it went on as a new one, if that was found too.
    """

    record: ExecutionRecord
    continued_as: str | None = None
    counts: Counts | None = None
    executions: Family | None = None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Executions, the newest first; ``notes`` say what the endpoint did not tell."""

    found: list[Listed]
    has_more: bool
    notes: list[str]


def read_list(search: ListSearch, at: Endpoint) -> Listing:
    """List the executions of a function, or of all functions; raise ``Refusal`` if that is not possible."""
    function = None if search.function is None else FunctionReference(search.function)
    options = EndpointOptions(**at._asdict())
    return asyncio.run(_read(search, function, options))


async def _read(
    search: ListSearch, function: FunctionReference | None, options: EndpointOptions
) -> Listing:
    try:
        connection = EndpointConnection(None if function is None else function.region, options)
    except ConfigError as error:
        raise Refusal(
            f"executions are listed at an endpoint of Lambda's API, but: {error}"
        ) from error
    try:
        return await _listing(connection, function, search)
    except ServiceError as error:
        raise _refusal(connection, function, error) from error
    finally:
        await connection.aclose()


async def _listing(
    connection: EndpointConnection, function: FunctionReference | None, search: ListSearch
) -> Listing:
    functions = [function] if function is not None else await _all_functions(connection)
    reading = PacedReading(connection.control)
    summaries = await _together([_of(reading, each, search) for each in functions])
    newest = sorted(chain(*summaries), key=lambda each: each.start_timestamp, reverse=True)
    notes: list[str] = []
    shown = newest[: search.limit]
    found = await _together([_with_progress(reading, each, notes) for each in shown])
    names = {each.durable_execution_name for each in newest}
    found = [_with_next(each, names) for each in found]
    return Listing(
        found=found, has_more=len(newest) > search.limit, notes=list(dict.fromkeys(notes))
    )


def _with_next(listed: Listed, names: Collection[str]) -> Listed:
    """Add the name under which an execution went on, if it is one of these names."""
    name = next_name(listed.record.arn)
    went_on = listed.record.status == ExecutionStatus.SUCCEEDED and name in names
    return replace(listed, continued_as=name) if went_on else listed


async def _together(calls: Sequence[Coroutine[None, None, _Answer]]) -> list[_Answer]:
    """Await calls, a few at once; raise the first error."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def limited(call: Coroutine[None, None, _Answer]) -> _Answer:
        async with free:
            return await call

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(limited(call)) for call in calls]
    except ExceptionGroup as failed:
        # The first one has ended the others. It keeps its cause, which tells that an endpoint does not answer.
        error = failed.exceptions[0]
        raise error from error.__cause__
    return [task.result() for task in tasks]


def _refusal(
    connection: EndpointConnection, function: FunctionReference | None, error: ServiceError
) -> Refusal:
    name = "functions" if function is None else f"function {function.text}"
    explained = connection.explained(
        error,
        absent=name,
        gone="its name, its version or its region may be another"
        if function is not None
        else "it does not list functions, so name one: durable list FUNCTION",
        reads="its executions" if function is None else f"the executions of {function.text}",
        actions=(
            *(("ListFunctions",) if function is None else ()),
            "ListDurableExecutionsByFunction",
        ),
    )
    return Refusal(str(explained))


async def _all_functions(connection: EndpointConnection) -> list[FunctionReference]:
    return [
        FunctionReference(each.function_name)
        for each in await connection.functions.all()
        if each.durable_config is not None
    ]


async def _of(
    reading: PacedReading, function: FunctionReference, search: ListSearch
) -> list[ExecutionSummary]:
    """Return the newest executions of a function that are searched for, and one more than the limit."""
    request = ListRequest(
        function_name=function.name,
        qualifier=function.qualifier,
        statuses=[*search.statuses],
        started_after=search.started_after,
    )
    most = None if search.text or search.statuses else search.limit + 1
    found: list[ExecutionSummary] = []
    async for each in reading.executions(request, most):
        # An endpoint that knows one status at a time answers with more than it was asked for.
        is_wanted = not search.statuses or each.status in search.statuses
        if is_wanted and (search.text or "") in each.durable_execution_name:
            found.append(each)
            if len(found) > search.limit:
                break
    return found


async def _with_progress(
    reading: PacedReading, summary: ExecutionSummary, notes: list[str]
) -> Listed:
    """Read the history of an execution that is open, without payloads."""
    record = _record(summary)
    if not record.is_open:
        return Listed(record=record)
    try:
        events = await history_of(reading, record.arn, include_data=False)
    except ServiceError as error:
        if error.status == _FORBIDDEN:
            notes.append(
                "the histories of open executions cannot be read, so what they do is not shown; it takes"
                f" permission for lambda:GetDurableExecutionHistory: {error.message}"
            )
        elif error.code != NOT_FOUND:
            raise
        return Listed(record=record)
    except ConfigError as error:
        notes.append(str(error))
        return Listed(record=record)
    arn = shown_arn(record.arn, record.function, record.name)
    logs, log = HistoryLogs(), HistoryLog(arn)
    logs.take(log, events)
    executions = family(logs.emulator, arn)
    return Listed(
        record=record, counts=logs.emulator.counts(replace(record, arn=arn)), executions=executions
    )


def _record(summary: ExecutionSummary) -> ExecutionRecord:
    arn = summary.durable_execution_arn
    parts = ExecutionArn.read(arn)
    function, version = (
        (parts.function_name, parts.version)
        if parts is not None
        else summary.function_arn.partition(":function:")[2].partition(":")[::2]
    )
    ended = summary.end_timestamp
    return ExecutionRecord(
        arn=arn,
        name=summary.durable_execution_name,
        function=function,
        version=version,
        status=summary.status,
        is_open=summary.status not in CLOSED_STATUSES
        and summary.status != ExecutionStatus.DELETING,
        started_at=round(summary.start_timestamp),
        ended_at=None if ended is None else round(ended),
    )


def remote_cells(
    record: ExecutionRecord,
    counts: Counts | None,
    executions: Family | None,
    now: int,
    following: str | None,
) -> tuple[str, ...]:
    """Return the cells of a row."""
    took = "" if record.ended_at is None else span(record.ended_at - record.started_at)
    activity = went_on_text(following)
    if executions is not None:
        activity = summary(executions, activity_of(executions, has_process=True), now)
    return (
        f"{record.function}/{record.name}",
        record.version,
        record.status,
        at_time(record.started_at, now),
        took,
        "" if counts is None else str(counts.operations),
        "" if counts is None else str(counts.attempts),
        activity,
    )
