"""Make the service of a client: at an endpoint, at a development server, or in this process."""

from __future__ import annotations

import os
from pathlib import Path

from durable_execution_sdk.call_timing import Backoff
from durable_execution_sdk.client.dev_server import ServerAddress, find_server
from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.client.service import Polling, Service, WaitForEnd
from durable_execution_sdk.emulator.durations import seconds_allowed
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.ports.control_plane import ControlPlane

__all__ = ["ANY_REGION", "at_endpoint", "dev_server", "in_process"]

ANY_REGION = "us-east-1"
"""A region for servers of this project, which look at none."""


def at_endpoint(options: EndpointOptions, longest_pause: float) -> Service:
    """Return the service at an endpoint, by default that of the environment.

    Servers of this computer, and others with a token, know functions by the names that they have in code.
    """
    longest = seconds_allowed(longest_pause, "longest_pause")
    connection = EndpointConnection(None, options, os.environ, Backoff())
    reading = PacedReading(connection.control, is_limited=not connection.is_local)
    return Service(
        control=connection.control,
        reading=reading,
        wait_for_end=Polling(reading, longest),
        address=connection.url,
        is_local=connection.is_local or options.token is not None,
        close=connection.aclose,
    )


def dev_server(store: str | Path | None) -> ServerAddress:
    """Return the development server that runs a store; raise ``ConfigError`` if none does."""
    from durable_execution_sdk.emulator.stores.sqlite import (  # noqa: PLC0415 - loads SQLite
        DEFAULT_PATH,
    )

    path = DEFAULT_PATH if store is None else Path(store)
    path = path / DEFAULT_PATH.name if path.is_dir() else path
    server = find_server(path)
    if server is None:
        raise ConfigError(
            f"no development server runs {path}: start one with `durable dev`, name its --store, or give the URL that"
            " it prints: DurableClient('http://127.0.0.1:9014')"
        )
    return server


def in_process(
    control: ControlPlane, longest_pause: float, wait_for_end: WaitForEnd | None = None
) -> Service:
    """Return the service behind a control plane of this process."""
    reading = PacedReading(control, is_limited=False)
    longest = seconds_allowed(longest_pause, "longest_pause")
    return Service(
        control=control,
        reading=reading,
        wait_for_end=wait_for_end or Polling(reading, longest),
        address="the control plane of this client",
        is_local=True,
        close=_nothing_to_close,
    )


async def _nothing_to_close() -> None:
    pass
