"""The client that starts executions and gives handles of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from durable_execution_sdk.client.callbacks import PendingCallback
from durable_execution_sdk.client.connecting import ANY_REGION, at_endpoint, dev_server, in_process
from durable_execution_sdk.client.endpoint_connection import EndpointOptions
from durable_execution_sdk.client.execution_handle import ExecutionHandle
from durable_execution_sdk.client.executions import NO_EVENT, Executions, Filters
from durable_execution_sdk.client.function_ref import FunctionRef
from durable_execution_sdk.client.messages.inbox_ref import InboxRef
from durable_execution_sdk.client.service import WaitForEnd
from durable_execution_sdk.client.targets import AnyTarget, Targets
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.ports.control_plane import ControlPlane

__all__ = ["DurableClient"]

_E = TypeVar("_E")
_R = TypeVar("_R")
_T = TypeVar("_T")


class DurableClient:
    """Starts, reads and stops executions of durable functions, answers callbacks, and sends messages.

    It speaks Lambda's API, at AWS, at ``durable dev`` or at any server of the engine. Without arguments it uses the
    endpoint, the region and the credentials of the environment, as the SDK does (``AWS_ENDPOINT_URL_LAMBDA``,
    ``AWS_REGION``, profiles with botocore). ``SyncDurableClient`` is the same without ``await``; tests get one from
    ``runner.client()``. Throttled and unanswered requests are sent again where that is safe, lists, histories and
    descriptions keep to the quotas of the service (15, 15 and 30 a second), which all callers of an account share.

    One client serves many tasks. It holds connections for each event loop; ``async with`` or ``aclose()`` closes them.

    Args:
        endpoint: the URL of the API, for example ``http://127.0.0.1:9014`` of ``durable dev``.
        profile: the profile of the AWS configuration, which botocore reads.
        region: the AWS region.
        token: the token of a development server that other computers reach.
        functions: the functions, with a version or an alias, that run handlers, for calls that name a handler only;
            for ``durable dev`` where the template of the application names them otherwise than the code.
        longest_pause: the longest time between two looks at an execution that ``result()`` waits for, in seconds.
        control_plane: the port to use in place of an endpoint, such as that of an emulator in this process.
        wait_for_end: waits for the end of an execution in place of polling, for engines that the caller drives.

    Raises:
        ConfigError: there is no region, an option is wrong, or two contradict one another.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        profile: str | None = None,
        region: str | None = None,
        token: str | None = None,
        functions: Mapping[AnyHandler, str] | None = None,
        longest_pause: float = 5.0,
        control_plane: ControlPlane | None = None,
        wait_for_end: WaitForEnd | None = None,
    ) -> None:
        options = EndpointOptions(url=endpoint, profile=profile, region=region, token=token)
        if control_plane is None and wait_for_end is None:
            service = at_endpoint(options, longest_pause)
        elif control_plane is not None and options == EndpointOptions():
            service = in_process(control_plane, longest_pause, wait_for_end)
        else:
            raise ConfigError(
                "DurableClient takes an endpoint with its profile, region and token, or a control_plane with its"
                " wait_for_end, not of both"
            )
        self.executions = Executions(service, Targets(functions or {}, service))

    @classmethod
    def for_dev_server(
        cls,
        store: str | Path | None = None,
        *,
        functions: Mapping[AnyHandler, str] | None = None,
        longest_pause: float = 5.0,
    ) -> Self:
        """Return a client of the ``durable dev`` that runs a store, ``.durable/executions.db`` by default.

        A server that was started with a token lets this client in.

        Raises:
            ConfigError: no server runs the store.
        """
        server = dev_server(store)
        return cls(
            server.url,
            region=ANY_REGION,
            token=server.token,
            functions=functions,
            longest_pause=longest_pause,
        )

    @overload
    async def start(
        self,
        function: DurableHandler[_E, _R] | FunctionRef[_E, _R],
        event: _E,
        *,
        name: str | None = ...,
    ) -> ExecutionHandle[_R]: ...

    @overload
    async def start(
        self, function: str, event: object = ..., *, name: str | None = ...
    ) -> ExecutionHandle[Any]: ...

    async def start(
        self, function: AnyTarget, event: object = NO_EVENT, *, name: str | None = None
    ) -> ExecutionHandle[Any]:
        """Start an execution, or find the one of this name, and return its handle.

        A name is that of one execution in the account and region for as long as its data is kept: with the same name
        and the same event, as text, a second call returns the execution that the first one started, even if
        it has ended. So a caller that is repeated starts nothing twice. It costs one request, and the start is one
        operation of the execution.

        Args:
            function: a handler; a ``FunctionRef``; or the function's name or ARN with a version or an alias. A handler
                is looked for in ``functions``; without an entry a server of this computer is asked for its name in
                code, which is not that of a function that a template names otherwise.
            event: the input, at most 1 MiB as JSON; ``{}`` for a name without one.
            name: 1 to 64 letters, digits, ``-`` and ``_``; without one it is a new UUID.

        Raises:
            AlreadyStartedError: an execution of this name was started with another event.
            ConfigError: the function lacks a version or an alias, or is no durable function.
            SerDesError: the event does not fit the type of the function's input.
            PayloadSizeError: the event is larger than 1 MiB.
            ServiceError: the service refused the call, or there is no such function.
        """
        return await self.executions.start(function, event, name)

    @overload
    async def execution(
        self, reference: str, of: DurableHandler[Any, _R] | FunctionRef[Any, _R]
    ) -> ExecutionHandle[_R]: ...

    @overload
    async def execution(self, reference: str, of: str | None = ...) -> ExecutionHandle[Any]: ...

    async def execution(self, reference: str, of: AnyTarget | None = None) -> ExecutionHandle[Any]:
        """Return the handle of an execution by its ARN, or by its name and its function.

        An ARN costs no request, and is not looked for. A name costs one list; of several executions with this name
        the newest is meant.

        Args:
            reference: the ARN or the name.
            of: the function, as in ``list``, which gives the type of the result.

        Raises:
            ConfigError: a name without a function.
            ServiceError: no execution of the function has this name, or the service refused the call.
        """
        return await self.executions.find(reference, of)

    @overload
    def list(
        self,
        function: DurableHandler[Any, _R] | FunctionRef[Any, _R],
        *,
        name: str | None = ...,
        statuses: Sequence[str] = ...,
        started_after: datetime | None = ...,
        started_before: datetime | None = ...,
        oldest_first: bool = ...,
        most: int | None = ...,
    ) -> AsyncIterator[ExecutionHandle[_R]]: ...

    @overload
    def list(
        self,
        function: str,
        *,
        name: str | None = ...,
        statuses: Sequence[str] = ...,
        started_after: datetime | None = ...,
        started_before: datetime | None = ...,
        oldest_first: bool = ...,
        most: int | None = ...,
    ) -> AsyncIterator[ExecutionHandle[Any]]: ...

    def list(
        self,
        function: AnyTarget,
        *,
        name: str | None = None,
        statuses: Sequence[str] = (),
        started_after: datetime | None = None,
        started_before: datetime | None = None,
        oldest_first: bool = False,
        most: int | None = None,
    ) -> AsyncIterator[ExecutionHandle[Any]]:
        """Yield the executions of a function, the newest first, a request for each 1,000 of them.

        ``handle.listed`` is the state in the list.

        Args:
            function: as for ``start``. A handler and a ``FunctionRef`` mean the executions of all versions, as a name
                without a version does; a name with a version or an alias means that version.
            name: the name of the executions.
            statuses: the statuses, such as ``["RUNNING", "PAUSED"]``; all by default.
            started_after: the time after which they started; one without a time zone is in local time.
            started_before: the time before which they started.
            oldest_first: whether the oldest comes first.
            most: the most executions to yield; all by default.

        Raises:
            ServiceError: the service refused the call, or there is no such function.
        """
        filters = Filters(
            name=name,
            statuses=statuses,
            started_after=started_after,
            started_before=started_before,
            oldest_first=oldest_first,
        )
        return self.executions.list(function, filters, most)

    async def send(
        self,
        execution: ExecutionHandle[Any] | str,
        inbox: str | InboxRef[_T],
        value: _T,
        *,
        id: str | None = None,  # noqa: A002 - the public name
        timeout: float = 10.0,
    ) -> str:
        """Send a message to an inbox of an execution that runs, and return the id of the message.

        The call returns once the service has accepted the message. The workflow takes the messages in the order in
        which they were accepted, each once; those that this client sends to one inbox at the same time, in the order of
        the calls. It costs one or two requests, of which those for histories are 15 a second
        for all of an account, and the message is one operation of the execution.

        Args:
            execution: its handle or its ARN.
            inbox: the name of the inbox, or an ``InboxRef`` with the type of its messages.
            value: the message, at most 1 MiB as JSON.
            id: an id for the message, which you keep if you may send it again: the workflow takes only one of several
                messages with the same id. Without one it is a new UUID.
            timeout: the seconds for which the call waits for room in the inbox, or for the inbox to be opened.

        Raises:
            InboxFullError: there was no room in time.
            NoInboxError: the inbox was not opened in time, or was closed, or the execution has ended.
            SerDesError: the message does not fit the type of the ``InboxRef``.
            PayloadSizeError: the message is larger than 1 MiB.
            ServiceError: the service refused the call.
        """
        return await self.executions.send(execution, inbox, value, id, timeout)

    def callback(self, callback_id: str) -> PendingCallback:
        """Return the callback with this id, which ``succeed``, ``fail`` and ``heartbeat`` answer."""
        return PendingCallback(self.executions.service.control, callback_id, None)

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self.executions.service.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
