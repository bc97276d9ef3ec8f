"""``durable versions``: the versions of a function that open executions need, and those that can go."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click

from durable_execution_sdk.cli.options import Endpoint, endpoint_options, json_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.table import Column, print_table
from durable_execution_sdk.cli.refusals import ExitCode
from durable_execution_sdk.cli.remote.endpoint import (
    FunctionReference,
    connected,
)
from durable_execution_sdk.cli.remote.rehearsals import Rehearsals, report_lines
from durable_execution_sdk.cli.remote.saved_histories import save_histories
from durable_execution_sdk.cli.remote.versions import (
    OpenVersion,
    Verdict,
    Versions,
    diverging,
    read_versions,
    waits_text,
)
from durable_execution_sdk.client.endpoint_connection import EndpointOptions
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.rendering.times import at, iso

_SAMPLE = 20
_COLUMNS = (
    Column(title="version"),
    Column(title="aliases", least=8, spare=0),
    Column(title="open"),
    Column(title="oldest", spare=2),
    Column(title="waits", least=16, spare=1),
    Column(title="replayed"),
    Column(title="verdict"),
)
_EPILOG = """\b
Exit codes:
   0  HANDLER, if given, replays each sampled execution; FUNCTION:VERSION, if named, can go now
   1  HANDLER does not replay an open execution; or the version that is named cannot go yet
   2  HANDLER cannot be loaded, no such function, no permission, or the endpoint does not answer
"""


@click.command(epilog=_EPILOG)
@click.argument("function", metavar="FUNCTION[:VERSION]")
@click.argument("handler", metavar="[FILE[:HANDLER]]", required=False)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=_SAMPLE,
    show_default=True,
    metavar="N",
    help="Read the histories of at most N open executions of each version.",
)
@endpoint_options
@json_option
def versions(
    function: str,
    handler: str | None,
    sample: int,
    at: Endpoint,
    as_json: bool,
) -> int:
    """Tell which versions of a function open executions need, and which can go.

    An execution stays on the version that it began with. For each version of FUNCTION, at AWS or at another
    endpoint of Lambda's API, this shows the number of its open executions, the oldest, and the events that
    a sample of them waits for. With FILE[:HANDLER] the sample is replayed by that code, as `durable replay`
    does it: a version whose executions it replays can go once they are forked to it (`durable fork --stop`).
    """
    reference = FunctionReference(function)
    options = EndpointOptions(**at._asdict())
    with ExitStack() as stack:
        rehearsals = None if handler is None else stack.enter_context(Rehearsals(handler))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="durable-histories-"))
        found = asyncio.run(_read(reference, options, sample, Path(folder)))
        if rehearsals is not None:
            _rehearse(rehearsals, found.found)
    now = time.time_ns() // 1_000_000
    if as_json:
        document = {
            "function_name": reference.short_name,
            "notes": found.notes,
            "versions": [_document(version, now) for version in found.found],
        }
        say(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _show(reference.text, found, now, has_code=handler is not None)
    return _exit_code(reference, found, has_code=handler is not None)


async def _read(
    reference: FunctionReference, options: EndpointOptions, sample: int, folder: Path
) -> Versions:
    async with connected(reference, options) as connection:
        reading = PacedReading(connection.control)
        found = await read_versions(connection, reading, reference, sample)
        for version in found.found:
            version.histories = await save_histories(
                reading, version.sample, folder, keeps_events=True
            )
    return found


def _rehearse(rehearsals: Rehearsals, found: list[OpenVersion]) -> None:
    """Replay all samples together, which keeps all processes busy."""
    files = [str(each.path) for version in found for each in version.histories if not each.fault]
    done = {each.history: each for each in rehearsals.of(files)}
    for version in found:
        for history in version.histories:
            path, arn = str(history.path), history.execution.durable_execution_arn
            if path in done:
                version.rehearsals.append(done[path].about(arn))


def _show(function: str, found: Versions, now: int, *, has_code: bool) -> None:
    if found.found:
        print_table(_COLUMNS, [_cells(version, now, has_code=has_code) for version in found.found])
    else:
        say(f"{function} has no open executions")
    for note in found.notes:
        say(note, err=True)
    for version in found.found:
        for fault in version.faults:
            say(f"{version.version}: {fault}", err=True)
    for line in report_lines(diverging(found.found)):
        say(line)


def _cells(version: OpenVersion, now: int, *, has_code: bool) -> tuple[str, ...]:
    oldest, size = version.oldest, len(version.histories)
    waits = waits_text(version.waits(now))
    part = f" (of {size})" if size < version.count else ""
    return (
        version.version,
        ", ".join(version.aliases),
        str(version.count),
        ""
        if oldest is None
        else f"{oldest.durable_execution_name}, {at(oldest.start_timestamp, now)}",
        f"{waits}{part}" if waits else "",
        f"{version.replayed} of {size}" if has_code and size else "",
        version.verdict,
    )


def _document(version: OpenVersion, now: int) -> dict[str, object]:
    oldest = version.oldest
    return {
        "version": version.version,
        "aliases": version.aliases,
        "open_executions": version.count,
        "oldest": None
        if oldest is None
        else {
            "durable_execution_name": oldest.durable_execution_name,
            "durable_execution_arn": oldest.durable_execution_arn,
            "start_timestamp": iso(oldest.start_timestamp),
        },
        "sample": len(version.histories),
        "waits": [
            {"waits_for": awaited, "name": name, "executions": count}
            for (awaited, name), count in version.waits(now).most_common()
        ],
        "replayed": version.replayed if version.rehearsals else None,
        "reports": [each.document() for each in version.rehearsals],
        "faults": version.faults,
        "verdict": version.verdict,
    }


def _exit_code(reference: FunctionReference, found: Versions, *, has_code: bool) -> int:
    if has_code and any(version.replayed < len(version.histories) for version in found.found):
        return ExitCode.FAILED
    # A version whose executions are still to be forked has their code: it cannot go yet.
    is_version = reference.qualifier not in {None, "$LATEST"}
    if is_version and any(version.verdict != Verdict.CAN_GO for version in found.found):
        return ExitCode.FAILED
    return ExitCode.SUCCEEDED
