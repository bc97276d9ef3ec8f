"""``durable logs``: the lines that functions wrote while they ran an execution on the development server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import msgspec

from durable_execution_sdk.cli.following import changes
from durable_execution_sdk.cli.options import json_option, name_argument, store_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.functions.records import LogLine
from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.times import at, iso


@click.command()
@name_argument
@store_option
@click.option("--operation", metavar="OP", help="Only lines of an operation: its name, path or id.")
@click.option("--follow", is_flag=True, help="Show further lines until the execution has ended.")
@json_option
def logs(name: str, store: str | None, operation: str | None, follow: bool, as_json: bool) -> None:
    """Show what functions printed and logged for an execution.

    Lines are kept for functions that `durable dev` runs. --json writes one JSON document for each line.
    """
    place = Place(store)
    with place.existing() as emulator:
        arn = place.arn(emulator, name)
        path = logs_path(place.path)
        if not path.exists():
            raise Refusal(
                f"there are no logs beside {place.path}: they are kept for functions that durable dev runs"
            )
        operation_id = None if operation is None else _operation_id(emulator, arn, operation)
        kept = LogStore(path)
        try:
            for line in _lines(emulator, kept, arn, operation_id, follow=follow):
                say(_document(line) if as_json else _text(line, emulator.now(arn)))
        finally:
            kept.close()


def _lines(
    emulator: Emulator, kept: LogStore, arn: str, operation_id: str | None, *, follow: bool
) -> Iterator[LogLine]:
    after = 0
    for _ in changes(emulator, arn) if follow else (None,):
        for line in kept.lines(arn, operation_id, after=after):
            after = line.number
            yield line


def _operation_id(emulator: Emulator, arn: str, operation: str) -> str:
    """Return the id of the operation that a user names; raises ``Refusal`` for none or several."""
    paths = {
        entry.progress.operation.id: entry.path
        for entry in family(emulator, arn).entries()
        if entry.execution.arn == arn
    }
    if operation in paths:
        return operation
    wanted = tuple(operation.split("/"))
    ids = [key for key, path in paths.items() if path[-len(wanted) :] == wanted]
    if len(ids) == 1:
        return ids[0]
    known = ", ".join("/".join(path) for path in paths.values()) or "none"
    problem = "several operations are" if ids else "no operation is"
    raise Refusal(f"{problem} called {operation!r}; the operations are: {known}")


def _text(line: LogLine, now: int) -> str:
    mark = "" if line.stream == "stdout" else f"{line.stream}: "
    return f"{at(line.at, now)}  {mark}{line.text}"


def _document(line: LogLine) -> str:
    members = msgspec.to_builtins(line)
    del members["number"], members["arn"]
    return json.dumps({**members, "at": iso(line.at)}, ensure_ascii=False)
