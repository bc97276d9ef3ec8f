"""The web service starts purchases and answers their approvals, on the engine of a test and over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from examples.callbacks.approval_service.app import create_api
from examples.callbacks.approval_service.purchases import purchase

from durable_execution_sdk.client import DurableClient
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.server.http_server import serve
from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

CHAIR = {"item": "chair", "price": 400}
YES = {"approved": True, "by": "Ada"}


async def with_service(
    client: DurableClient, use: Callable[[httpx.AsyncClient], Awaitable[None]]
) -> None:
    api = create_api(client)
    transport = httpx.ASGITransport(api)
    async with (
        api.router.lifespan_context(api),
        httpx.AsyncClient(transport=transport, base_url="http://service") as web,
    ):
        await use(web)


def test_a_purchase_is_approved_in_a_test(durable_runner):
    runner = durable_runner(purchase)

    async def use(web: httpx.AsyncClient) -> None:
        assert (await web.put("/purchases/7", json=CHAIR)).status_code == 202
        assert (await web.post("/purchases/7/approval", json=YES)).status_code == 409
        await runner.wait_for_callback("approval")
        assert (await web.get("/purchases/7")).json()["waits_for_approval"] is True
        answered = await web.post("/purchases/7/approval", json=YES)
        assert answered.json()["status"] == "RUNNING"
        shown = await runner.complete()
        assert shown.result.reason == "approved by Ada"
        decided = (await web.get("/purchases/7")).json()
        assert decided["decision"] == {"is_ordered": True, "reason": "approved by Ada"}

    asyncio.run(with_service(runner.client(), use))


def test_nobody_answers_for_a_week(durable_runner):
    runner = durable_runner(purchase)

    async def use(web: httpx.AsyncClient) -> None:
        await web.put("/purchases/7", json=CHAIR)
        assert (await runner.advance(days=8)).is_done
        decided = (await web.get("/purchases/7")).json()
        assert decided["decision"]["reason"] == "nobody answered in a week"

    asyncio.run(with_service(runner.client(), use))


def test_the_same_request_twice_is_one_purchase(durable_runner):
    runner = durable_runner(purchase)

    async def use(web: httpx.AsyncClient) -> None:
        for _ in range(2):
            assert (await web.put("/purchases/7", json=CHAIR)).status_code == 202
        dearer = await web.put("/purchases/7", json=CHAIR | {"price": 500})
        assert dearer.status_code == 409
        assert (await web.get("/purchases/8")).status_code == 404
        assert (await web.put("/purchases/8", json={"item": "pen"})).status_code == 422

    asyncio.run(with_service(runner.client(), use))


def test_a_purchase_is_approved_over_http():
    functions = Functions()
    functions.add_durable("purchase", purchase.bind)
    driver = Driver(Emulator(MemoryStore(), RealClock(), functions))

    async def use(web: httpx.AsyncClient) -> None:
        await web.put("/purchases/7", json=CHAIR)
        while not (await web.get("/purchases/7")).json()["waits_for_approval"]:
            pass
        await web.post("/purchases/7/approval", json=YES | {"approved": False})
        while (state := (await web.get("/purchases/7")).json())["status"] == "RUNNING":
            pass
        assert state["decision"] == {"is_ordered": False, "reason": "refused by Ada"}

    with serve(driver) as server:
        asyncio.run(with_service(DurableClient(server.url), use))


def approve(runner):
    runner.sync.start(CHAIR)
    runner.sync.wait_for_callback("approval").succeed(YES)
    return runner.sync.complete()


def test_it_does_what_it_did(durable_runner):
    assert_history(approve(durable_runner(purchase)), "approval_service")


def test_a_crash_anywhere_does_no_harm(durable_runner):
    check_crash_safety_sync(durable_runner(purchase), play=approve).raise_if_failed()
