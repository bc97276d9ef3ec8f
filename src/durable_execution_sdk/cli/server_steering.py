"""Steering of executions that a running development server runs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from durable_execution_sdk.cli.server_client import ServerClient
from durable_execution_sdk.cli.steering import Steering, StoreSteering
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.discovery_file import ServerAddress
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.faults.live import LiveFault


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
