"""The control of executions that the steering commands use: over the store, or over a server that runs them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Protocol

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.processes import processes_of, running_or_resume
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.server_client import ServerClient
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.answers import MisfitError, check_results, logs_beside
from durable_execution_sdk.dev.discovery_file import ServerAddress
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.faults.live import LiveFault
from durable_execution_sdk.emulator.steering.execution_times import TimeReading
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.views.progress import ExecutionProgress
from durable_execution_sdk.protocol.control_plane import (
    ExecutionStatus,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.ids import ExecutionArn


class Steering(Protocol):
    """Control of the executions of one store. Methods raise ``ServiceError`` for what is not possible."""

    def arn(self, name: str) -> str:
        """Return the ARN of the execution that a name or an ARN means; raise ``Refusal`` if there is none."""
        ...

    def progress(self, arn: str) -> ExecutionProgress:
        """Return the progress of an execution and of each of its operations."""
        ...

    def time(self, arn: str) -> TimeReading:
        """Return an execution's time: its mode, its offset from the clock, and the time now."""
        ...

    def set_time(self, arn: str, mode: TimeMode) -> None:
        """Change the way in which time passes for an execution."""
        ...

    def advance(self, arn: str, milliseconds: int | None) -> int:
        """Advance an execution's time, to its next deadline if ``None``; return the end's time."""
        ...

    def pause(self, arn: str, reason: str | None) -> None:
        """Invoke an execution no more until it is resumed."""
        ...

    def resume(self, arn: str, reason: str | None) -> None:
        """End a pause."""
        ...

    def fork(
        self,
        arn: str,
        *,
        before: str | None,
        payload: str | None,
        results: Mapping[str, str],
        name: str | None,
        anyway: bool,
    ) -> str:
        """Add a fork of an execution before an operation, by its id; return its ARN.

        Raises ``Refusal`` for the result of a callback that does not fit its type, unless it is ``anyway``.
        """
        ...

    def rerun(self, arn: str, *, payload: str | None, name: str | None) -> str:
        """Start an execution like another; return its ARN."""
        ...

    def accept_code(self, arn: str) -> None:
        """Let a held execution go on with the code of now."""
        ...

    def crash(self, arn: str, fault: LiveFault | None) -> None:
        """Kill the worker of an execution now, or plan a fault of a checkpoint to come."""
        ...

    def going_on(self, arn: str) -> str | None:
        """Say which process runs an execution, or with what command it goes on; ``None`` if it has ended."""
        ...

    def command(self, *words: str) -> str:
        """Write a command line for these executions, to show to a user."""
        ...


class StoreSteering:
    """Control over a store file. What is due then is done by the process that runs the execution."""

    def __init__(self, place: Place, emulator: Emulator) -> None:
        self._place = place
        self._emulator = emulator
        self.progress = emulator.progress
        self.time = emulator.time
        self.set_time = emulator.set_time_mode
        self.advance = emulator.advance
        self.command = place.command

    def arn(self, name: str) -> str:
        """Return the ARN of the execution that a name or an ARN means; raise ``Refusal`` if there is none."""
        return self._place.arn(self._emulator, name)

    def pause(self, arn: str, reason: str | None) -> None:
        """Invoke an execution no more until it is resumed."""
        self._emulator.pause(arn, PauseRequest(reason=reason))

    def resume(self, arn: str, reason: str | None) -> None:
        """End a pause."""
        held = arn in self._place.held
        if held and self._emulator.describe(arn).status == ExecutionStatus.RUNNING:
            name = ExecutionArn.parse(arn).execution_name
            raise Refusal(
                f"{name} is not paused but held, since edited code does not fit its log: edit the code so that it"
                f" fits, or let it go on as it is with: {self._place.command('resume', name, '--anyway')}"
            )
        self._emulator.resume(arn, ResumeRequest(reason=reason))

    def rerun(self, arn: str, *, payload: str | None, name: str | None) -> str:
        """Start an execution like another; return its ARN."""
        return self._emulator.rerun(arn, payload=payload, name=name)

    def fork(
        self,
        arn: str,
        *,
        before: str | None,
        payload: str | None,
        results: Mapping[str, str],
        name: str | None,
        anyway: bool,
    ) -> str:
        """Add a fork of an execution before an operation, by its id; return its ARN."""
        if results and not anyway:
            try:
                with logs_beside(self._place.path) as logs:
                    check_results(logs, arn, results)
            except MisfitError as error:
                refusal = f"{error.message} Correct --result, or take it with --anyway"
                raise Refusal(refusal) from error
        return self._emulator.fork(arn, before=before, payload=payload, results=results, name=name)

    def accept_code(self, arn: str) -> None:
        """Let a held execution go on with the code of now."""
        held = self._place.held.get(arn)
        if held is None:
            raise Refusal(
                f"no server holds {ExecutionArn.parse(arn).execution_name}; `durable run --anyway` goes on with"
                " edited code without a server"
            )
        self._emulator.accept_code(arn, held.code)

    def crash(self, arn: str, fault: LiveFault | None) -> None:
        """Refuse: the process that runs an execution is to be reached through a server only."""
        del fault
        processes = processes_of(self._emulator, arn, self._place)
        advice = "".join(f"; kill it with: kill -9 {process}" for process in processes[:1])
        raise Refusal(
            f"no server runs over {self._place.path}, so there is no process to crash. Faults are for"
            f" executions that `durable dev` runs{advice}"
        )

    def going_on(self, arn: str) -> str | None:
        """Say which process runs an execution, or with what command it goes on; ``None`` if it has ended."""
        if self._emulator.is_closed(arn):
            return None
        return running_or_resume(self._emulator, arn, self._place)


class ServerSteering(StoreSteering):
    """Control over the store of a server, which notices what is changed there.

    The server itself is asked for what only it can do or knows: it has the workers, and the way in which
    time passes for executions that are started.
    """

    def __init__(self, place: Place, emulator: Emulator, server: ServerAddress) -> None:
        super().__init__(place, emulator)
        self._client = ServerClient(server)

    def rerun(self, arn: str, *, payload: str | None, name: str | None) -> str:
        """Start an execution like another; return its ARN."""
        return self._client.rerun(arn, payload, name)

    def crash(self, arn: str, fault: LiveFault | None) -> None:
        """Kill the worker of an execution now, or plan a fault of a checkpoint to come."""
        self._client.crash(arn, fault)


@contextmanager
def steering(store: str | None) -> Generator[Steering]:
    """Open the control of the executions in a store; raise ``Refusal`` if it does not exist."""
    place = Place(store)
    with place.existing() as emulator:
        server = place.server
        if server is None:
            yield StoreSteering(place, emulator)
        else:
            yield ServerSteering(place, emulator, server)


def tell_going_on(control: Steering, arn: str) -> None:
    """Say which process runs an execution, or with what command it goes on, if it has not ended."""
    line = control.going_on(arn)
    if line is not None:
        say(line, err=True)


def name_of(arn: str) -> str:
    """Return the name of an execution."""
    return ExecutionArn.parse(arn).execution_name


def names_of(arn: str) -> dict[str, str]:
    """Return the members of a document that name an execution."""
    return {"durable_execution_name": name_of(arn), "durable_execution_arn": arn}
