"""The page shows each phase as it comes."""

import asyncio

from examples.patterns.pizza_tracker.app import order_pizza

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)


def play(runner):
    runner.sync.start("a Margherita")
    runner.sync.wait_for_callback("baked").succeed("Enzo")
    return runner.sync.complete()


def test_the_page_shows_each_phase(durable_runner):
    runner = durable_runner(order_pizza)

    async def page():
        async with runner.client() as client:
            order = await client.start(order_pizza, "a Margherita")
            baked = await runner.wait_for_callback("baked")
            assert await order.custom_status() == "in the kitchen"
            await baked.succeed("Enzo")
            await runner.advance(minutes=10)
            assert await order.custom_status() == {"phase": "on the road", "rider": "Enzo"}
            assert await order.result() == "Enzo has delivered a Margherita"
            assert await order.custom_status() == "delivered"

    asyncio.run(page())


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(order_pizza)), "pizza_tracker")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(order_pizza), play=play, max_points=20
    ).raise_if_failed()
