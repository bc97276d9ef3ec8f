"""``durable stop``, ``pause``, ``resume`` and the answers to callbacks, at an endpoint."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from durable_execution_sdk.cli.callback_references import callback_in
from durable_execution_sdk.cli.options import Endpoint
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.executions import EndpointPlace, ExecutionReference, reached
from durable_execution_sdk.cli.remote.views import EndpointView
from durable_execution_sdk.client.endpoint_connection import EndpointConnection
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.client.service import last_of
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import (
    CLOSED_STATUSES,
    ExecutionDescription,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.error_codes import CALLBACK_CLOSED, NOT_FOUND
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.rendering.family import family

__all__ = ["answer", "callback_id", "pause", "resume", "stop"]

_ID = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")
"""A callback's id. It may have slashes, as a name does, but is longer than a name."""


def stop(name: str, at: Endpoint, reason: str | None) -> str:
    """Stop an execution, unless it has ended; return the line that says so."""
    error = None if reason is None else ErrorObject(error_message=reason)

    async def ask(control: ControlPlane, described: ExecutionDescription) -> str:
        if described.status in CLOSED_STATUSES:
            await _check_chain(control, described, at, "stop")
            return f"{described.durable_execution_name} has ended already: {described.status}"
        await control.stop(described.durable_execution_arn, error)
        return await _status(control, described)

    return _steered(name, at, "stop", "StopDurableExecution", ask)


def pause(name: str, at: Endpoint, reason: str | None) -> str:
    """Pause an execution; return the line that says so."""

    async def ask(control: ControlPlane, described: ExecutionDescription) -> str:
        await _check_open(control, described, at, "pause")
        arn = described.durable_execution_arn
        await _known("PauseDurableExecution", control.pause(arn, PauseRequest(reason=reason)))
        return await _status(control, described)

    return _steered(name, at, "pause", "PauseDurableExecution", ask)


def resume(name: str, at: Endpoint, reason: str | None) -> str:
    """End the pause of an execution; return the line that says so."""

    async def ask(control: ControlPlane, described: ExecutionDescription) -> str:
        await _check_open(control, described, at, "resume")
        arn = described.durable_execution_arn
        await _known("ResumeDurableExecution", control.resume(arn, ResumeRequest(reason=reason)))
        return await _status(control, described)

    return _steered(name, at, "resume", "ResumeDurableExecution", ask)


def callback_id(text: str, at: Endpoint) -> str:
    """Return the id of the callback that a reference names.

    A reference is ``FUNCTION/NAME/OPERATION``, ``FUNCTION/NAME`` if the execution has one callback that waits, an
    ARN in place of ``FUNCTION/NAME``, or an id.
    """
    if _ID.fullmatch(text):
        return text
    reference = ExecutionReference(text, has_operation=True)
    execution = text.removesuffix(f"/{reference.operation}")
    view = EndpointView(execution, at)
    return callback_in(family(view.emulator, view.arn), reference.operation, text, view.place)


def answer(
    text: str, at: Endpoint, kind: str, send: Callable[[ControlPlane, str], Awaitable[None]]
) -> None:
    """Send an answer, or a heartbeat, to the callback that a reference names.

    ``kind`` ends the name of the API's operation.
    """
    found = callback_id(text, at)

    async def ask() -> None:
        try:
            connection = EndpointConnection(None, EndpointPlace(at).options)
        except ConfigError as error:
            raise Refusal(
                f"{text} is answered at an endpoint of Lambda's API, but: {error}"
            ) from error
        try:
            await send(connection.control, found)
        except ServiceError as error:
            if error.code == CALLBACK_CLOSED:
                by = " (perhaps by this command, whose first request got no answer)"
                raise Refusal(
                    f"the callback {text} waits no more: it was answered{by if error.after_lost_answer else ''}, timed"
                    " out, or its execution has ended"
                ) from error
            raise Refusal(
                str(
                    connection.explained(
                        error,
                        absent=f"callback {text}",
                        gone="the id may be another endpoint's",
                        reads=f"the callback {text}",
                        actions=(f"SendDurableExecutionCallback{kind}",),
                        verb="answer",
                    )
                )
            ) from error
        finally:
            await connection.aclose()

    asyncio.run(ask())


def _steered(
    name: str,
    at: Endpoint,
    verb: str,
    action: str,
    ask: Callable[[ControlPlane, ExecutionDescription], Awaitable[str]],
) -> str:
    reference = ExecutionReference(name)

    async def steer(connection: EndpointConnection) -> str:
        arn = (await reference.find(connection)).arn
        described = await connection.control.describe(arn, include_execution_data=False)
        return await ask(connection.control, described)

    actions = ("GetDurableExecution", action)
    options = EndpointPlace(at).options
    return asyncio.run(reached(options, reference, steer, verb=verb, actions=actions))


async def _status(control: ControlPlane, before: ExecutionDescription) -> str:
    described = await control.describe(before.durable_execution_arn, include_execution_data=False)
    return f"{described.durable_execution_name} is {described.status}"


async def _known(operation: str, call: Awaitable[None]) -> None:
    """Await a call about an execution that is there; raise ``Refusal`` if the endpoint has no such call."""
    try:
        await call
    except ServiceError as error:
        is_unknown = error.code == NOT_FOUND or "unknown path" in error.message.lower()
        if not is_unknown and error.status not in {404, 405, 501}:
            raise
        raise Refusal(
            f"the endpoint has no {operation}: it is older than that call, or an emulator without it"
        ) from error


async def _check_chain(
    control: ControlPlane, described: ExecutionDescription, at: Endpoint, verb: str
) -> None:
    """Raise ``Refusal`` if an execution that has ended went on as another that is open."""
    reading = PacedReading(control)
    first = await reading.describe(described.durable_execution_arn)
    last = await last_of(reading, first, reading.describe)
    if last.status not in CLOSED_STATUSES:
        place, name = EndpointPlace(at), last.durable_execution_name
        word = place.reference(last.durable_execution_arn, name)
        raise Refusal(
            f"{described.durable_execution_name} has ended already, and went on as {name}, which is {last.status}:"
            f" {verb} that with {place.command(verb, word)}"
        )


async def _check_open(
    control: ControlPlane, described: ExecutionDescription, at: Endpoint, verb: str
) -> None:
    if described.status in CLOSED_STATUSES:
        await _check_chain(control, described, at, verb)
        place = EndpointPlace(at)
        name = described.durable_execution_name
        word = place.reference(described.durable_execution_arn, name)
        fork = place.command("fork", word, "--before", "OPERATION")
        raise Refusal(
            f"{name} has ended: it is {described.status}, so there is nothing to {verb}. To go on from an earlier"
            f" moment, fork it: {fork}"
        )
