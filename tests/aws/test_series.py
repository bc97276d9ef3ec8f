"""A connection that serves one call after the other of a task: registered for as long as the task lives."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.aws.conftest import Answer, Clients, Loopback
from tests.aws.test_outcomes import OK, LambdaContext, event

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.aws import Call, LambdaClient
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.call_timing import Backoff, Patience
from durable_execution_sdk.errors import InvocationError, ServiceError
from durable_execution_sdk.runtime.event_loop.environment import environment

NEXT = Call(operation="CheckpointDurableExecution", method="POST", path="/next", in_series=True)
SINGLE = Call(operation="GetDurableExecutionState", method="GET", path="/single")


def watched(loop: asyncio.AbstractEventLoop) -> int:
    """Return the number of sockets that the loop watches, and timers that it keeps, besides its own socket."""
    selector: Any = getattr(loop, "_selector")
    timers = [timer for timer in getattr(loop, "_scheduled") if not timer.cancelled()]
    return len(selector.get_map()) - 1 + len(timers)


def test_a_series_registers_once_and_leaves_with_its_task(
    server: Loopback, client: LambdaClient
) -> None:
    async def series() -> int:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            await client.call(NEXT)
            assert watched(loop) == 2
        return watched(loop)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.create_task(series())
        await asyncio.sleep(0)
        assert watched(loop) == 0
        await asyncio.create_task(series())
        await client.call(SINGLE)
        assert watched(loop) == 0

    asyncio.run(main())
    assert server.connections == 1


def test_a_single_call_leaves_nothing_registered(server: Loopback, client: LambdaClient) -> None:
    async def main() -> None:
        await client.call(NEXT)
        await client.call(SINGLE)
        assert watched(asyncio.get_running_loop()) == 0
        await client.call(NEXT)

    asyncio.run(main())
    assert server.connections == 1


def test_a_series_that_takes_over_a_connection_keeps_it_when_the_other_task_ends(
    server: Loopback, client: LambdaClient
) -> None:
    async def main() -> None:
        first_was_answered, first_may_end = asyncio.Event(), asyncio.Event()

        async def first() -> None:
            await client.call(NEXT)
            first_was_answered.set()
            await first_may_end.wait()

        task = asyncio.create_task(first())
        await first_was_answered.wait()
        await client.call(NEXT)
        first_may_end.set()
        await task
        await asyncio.sleep(0)
        assert watched(asyncio.get_running_loop()) == 2
        await client.call(NEXT)

    asyncio.run(main())
    assert server.connections == 1


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("turns", [0, 3])
def test_a_connection_that_the_peer_closes_between_two_calls_is_replaced(
    server: Loopback, client: LambdaClient, reset: bool, turns: int
) -> None:
    async def main() -> None:
        await client.call(NEXT)
        server.hang_up(reset=reset)
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns:
            assert watched(asyncio.get_running_loop()) == 0
        await client.call(NEXT)

    asyncio.run(main())
    assert server.connections == 2
    assert len(server.requests) == 2


@pytest.mark.parametrize("turns", [0, 3])
def test_unasked_bytes_between_two_calls_are_not_taken_for_an_answer(
    server: Loopback, client: LambdaClient, turns: int
) -> None:
    async def main() -> None:
        await client.call(NEXT)
        server.say(Answer.http(body=b'"stray"').raw)
        for _ in range(turns):
            await asyncio.sleep(0)
        assert (await client.call(NEXT)).body == b"{}"

    asyncio.run(main())
    assert server.connections == 2


def test_each_call_of_a_series_has_its_own_time(server: Loopback, clients: Clients) -> None:
    """The timer of the first call goes on; the second one is cut when its own time is over, not earlier."""
    client = clients(server.environ(), patience=Patience(answer=0.2))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await client.call(NEXT)
        server.answers.append(Answer())
        began = loop.time()
        await client.call(NEXT)
        assert 0.2 <= loop.time() - began < 2.0

    asyncio.run(main())
    assert server.connections == 2


def test_a_shorter_time_than_that_of_the_call_before_holds(
    server: Loopback, client: LambdaClient
) -> None:
    async def main() -> None:
        await client.call(NEXT)
        server.usual = Answer()
        once = Call(operation="X", method="POST", path="/x", in_series=True, answer_within=0.05)
        with pytest.raises(ServiceError, match=r"within 0.05 s"):
            await client.call(once)
        assert watched(asyncio.get_running_loop()) == 0

    asyncio.run(main())


def test_a_single_call_that_takes_over_from_a_series_has_its_own_time(
    server: Loopback, clients: Clients
) -> None:
    """The timer of the series rings first, and is set anew."""
    client = clients(server.environ(), patience=Patience(answer=0.05), backoff=Backoff(attempts=1))
    single = Call(operation="X", method="GET", path="/x", answer_within=0.2)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await client.call(NEXT)
        server.usual = Answer()
        began = loop.time()
        with pytest.raises(ServiceError, match=r"within 0.2 s"):
            await client.call(single)
        assert loop.time() - began >= 0.2

    asyncio.run(main())
    assert server.connections == 1


def test_a_cancelled_call_of_a_series_leaves_nothing(
    server: Loopback, client: LambdaClient
) -> None:
    async def main() -> None:
        await client.call(NEXT)
        server.answers.append(Answer())
        server.together = threading.Barrier(2)
        call = asyncio.create_task(client.call(NEXT))
        await asyncio.to_thread(server.together.wait, 5)
        server.together = threading.Barrier(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert watched(asyncio.get_running_loop()) == 0
        await client.call(NEXT)

    asyncio.run(main())
    assert server.connections == 2


async def add(one: int, other: int) -> int:
    return one + other


@durable_execution
async def steps(event: int, ctx: DurableContext) -> int:
    return sum([await ctx.step(add, n, event) for n in range(3)])


@durable_execution
async def failing(event: int, ctx: DurableContext) -> int:
    await ctx.step(add, event, 1)
    raise ValueError("as it must")


@pytest.mark.parametrize(
    ("handler", "answered", "outcome"),
    [(steps, 3, "SUCCEEDED"), (failing, 1, "FAILED"), (steps, 2, "cut")],
    ids=["succeeds", "fails", "is cut"],
)
def test_nothing_is_registered_after_an_invocation(
    server: Loopback, clients: Clients, handler: Any, answered: int, outcome: str
) -> None:
    before = watched(environment().loop)
    server.answers.extend([OK] * answered)
    server.usual = Answer()
    bound = handler.bind(LambdaDataPlane(clients(server.environ())))
    try:
        found = bound(event(), LambdaContext(900 if outcome == "cut" else 10_000))["Status"]
    except InvocationError:
        found = "cut"
    assert found == outcome
    assert len(server.requests) == answered + (outcome == "cut")
    assert watched(environment().loop) == before


def test_a_frozen_process_replaces_its_connection_in_the_next_invocation(
    server: Loopback, clients: Clients
) -> None:
    """The service closes the idle connection meanwhile, and no callback of it runs in the next invocation."""
    server.usual = OK
    handler = steps.bind(LambdaDataPlane(clients(server.environ())))
    assert handler(event(), LambdaContext())["Status"] == "SUCCEEDED"
    server.hang_up()
    assert handler(event(), LambdaContext())["Status"] == "SUCCEEDED"
    assert server.connections == 2
    assert len(server.requests) == 6
