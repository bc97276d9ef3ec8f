"""Clients of a local runner, whose calls reach its engine and run the execution, and messages of the test itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict, TypeVar

from durable_execution_sdk.client.messages.inbox_ref import InboxRef, message_for
from durable_execution_sdk.client.service import WaitForEnd
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.engine.views.inboxes import Room, room_in
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    InvocationType,
    InvokeRequest,
    InvokeResponse,
)
from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.testing.errors import NoSuchOperationError, is_told
from durable_execution_sdk.testing.local.service import LocalService
from durable_execution_sdk.testing.worker import Watch, in_thread_async

__all__ = ["ClientOptions", "SendsMessages", "client_options", "send_message"]

__tracebackhide__ = is_told

_T = TypeVar("_T")

# The real seconds between two looks at a runner that is at work.
_MOMENT = 0.005


class ClientOptions(TypedDict):
    """The options of a client, as ``DurableClient`` and ``SyncDurableClient`` take them."""

    functions: dict[AnyHandler, str]
    control_plane: ControlPlane
    wait_for_end: WaitForEnd


def client_options(service: LocalService[Any]) -> ClientOptions:
    """Return the options of a client whose calls reach the engine of a runner."""
    options = service.options
    functions: dict[AnyHandler, str] = {
        registered: f"{name}:{LATEST}"
        for name, registered in options.functions.items()
        if isinstance(registered, DurableHandler)
    }
    functions[options.handler] = f"{options.function_name}:{LATEST}"
    return ClientOptions(
        functions=functions,
        control_plane=_RunnersControlPlane(service),
        wait_for_end=_Running(service),
    )


class _RunnersControlPlane(EmulatorControlPlane):
    """The control plane of a runner, which has to know the executions that the client starts."""

    def __init__(self, service: LocalService[Any]) -> None:
        super().__init__(service.driver)
        self._service = service

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        """Invoke a function; an execution that begins is the runner's current one, unless that runs and may have started it."""
        answer = await super().invoke(request)
        arn = answer.durable_execution_arn
        if arn is not None and request.invocation_type is InvocationType.EVENT:
            if self._service.drive.is_at_work:
                self._service.arns.setdefault(arn)
            else:
                self._service.started(arn)
        return answer


class _Running:
    """Runs an execution until it has ended, as ``runner.complete()`` does.

    A runner does one thing at a time, and a program that is given a client may do several: it waits for a result while it
    sends messages. So its calls wait for each other, in place of being refused. The body of a step that the runner runs
    would wait for itself, and is refused.
    """

    def __init__(self, service: LocalService[Any]) -> None:
        self._service = service
        # The number of calls of this client for which the runner works.
        self._calls = 0

    async def let_run(self, arn: str, _seconds: float) -> None:
        """Run an execution until nothing is due: a message waits for room in its inbox."""
        service = self._service
        if service.drive.is_at_work and CURRENT.get() is None:
            await asyncio.sleep(_MOMENT)  # the other call may run it; the sender looks again
            return

        def run(watch: Watch) -> None:
            service.run_until_suspended(watch)

        await self._alone(arn, run, None)

    async def __call__(self, arn: str, timeout: float | None) -> ExecutionDescription:
        """Run an execution to its end; the time limit is in real seconds, by default that of the runner."""
        service = self._service
        while self._calls and service.drive.is_at_work and CURRENT.get() is None:  # noqa: ASYNC110 - threads are at work
            await asyncio.sleep(_MOMENT)

        def run(watch: Watch) -> ExecutionDescription:
            service.complete(watch, follow=False)  # the handle follows by itself
            return service.emulator.describe(arn)

        return await self._alone(arn, run, timeout)

    async def _alone(self, arn: str, work: Callable[[Watch], _T], timeout: float | None) -> _T:
        """Do some work for an execution, as the only call of the runner."""
        service = self._service

        def run(watch: Watch) -> _T:
            # The runner is claimed meanwhile, so that nothing else asks for its current execution.
            started, service.arn = service.arn, arn
            try:
                return work(watch)
            finally:
                service.arn = started

        claimed = service.alone(run, timeout)
        self._calls += 1
        try:
            return await in_thread_async(*claimed)
        finally:
            self._calls -= 1


class SendsMessages:
    """The method of the local runner that sends a message."""

    _service: LocalService[Any]

    async def send(
        self,
        inbox: str | InboxRef[_T],
        value: _T,
        *,
        id: str | None = None,  # noqa: A002 - the public name
        timeout: float | None = None,
    ) -> str:
        """Send a message to an inbox of the execution, and return the id of the message.

        If the inbox is full, or not opened yet, the execution runs until it has room. The workflow sees the message
        when the execution runs again: ``complete()``, ``run_until_suspended()``.

        Raises:
            NoSuchOperationError: the execution ended, or closed the inbox.
            StuckError: the execution waits for something that will never happen.
            SerDesError: the message does not fit the type of the ``InboxRef``.
            ServiceError: the message does not fit the type of the inbox.
        """
        ref, chosen, payload = message_for(inbox, value, id)
        sending = partial(send_message, self._service, ref.name, payload)
        await in_thread_async(*self._service.alone(sending, timeout))
        return chosen


def send_message(service: LocalService[Any], inbox: str, payload: bytes, watch: Watch) -> None:
    """Send a message to an inbox of the runner's execution; run that until there is room in it."""

    def look() -> Room:
        return room_in(service.emulator.progress(service.current), inbox)

    while not look().is_final or (look().is_hopeless and service.has_moved_on()):
        no_room = f"the inbox {inbox!r} has no room for a message"
        service.run_until(watch, lambda: look().is_final, no_room)
    room = look()
    if room.callback_id is None:
        raise NoSuchOperationError(f"no message is accepted: {room.reason}:\n{service.result()}")
    service.emulator.readable_success(room.callback_id, payload)
