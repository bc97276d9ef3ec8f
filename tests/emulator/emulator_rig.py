"""Executions with handlers that use wire JSON directly, without the SDK.

A handler is a coroutine function of an ``Invoked``, which holds the operations and sends updates. Time
is virtual, so nothing here takes real time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.emulator.functions.invokers import Handler
from durable_execution_sdk.emulator.functions.registry import Bind, Functions
from durable_execution_sdk.emulator.stores.store import Store
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.control_plane import (
    HistoryRequest,
    InvocationType,
    InvokeRequest,
)
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    Outcome,
    OutcomeStatus,
    StateRequest,
)
from durable_execution_sdk.protocol.operations import Operation, OperationType, OperationTypeName
from durable_execution_sdk.protocol.updates import (
    CallbackOptions,
    ChainedInvokeOptions,
    OperationAction,
    OperationActionName,
    OperationUpdate,
    WaitOptions,
)

DAY = 86_400
PENDING = Outcome(status=OutcomeStatus.PENDING)


def succeeded(result: object) -> Outcome:
    return Outcome(status=OutcomeStatus.SUCCEEDED, result=json.dumps(result))


class Invoked:
    """One invocation of a handler written without the SDK."""

    def __init__(self, plane: DataPlane, event: Any, context: Any) -> None:
        invocation = codec.decode_invocation(event)
        self.plane = plane
        self.context = context
        self.arn = invocation.durable_execution_arn
        self.token: str | None = invocation.checkpoint_token
        self.marker = invocation.initial_execution_state.next_marker
        self.updated = invocation.updated_operation_ids or []
        self.operations: dict[str, Operation] = {}
        self.merge(invocation.initial_execution_state.operations)

    def merge(self, operations: list[Operation]) -> None:
        self.operations.update({operation.id: operation for operation in operations})

    @property
    def input(self) -> Any:
        details = self.operations[self.arn.rpartition("/")[2]].execution_details
        assert details is not None and details.input_payload is not None
        return json.loads(details.input_payload)

    def status(self, operation_id: str) -> str | None:
        operation = self.operations.get(operation_id)
        return None if operation is None else operation.status

    async def read_all_pages(self) -> int:
        pages = 1
        while self.marker:
            assert self.token is not None
            page = await self.plane.get_state(
                StateRequest(
                    durable_execution_arn=self.arn,
                    checkpoint_token=self.token,
                    marker=self.marker,
                    max_items=3,
                )
            )
            pages += 1
            self.merge(page.operations)
            self.marker = page.next_marker
        return pages

    async def send(self, *updates: OperationUpdate) -> None:
        assert self.token is not None
        response = await self.plane.checkpoint(
            CheckpointRequest(
                durable_execution_arn=self.arn,
                checkpoint_token=self.token,
                updates=list(updates),
            )
        )
        self.token = response.checkpoint_token
        self.merge(response.operations)

    async def step(self, operation_id: str, body: Callable[[], object]) -> Any:
        """Run a step as an SDK does, and return its result."""
        operation = self.operations.get(operation_id)
        if operation is not None and operation.status == "SUCCEEDED":
            details = operation.step_details
            assert details is not None and details.result is not None
            return json.loads(details.result)
        value = json.dumps(body())
        await self.send(
            update(operation_id, OperationType.STEP, OperationAction.START),
            update(operation_id, OperationType.STEP, OperationAction.SUCCEED, payload=value),
        )
        return json.loads(value)

    async def wait(self, operation_id: str, seconds: int) -> bool:
        """Start a wait unless started; return True once it is over."""
        if operation_id not in self.operations:
            await self.send(
                update(
                    operation_id,
                    OperationType.WAIT,
                    OperationAction.START,
                    wait_options=WaitOptions(wait_seconds=seconds),
                )
            )
        return self.status(operation_id) == "SUCCEEDED"

    async def callback(self, operation_id: str, **options: int) -> Operation:
        """Start a callback unless started; return its operation."""
        if operation_id not in self.operations:
            await self.send(
                update(
                    operation_id,
                    OperationType.CALLBACK,
                    OperationAction.START,
                    callback_options=CallbackOptions(**options),
                )
            )
        return self.operations[operation_id]

    async def invoke(self, operation_id: str, function: str, payload: object = None) -> Operation:
        """Start a chained invoke unless started; return its operation."""
        if operation_id not in self.operations:
            await self.send(
                update(
                    operation_id,
                    OperationType.CHAINED_INVOKE,
                    OperationAction.START,
                    payload=json.dumps(payload),
                    chained_invoke_options=ChainedInvokeOptions(function_name=function),
                )
            )
        return self.operations[operation_id]


def update(
    operation_id: str, type_: OperationTypeName, action: OperationActionName, **members: Any
) -> OperationUpdate:
    return OperationUpdate(id=operation_id, type=type_, action=action, **members)


Workflow = Callable[[Invoked], Awaitable[Outcome]]


def bound(workflow: Workflow) -> Bind:
    def bind(plane: DataPlane) -> Handler:
        def handler(event: Any, context: Any) -> Any:
            async def main() -> Outcome:
                return await workflow(Invoked(plane, event, context))

            return codec.encode_outcome(asyncio.run(main()))

        return handler

    return bind


def returns(value: object) -> Handler:
    """Return a plain handler with a constant result."""

    def handler(_: Any, __: Any) -> object:
        return value

    return handler


class EmulatorRig:
    """An emulator on a virtual clock, with a driver."""

    def __init__(
        self, store: Store, limits: Limits = DEFAULT_LIMITS, wrappers: Wrappers | None = None
    ):
        self.clock = VirtualClock()
        self.functions = Functions()
        self.emulator = Emulator(store, self.clock, self.functions, limits=limits)
        self.driver = Driver(self.emulator, wrappers=wrappers)

    def add(self, name: str, workflow: Workflow, **options: Any) -> None:
        self.functions.add_durable(name, bound(workflow), **options)

    def start(self, name: str = "f", payload: object = None, **members: Any) -> str:
        return self.emulator.start(
            InvokeRequest(
                function_name=f"{name}:$LATEST",
                payload=json.dumps(payload).encode(),
                invocation_type=InvocationType.EVENT,
                **members,
            )
        )

    def run(self, arn: str) -> Ending:
        return self.driver.run_until_closed(arn)

    def status(self, arn: str) -> str:
        return self.emulator.describe(arn).status

    def result(self, arn: str) -> Any:
        description = self.emulator.describe(arn)
        assert description.status == "SUCCEEDED", description
        return json.loads(description.result or "null")

    def history(self, arn: str) -> list[str]:
        page = self.emulator.history(HistoryRequest(durable_execution_arn=arn, max_items=1_000))
        return [event.event_type for event in page.events]

    def callback_id(self, arn: str, operation_id: str = "cb") -> str:
        operations = {operation.id: operation for operation in self.emulator.operations(arn)}
        details = operations[operation_id].callback_details
        assert details is not None
        assert details.callback_id is not None
        return details.callback_id


async def waits(run: Invoked) -> Outcome:
    if not await run.wait("w", 60):
        return PENDING
    return succeeded("waited")


async def calls_back(run: Invoked) -> Outcome:
    callback = await run.callback("cb")
    if callback.status == "STARTED":
        return PENDING
    details = callback.callback_details
    assert details is not None
    if details.error is not None:
        return Outcome(status=OutcomeStatus.FAILED, error=details.error)
    return succeeded(details.result)
