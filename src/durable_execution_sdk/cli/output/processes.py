"""The processes that run an execution, and the command line that goes on with one that none runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.discovery_file import ServerAddress
from durable_execution_sdk.dev.logs.log_store import has_been_served, was_served
from durable_execution_sdk.dev.processes import lineage
from durable_execution_sdk.dev.processes import processes_of as processes_that_run
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.origins import origin_of

NONE = "none"
"""Stands in a table for no process."""


def processes_of(emulator: Emulator, arn: str, place: Place) -> list[int]:
    """Return the ids of the processes that run an execution, or the one that invoked it."""
    return processes_that_run(emulator, arn, place.runs, place.server)


def brief_of(processes: Sequence[int]) -> str:
    """Write processes for a column of a table."""
    return " ".join(map(str, processes)) or NONE


def running_or_resume(emulator: Emulator, arn: str, place: Place) -> str:
    """Say which processes run an open execution, or will; if there are none, with what command to go on."""
    processes = processes_of(emulator, arn, place)
    if processes:
        executions = family(emulator, arn, place.held)
        if not executions.is_idle:
            return f"{_run(processes)} it now"
        is_paused = executions.execution.status == ExecutionStatus.PAUSED
        return _suspended(processes, place.server, is_paused=is_paused)
    *_, first_arn = lineage(emulator, arn)
    first = ExecutionArn.parse(first_arn)
    recorded = emulator.progress(first_arn).forked_from
    origin = origin_of(first_arn, recorded, emulator.describe(first_arn).input_payload)
    if was_served(place.path, first_arn) or (
        origin is not None and was_served(place.path, origin.arn)
    ):
        return f"no process runs it now; {_server_to_start(place, ExecutionArn.parse(arn))}"
    command = place.command("run", f"FILE:{first.function_name}", "--name", first.execution_name)
    if has_been_served(place.path):
        command += (
            f", or, if a server accepted it, {place.command('dev')}, as it was started before"
        )
    return f"no process runs it now; go on with: {command}"


def resume_any(place: Place, arns: Iterable[str]) -> str:
    """Write the commands that go on with executions, with words in place of their names.

    An execution that a server has accepted, and not invoked before it was killed, is not in the server's logs.
    """
    served = [was_served(place.path, arn) for arn in arns]
    by_run = place.command("run", "FILE:FUNCTION", "--name", "NAME")
    by_server = f"{place.command('dev')}, as it was started before"
    if not any(served) and not has_been_served(place.path):
        return by_run
    return by_server if all(served) else f"{by_run}, or, if a server ran them, {by_server}"


def _server_to_start(place: Place, owner: ExecutionArn) -> str:
    command, server = place.command("dev"), place.server
    if server is None:
        return (
            "the development server that ran it has stopped. Start it as before, and it goes on:"
            f" {command}"
        )
    return (
        f"the server at {server.url} has no function {owner.function_name} now. Start it again with the"
        f" file that has it: {command} FILE"
    )


def shared_with(processes: Sequence[int], *, waits: bool) -> str:
    """Say that other processes run the same execution, and what this one does then."""
    others = f"{_run(processes)} it already"
    if waits:
        return (
            f"{others}: this run follows it, takes its turn at what is due, and goes on alone when no"
            " other process does"
        )
    return f"{others}: this run does what is due, except what another process has begun"


def _suspended(processes: Sequence[int], server: ServerAddress | None, *, is_paused: bool) -> str:
    """Say which processes make the next invocation of an execution that has none now."""
    if server is not None and server.pid in processes:
        goes_on = f"the server (process {server.pid}) goes on"
    elif len(processes) == 1:
        goes_on = f"process {processes[0]} goes on"
    else:
        goes_on = f"processes {', '.join(map(str, processes))} go on"
    if is_paused:
        return f"paused; {goes_on} when it is resumed"
    return f"suspended; {goes_on} when it is due"


def _run(processes: Sequence[int]) -> str:
    if len(processes) == 1:
        return f"process {processes[0]} runs"
    return f"processes {', '.join(map(str, processes))} run"
