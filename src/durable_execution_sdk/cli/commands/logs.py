"""``durable logs``: the lines that functions wrote while they ran an execution on the development server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext

import click
import msgspec

from durable_execution_sdk.cli.arguments.completion import operation_names
from durable_execution_sdk.cli.following import Follower, end_of_following, interruptible
from durable_execution_sdk.cli.options import json_option, name_argument, store_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.functions.records import LogLine
from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.log_lines import log_text
from durable_execution_sdk.rendering.times import at, iso


@click.command()
@name_argument
@store_option
@click.option(
    "--operation",
    metavar="OP",
    shell_complete=operation_names,
    help="Only lines of an operation: its name, path or id.",
)
@click.option(
    "--follow", is_flag=True, help="Show further lines until the execution has ended or is held."
)
@json_option
def logs(name: str, store: str | None, operation: str | None, follow: bool, as_json: bool) -> int:
    """Show what functions printed and logged for an execution.

    JSON records are written in words: level, operation, message, and the other fields. --json writes one
    document for each line, with the line as it was written.

    Lines are kept for functions that `durable dev` runs. What `durable run` runs writes to its terminal.
    """
    place = Place(store)
    with place.existing() as emulator:
        arn = place.arn(emulator, name)
        path = logs_path(place.path)
        if not path.exists():
            raise Refusal(
                f"there are no logs beside {place.path}: they are kept for functions that durable dev runs."
                " What durable run runs writes to its own terminal"
            )
        operation_id = None if operation is None else _operation_id(emulator, arn, operation)
        with closing(LogStore(path)) as kept, interruptible() if follow else nullcontext():
            _tell_elsewhere(emulator, kept, arn, place)
            number = 0
            paths: dict[str, str] = {}
            for line in _lines(emulator, kept, arn, operation_id, place, follow=follow):
                number += 1
                if as_json:
                    say(_document(line))
                    continue
                if line.operation_id is not None and line.operation_id not in paths:
                    paths |= {key: "/".join(path) for key, path in _paths(emulator, arn).items()}
                    # The start of a step may be recorded after its lines: those have its name.
                    paths.setdefault(line.operation_id, "")
                say(_text(line, emulator.now(arn), paths))
            if operation_id is not None and not number and not as_json:
                say(
                    f"no line names {operation}: only records of the SDK's loggers name their operation, and"
                    f" what is printed does not. `{place.command('logs', name)}` shows all",
                    err=True,
                )
        return end_of_following(emulator, arn, place) if follow else ExitCode.SUCCEEDED


def _tell_elsewhere(emulator: Emulator, kept: LogStore, arn: str, place: Place) -> None:
    """Say that lines are missing, because other processes than the server ran invocations or run one now."""
    for process in place.runs.processes(arn):
        say(f"process {process} runs it now, and writes to its own terminal", err=True)
    missing = emulator.tally(arn).invocations - len(kept.invocations(arn))
    if family(emulator, arn).execution.is_invoked:
        missing -= 1
    if missing > 0:
        invocations = "1 invocation" if missing == 1 else f"{missing} invocations"
        say(
            f"lines of {invocations} are not here: `durable run` ran them, or they were lost with a server"
            " that was killed",
            err=True,
        )


def _lines(
    emulator: Emulator,
    kept: LogStore,
    arn: str,
    operation_id: str | None,
    place: Place,
    *,
    follow: bool,
) -> Iterator[LogLine]:
    after = 0
    for _ in Follower(emulator, arn, place).changes() if follow else (None,):
        for line in kept.lines(arn, operation_id, after=after):
            after = line.number
            yield line


def _paths(emulator: Emulator, arn: str) -> dict[str, tuple[str, ...]]:
    """Map the ids of an execution's operations to their paths."""
    return {
        entry.progress.operation.id: entry.path
        for entry in family(emulator, arn).entries()
        if entry.execution.arn == arn
    }


def _operation_id(emulator: Emulator, arn: str, operation: str) -> str:
    """Return the id of the operation that a user names; raises ``Refusal`` for none or several."""
    paths = _paths(emulator, arn)
    if operation in paths:
        return operation
    wanted = tuple(operation.split("/"))
    ids = [key for key, path in paths.items() if path[-len(wanted) :] == wanted]
    if len(ids) == 1:
        return ids[0]
    known = ", ".join("/".join(path) for path in paths.values()) or "none"
    problem = "several operations are" if ids else "no operation is"
    raise Refusal(f"{problem} called {operation!r}; the operations are: {known}")


def _text(line: LogLine, now: int, paths: Mapping[str, str]) -> str:
    mark = "" if line.stream == "stdout" else f"{line.stream}: "
    return f"{at(line.at, now)}  {mark}{log_text(line.text, paths)}"


def _document(line: LogLine) -> str:
    members = msgspec.to_builtins(line)
    del members["number"], members["arn"]
    return json.dumps({**members, "at": iso(line.at)}, ensure_ascii=False)
