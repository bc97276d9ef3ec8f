"""A web service, in FastAPI, that starts purchases, shows them, and answers their approvals by the typed client.

On this computer::

    durable dev examples/callbacks/approval_service/purchases.py
    AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:9014 AWS_REGION=us-east-1 \
        uvicorn --factory examples.callbacks.approval_service.app:from_environment

At AWS, ``PURCHASE_FUNCTION=purchase:live`` names the function, and the service needs permission for
``lambda:InvokeFunction``, ``lambda:ListDurableExecutionsByFunction``, ``lambda:GetDurableExecution``,
``lambda:GetDurableExecutionHistory`` and ``lambda:SendDurableExecutionCallbackSuccess``.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from examples.callbacks.approval_service.purchases import Approval, Decision, Purchase, purchase
from fastapi import FastAPI, HTTPException

from durable_execution_sdk import ServiceError
from durable_execution_sdk.client import AlreadyStartedError, DurableClient, ExecutionHandle


@dataclass(frozen=True)
class State:
    status: str
    waits_for_approval: bool = False
    decision: Decision | None = None


def from_environment() -> FastAPI:
    name = os.environ.get("PURCHASE_FUNCTION", "purchase:$LATEST")
    return create_api(DurableClient(functions={purchase: name}))


def create_api(client: DurableClient) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    api = FastAPI(lifespan=lifespan)

    async def found(number: str) -> ExecutionHandle[Decision]:
        try:
            return await client.execution(f"purchase-{number}", purchase)
        except ServiceError as error:
            if error.status != 404:
                raise
            raise HTTPException(404, f"there is no purchase {number}") from error

    @api.put("/purchases/{number}", status_code=202)
    async def start(number: str, body: Purchase) -> State:
        # A request that is sent twice starts one execution, because the name is the same.
        try:
            handle = await client.start(purchase, body, name=f"purchase-{number}")
        except AlreadyStartedError as error:
            raise HTTPException(409, f"purchase {number} is another one") from error
        return State(await handle.status())

    @api.get("/purchases/{number}")
    async def show(number: str) -> State:
        handle = await found(number)
        status = await handle.status()
        if status == "SUCCEEDED":
            return State(status, decision=await handle.result())
        return State(status, waits_for_approval=bool(await handle.callbacks("approval")))

    @api.post("/purchases/{number}/approval", status_code=202)
    async def approve(number: str, answer: Approval) -> State:
        handle = await found(number)
        waiting = await handle.callbacks("approval")
        if not waiting:
            raise HTTPException(409, f"purchase {number} does not wait for an approval")
        await waiting[0].succeed(answer)
        return State(await handle.status())

    return api
