"""``durable replay``: replay recorded histories against the current code."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from durable_execution_sdk.cli.options import Endpoint, endpoint_options, json_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.remote.endpoint import (
    FunctionReference,
    connected,
)
from durable_execution_sdk.cli.remote.rehearsals import Rehearsal, Rehearsals, report_lines
from durable_execution_sdk.cli.remote.saved_histories import SavedHistory, save_histories
from durable_execution_sdk.cli.remote.versions import check_function
from durable_execution_sdk.client.endpoint_connection import EndpointOptions
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.protocol.control_plane import ExecutionStatus, ListRequest

_LAST = 50
_EPILOG = """\b
Exit codes:
   0  the code replays every history, or the function has none
   1  the code diverges from a recorded history
   2  a history cannot be used: no workflow, no history, a history without payloads, or code that ends its process
      or never comes to rest
"""


class _Search(msgspec.Struct, frozen=True, kw_only=True):
    """The executions whose histories are fetched."""

    function: FunctionReference
    last: int
    statuses: tuple[ExecutionStatus, ...]
    options: EndpointOptions


@click.command(epilog=_EPILOG)
@click.argument("target", metavar="FILE[:HANDLER]")
@click.argument("histories", metavar="HISTORY...", nargs=-1)
@click.option("--arn", metavar="ARN", help="The execution's ARN, if the history lacks it.")
@click.option(
    "--function",
    metavar="NAME[:QUALIFIER]",
    help="Fetch the histories of a function's executions, of one version or alias or of all.",
)
@click.option(
    "--last",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"With --function: the newest N executions.  [default: {_LAST}]",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([*ExecutionStatus], case_sensitive=False),
    help="With --function: only executions with this status; may be repeated.",
)
@click.option(
    "--save", metavar="DIR", help="With --function: keep the histories in this directory."
)
@endpoint_options
@json_option
def replay(
    target: str,
    histories: tuple[str, ...],
    arn: str | None,
    function: str | None,
    last: int | None,
    statuses: tuple[ExecutionStatus, ...],
    save: str | None,
    at: Endpoint,
    as_json: bool,
) -> int:
    """Replay recorded histories against the current code. No step runs again.

    HISTORY is a JSON file: the output of `durable history NAME --json`, or of
    `aws lambda get-durable-execution-history` with all pages and payloads. With --function the histories
    come from AWS, or from another endpoint of Lambda's API, and --save keeps them, to be replayed again
    later. No step runs and nothing is recorded; workflow code outside of operations does run, with its
    side effects.

    Shows the first divergence: the operation in the history, the one that the code asked for, and the
    line of code. The ARN is needed by workflows that use ctx.uuid4(), ctx.random() or
    ctx.execution_arn.
    """
    options = EndpointOptions(**at._asdict())
    if function is None:
        if not histories:
            raise click.UsageError(
                "Missing argument 'HISTORY...', or --function NAME, whose histories are fetched"
            )
        if last or statuses or save or options != EndpointOptions():
            raise Refusal(
                "--last, --status, --save, --endpoint, --profile and --region say which histories are fetched:"
                " add --function NAME[:QUALIFIER]"
            )
        with Rehearsals(target) as rehearsals:
            return _tell(rehearsals.of(histories, arn), as_json=as_json)
    if histories or arn is not None:
        raise Refusal(
            "histories are either fetched or files: leave out --function, or the files and --arn"
        )
    search = _Search(
        function=FunctionReference(function),
        last=last or _LAST,
        statuses=statuses,
        options=options,
    )
    with Rehearsals(target) as rehearsals, _folder(save) as folder:
        saved = asyncio.run(_fetch(search, folder))
        say(_fetched(search, saved, save), err=True)
        rehearsed = _rehearsed(rehearsals, saved, names=save is None)
    return _tell(rehearsed, as_json=as_json)


@contextmanager
def _folder(save: str | None) -> Generator[Path]:
    """Make the directory of the histories; without ``save`` it is deleted afterwards."""
    if save is None:
        with tempfile.TemporaryDirectory(prefix="durable-histories-") as folder:
            yield Path(folder)
        return
    path = Path(save)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal(f"--save {save}: cannot make the directory: {error.strerror}") from error
    yield path


async def _fetch(search: _Search, folder: Path) -> list[SavedHistory]:
    function = search.function
    request = ListRequest(
        function_name=function.name, qualifier=function.qualifier, statuses=[*search.statuses]
    )
    async with connected(function, search.options) as connection:
        reading = PacedReading(connection.control)
        found = [each async for each in reading.executions(request, search.last)]
        if not found or function.qualifier is not None:
            # A mistyped function has none either, and an endpoint may take a mistyped alias for $LATEST.
            await check_function(connection, function)
        return await save_histories(reading, found, folder)


def _fetched(search: _Search, saved: Sequence[SavedHistory], save: str | None) -> str:
    verb = "is" if len(saved) == 1 else "are"
    which = f" that {verb} {' or '.join(search.statuses)}" if search.statuses else ""
    if not saved:
        return f"{search.function.text} has no executions{which}: there is nothing to replay"
    count = "1 execution" if len(saved) == 1 else f"{len(saved)} executions"
    place = "" if save is None else f"; their histories are in {save}"
    return f"{count} of {search.function.text}{which}{place}"


def _rehearsed(
    rehearsals: Rehearsals, saved: Sequence[SavedHistory], *, names: bool
) -> list[Rehearsal]:
    """Replay what was fetched; with ``names`` the reports name executions, otherwise the files that are kept."""
    done = {each.history: each for each in rehearsals.of(_paths(saved))}
    rehearsed: list[Rehearsal] = []
    for each in saved:
        path, arn = str(each.path), each.execution.durable_execution_arn
        if each.fault is not None:
            rehearsed.append(Rehearsal(history=arn, fault=each.fault))
        else:
            rehearsed.append(done[path].about(arn) if names else done[path])
    return rehearsed


def _paths(saved: Sequence[SavedHistory]) -> list[str]:
    return [str(each.path) for each in saved if each.fault is None]


def _tell(rehearsed: Sequence[Rehearsal], *, as_json: bool) -> int:
    if as_json:
        say(json.dumps([each.document() for each in rehearsed], indent=2, ensure_ascii=False))
    else:
        for line in report_lines(rehearsed):
            say(line)
        for each in rehearsed:
            if each.report is None:
                say(f"{each.history}: cannot be replayed: {each.fault}", err=True)
        if len(rehearsed) > 1:
            fits = sum(each.report is not None and each.report.ok for each in rehearsed)
            say(f"{fits} of {len(rehearsed)} histories are replayed", err=True)
    if any(each.diverges for each in rehearsed):
        return ExitCode.FAILED
    return ExitCode.REFUSED if any(each.fault for each in rehearsed) else ExitCode.SUCCEEDED
