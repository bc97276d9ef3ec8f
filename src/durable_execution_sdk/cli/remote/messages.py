"""``durable send`` at an endpoint."""

from __future__ import annotations

import asyncio

from durable_execution_sdk.cli.options import Endpoint
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.executions import EndpointPlace, ExecutionReference, reached
from durable_execution_sdk.client.endpoint_connection import EndpointConnection
from durable_execution_sdk.client.errors import InboxFullError, NoInboxError
from durable_execution_sdk.client.messages.sending import Sending, let_time_pass, send
from durable_execution_sdk.client.paced_reading import PacedReading

__all__ = ["send_message"]

_ACTIONS = ("GetDurableExecutionHistory", "SendDurableExecutionCallbackSuccess")


def send_message(
    name: str, at: Endpoint, inbox: str, message_id: str, payload: bytes, timeout: float
) -> None:
    """Send a message to an execution; raise ``Refusal`` if it was not accepted."""
    reference = ExecutionReference(name)
    message = Sending(inbox=inbox, message_id=message_id, payload=payload, timeout=timeout)

    async def ask(connection: EndpointConnection) -> None:
        arn = (await reference.find(connection)).arn
        reading = PacedReading(connection.control, is_limited=not connection.is_local)
        try:
            await send(connection.control, reading, arn, message, let_time_pass)
        except (InboxFullError, NoInboxError) as error:
            raise Refusal(str(error)) from error

    options = EndpointPlace(at).options
    asyncio.run(reached(options, reference, ask, verb="send a message to", actions=_ACTIONS))
