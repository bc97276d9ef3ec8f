"""The endpoint that a command reads: its connection, and the meaning of its errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.errors import ConfigError, ServiceError

__all__ = ["FunctionReference", "connected"]

_ACTIONS = ("ListDurableExecutionsByFunction", "GetDurableExecutionHistory")


class FunctionReference:
    """A function by its name or ARN, with a version or an alias or without one."""

    def __init__(self, text: str) -> None:
        head, mark, tail = text.rpartition(":function:")
        name, colon, qualifier = tail.partition(":")
        if not name or (colon and not qualifier):
            raise Refusal(
                f"{text!r} names no function: write its name or ARN, with a version or an alias if you want:"
                " shop, shop:3, shop:live"
            )
        self.name = f"{head}{mark}{name}"
        self.short_name = name
        self.qualifier = qualifier or None
        self.text = text
        parts = head.split(":")
        self.region = parts[3] if len(parts) > 3 else None


@asynccontextmanager
async def connected(
    function: FunctionReference, options: EndpointOptions
) -> AsyncGenerator[EndpointConnection]:
    """Connect with the endpoint of a function; raise ``Refusal`` in words for what it refuses."""
    try:
        connection = EndpointConnection(function.region, options)
    except ConfigError as error:
        server = Place(None).server if options == EndpointOptions() else None
        way = (
            ""
            if server is None
            else f". A development server runs the store here: --endpoint {server.url}"
        )
        raise Refusal(
            f"{function.text} is read at an endpoint of Lambda's API, but: {error}{way}"
        ) from error
    try:
        yield connection
    except ServiceError as error:
        explained = connection.explained(
            error,
            absent=f"function {function.text}",
            gone="its name, its version or its region may be another",
            reads=f"the executions of {function.text}",
            actions=_ACTIONS,
        )
        raise Refusal(str(explained)) from error
    finally:
        await connection.aclose()
