from __future__ import annotations

import asyncio

import pytest
from tests.server.server_rig import ServerRig

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.server.execution_waiters import ExecutionWaiters


def test_everybody_who_waits_is_told_and_whoever_comes_late_is_told_at_once(
    server_rig: ServerRig,
) -> None:
    waiters = ExecutionWaiters(server_rig.emulator)
    arn = server_rig.begin({"do": "ask"})

    async def wait() -> list[bool]:
        waiting = [asyncio.ensure_future(waiters.wait(arn, seconds=60)) for _ in range(3)]
        await asyncio.to_thread(server_rig.emulator.stop, arn)
        return [*await asyncio.gather(*waiting), await waiters.wait(arn, seconds=60)]

    assert asyncio.run(wait()) == [True] * 4


def test_nobody_waits_for_ever(server_rig: ServerRig) -> None:
    waiters = ExecutionWaiters(server_rig.emulator)
    arn = server_rig.begin({"do": "ask"})

    async def wait() -> list[bool]:
        patient = asyncio.ensure_future(waiters.wait(arn, seconds=60))
        impatient = await waiters.wait(arn, seconds=0)
        await asyncio.to_thread(server_rig.emulator.stop, arn)
        return [impatient, await patient]

    assert asyncio.run(wait()) == [False, True]


def test_what_happens_to_other_executions_tells_nobody(server_rig: ServerRig) -> None:
    waiters = ExecutionWaiters(server_rig.emulator)
    asked, other = server_rig.begin({"do": "ask"}), server_rig.begin({"do": "ask"})

    async def wait() -> bool:
        waiting = asyncio.ensure_future(waiters.wait(asked, seconds=60))
        await asyncio.to_thread(server_rig.emulator.stop, other)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await waiters.wait(other, seconds=60)

    assert asyncio.run(wait())


def test_once_closed_it_sends_everybody_away(server_rig: ServerRig) -> None:
    waiters = ExecutionWaiters(server_rig.emulator)
    arn = server_rig.begin({"do": "ask"})

    async def wait() -> None:
        waiting = asyncio.ensure_future(waiters.wait(arn, seconds=60))
        await asyncio.sleep(0)
        waiters.close()
        waiters.close()
        for each in (waiting, waiters.wait(arn, seconds=60)):
            with pytest.raises(ServiceError, match="shutting down") as raised:
                await each
            assert raised.value.status == 503

    asyncio.run(wait())
