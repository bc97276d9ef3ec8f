"""A webhook that comes twice is one payment; one with the same id and another content is refused."""

import asyncio

from examples.patterns.payment_webhook.app import Payment, fulfil, receive

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = Payment("e-1", "o-1", 500)


def test_a_webhook_that_comes_twice_is_one_payment(durable_runner):
    runner = durable_runner(fulfil)

    async def provider():
        async with runner.client() as client:
            assert await receive(client, EVENT) == 200
            assert await receive(client, EVENT) == 200
            assert await receive(client, Payment("e-1", "o-1", 501)) == 409
            [execution] = [each async for each in client.list(fulfil)]
            assert await execution.result() == "o-1 is on its way"

    asyncio.run(provider())


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(fulfil).run_sync(EVENT), "payment_webhook")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(fulfil, EVENT).raise_if_failed()
