"""Executions at an endpoint by the names that a user gives: FUNCTION/NAME, FUNCTION/@last, or an ARN."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from durable_execution_sdk.cli.options import Endpoint
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.endpoint import FunctionReference
from durable_execution_sdk.cli.store_file import nearest
from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.dev.execution_references import LAST
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol.control_plane import ListRequest
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS

__all__ = ["EndpointError", "EndpointPlace", "ExecutionReference", "Found", "reached", "shown_arn"]

_ARN = re.compile(r"(?P<arn>arn:[^/]*/durable-execution/[^/]+/[^/]+)(?:/(?P<operation>.+))?")
_FORMS = (
    "an endpoint has executions by function: write FUNCTION/NAME, FUNCTION/@last for the one started last, or the"
    " ARN of the execution"
)
_Answer = TypeVar("_Answer")


class Found(NamedTuple):
    """An execution at an endpoint: its ARN there, and the one by which views know it."""

    arn: str
    shown_as: str


def shown_arn(arn: str, function: str, name: str) -> str:
    """Return the ARN by which views know an execution: made up for an endpoint that has ids of another form."""
    if ExecutionArn.read(arn) is not None:
        return arn
    run = re.sub(r"[^A-Za-z0-9_-]", "-", arn)
    return str(
        ExecutionArn("aws", "us-east-1", "000000000000", function, "$LATEST", name, run or "run")
    )


class ExecutionReference:
    """An execution at an endpoint as a user names it, with the name of an operation after it where one is meant.

    Raises ``Refusal`` for a text that is neither ``FUNCTION/NAME`` nor an ARN.
    """

    def __init__(self, text: str, *, has_operation: bool = False) -> None:
        self.text = text
        self.arn: str | None = None
        self.name, self.operation, self._function = "", None, None
        matched = _ARN.fullmatch(text)
        operation: str | None
        if matched is not None and ExecutionArn.read(matched["arn"]) is not None:
            self.arn, operation = matched["arn"], matched["operation"]
        else:
            function, _, rest = text.partition("/")
            self.name, _, operation = rest.partition("/")
            operation = operation or None
            if not function or not self.name:
                raise Refusal(f"{text!r} names no execution: {_FORMS}")
            self._function = FunctionReference(function)
        if operation is not None and not has_operation:
            raise Refusal(f"{text!r} names no execution: {_FORMS}")
        self.operation = operation

    @property
    def function(self) -> FunctionReference:
        """The function of the execution, as it was written."""
        if self._function is not None:
            return self._function
        return FunctionReference(ExecutionArn.parse(self.arn or "").function_arn)

    async def find(self, connection: EndpointConnection) -> Found:
        """Return the execution; raise ``Refusal`` if there is none, and ``ServiceError``."""
        if self.arn is not None:
            return Found(self.arn, self.arn)
        function = self.function
        is_last = self.name == LAST
        request = ListRequest(
            function_name=function.name,
            qualifier=function.qualifier,
            durable_execution_name=None if is_last else self.name,
        )
        # An endpoint that does not filter by name answers with others, too.
        found = [
            each
            async for each in _reading(connection).executions(
                request,
                1 if is_last else None,
                wanted=lambda each: is_last or each.durable_execution_name == self.name,
            )
        ]
        if not found:
            raise Refusal(await self._absent(connection))
        # A name is free again once its retention is over: the newest has it.
        newest = max(found, key=lambda each: each.start_timestamp)
        arn = newest.durable_execution_arn
        short_name, name = function.short_name, newest.durable_execution_name
        return Found(arn, shown_arn(arn, short_name, name))

    async def _absent(self, connection: EndpointConnection) -> str:
        function = self.function
        if self.name == LAST:
            return f"{function.text} has no executions at {connection.url}"
        request = ListRequest(function_name=function.name, qualifier=function.qualifier)
        found = _reading(connection).executions(request, MAX_PAGE_ITEMS)
        names = [each.durable_execution_name async for each in found]
        close = nearest(self.name, names)
        meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        return f"{function.text} has no execution {self.name!r} at {connection.url}{meant}"


def _reading(connection: EndpointConnection) -> PacedReading:
    return PacedReading(connection.control, is_limited=not connection.is_local)


class EndpointError(Refusal):
    """An endpoint cannot be asked, or refuses."""


class EndpointPlace:
    """An endpoint of Lambda's API, for the views and commands that take a place of executions."""

    def __init__(self, at: Endpoint) -> None:
        self.held: frozenset[str] = frozenset()
        self._at = at

    @property
    def options(self) -> EndpointOptions:
        """The options of connections with the endpoint."""
        return EndpointOptions(**self._at._asdict())

    def command(self, *words: str) -> str:
        """Write a command line for this endpoint, to show to a user."""
        return shlex.join(["durable", *self._at.words, *words])

    def reference(self, arn: str, name: str) -> str:
        """Return the word of commands for an execution, or a callback of it, by its name or ``NAME/OPERATION``."""
        parts = ExecutionArn.read(arn)
        return name if parts is None else f"{parts.function_name}/{name}"

    def find(self, reference: ExecutionReference) -> Found:
        """Return the execution that a reference names; raise ``Refusal`` if there is none."""
        if reference.arn is not None:
            return Found(reference.arn, reference.arn)
        return asyncio.run(reached(self.options, reference, reference.find))


async def reached(
    options: EndpointOptions,
    reference: ExecutionReference,
    ask: Callable[[EndpointConnection], Awaitable[_Answer]],
    *,
    verb: str = "read",
    actions: Sequence[str] = ("GetDurableExecution", "GetDurableExecutionHistory"),
) -> _Answer:
    """Ask an endpoint about an execution; raise ``Refusal`` in words for what it refuses.

    ``verb`` is what is done with the execution, which takes permission for ``actions``, and for a list of a
    function's executions if the reference has a name.
    """
    try:
        connection = EndpointConnection(reference.function.region, options)
    except ConfigError as error:
        raise EndpointError(
            f"{reference.text} is at an endpoint of Lambda's API, but: {error}"
        ) from error
    try:
        return await ask(connection)
    except ServiceError as error:
        is_named = reference.arn is None
        explained = connection.explained(
            error,
            absent=f"function {reference.function.text}"
            if is_named
            else f"execution {reference.arn}",
            gone="its name, its version or its region may be another"
            if is_named
            else "it never was there, or its retention is over",
            reads=f"the execution {reference.text}",
            actions=("ListDurableExecutionsByFunction", *actions) if is_named else actions,
            verb=verb,
        )
        raise EndpointError(str(explained)) from error
    finally:
        await connection.aclose()
