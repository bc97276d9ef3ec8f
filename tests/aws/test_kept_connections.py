"""Connections that are kept belong to a thread, and are not trusted after the process was frozen."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.aws.conftest import Answer, Clients, Loopback, Received
from tests.aws.test_outcomes import OK, LambdaContext, add, event

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.aws import Call, LambdaClient, channel, connection
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.protocol.data_plane import StatePage, StateRequest

THREADS = 4
SINGLE = Call(operation="GetDurableExecutionState", method="GET", path="/single")
NEXT = Call(operation="CheckpointDurableExecution", method="POST", path="/next", in_series=True)


def in_threads(run: Callable[[], None]) -> None:
    """Run a function in all threads, and raise what it raises in one of them."""
    errors: list[BaseException] = []

    def kept() -> None:
        try:
            run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=kept) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


async def called(client: LambdaClient) -> None:
    await client.call(NEXT)


@pytest.mark.parametrize("call", [SINGLE, NEXT], ids=["single", "series"])
def test_each_thread_keeps_its_own_connection(
    server: Loopback, client: LambdaClient, call: Call
) -> None:
    """The threads take turns, and none closes what another one has registered with its loop."""
    turn = threading.Barrier(THREADS)

    async def main() -> None:
        for _ in range(3):
            await client.call(call)
            turn.wait(5)

    in_threads(lambda: asyncio.run(main()))
    assert server.connections == THREADS
    assert len(server.requests) == 3 * THREADS


def test_invocations_in_threads_share_a_client(server: Loopback, clients: Clients) -> None:
    @durable_execution
    async def steps(event: int, ctx: DurableContext) -> int:
        return sum([await ctx.step(add, n, 1) for n in range(5)])

    server.usual = OK
    handler = steps.bind(LambdaDataPlane(clients(server.environ())))

    def run() -> None:
        for _ in range(2):
            assert handler(event(), LambdaContext())["Status"] == "SUCCEEDED"

    in_threads(run)
    assert server.connections == THREADS


class Pages(Loopback):
    """Serves a state of four pages."""

    most = 4

    def answer(self, request: Received) -> Answer:
        self.requests.append(request)
        number = int(request.target.partition("Marker=m")[2].partition("&")[0])
        more = {"NextMarker": f"m{number + 1}"} if number < self.most else {}
        return Answer.http(body=json.dumps({"Operations": [], **more}).encode())


@pytest.fixture
def pages() -> Iterator[Pages]:
    serving = Pages()
    yield serving
    serving.stop()


def test_pages_are_read_ahead_for_each_thread(pages: Pages, clients: Clients) -> None:
    """No page is requested twice, though the threads ask for theirs in turns."""

    @durable_execution
    async def nothing(event: int, ctx: DurableContext) -> int:
        return 1

    turn = threading.Barrier(THREADS)

    class Turns(LambdaDataPlane):
        async def get_state(self, request: StateRequest) -> StatePage:
            turn.wait(5)
            return await super().get_state(request)

    handler = nothing.bind(Turns(clients(pages.environ())))

    def run() -> None:
        first = event()
        first["InitialExecutionState"]["NextMarker"] = "m1"
        assert handler(first, LambdaContext())["Status"] == "SUCCEEDED"

    in_threads(run)
    assert len(pages.requests) == Pages.most * THREADS


def test_a_thread_that_ends_closes_its_connections(server: Loopback, client: LambdaClient) -> None:
    in_threads(lambda: asyncio.run(called(client)))
    gc.collect()
    server.wait_until_left()


def test_a_client_that_another_thread_closes_opens_new_connections(
    server: Loopback, client: LambdaClient
) -> None:
    async def main() -> None:
        await client.call(NEXT)
        await asyncio.to_thread(lambda: asyncio.run(client.aclose()))
        await client.call(NEXT)

    asyncio.run(main())
    assert server.connections == 2


def test_a_loop_that_goes_on_after_another_one_keeps_nothing_for_it(
    server: Loopback, client: LambdaClient
) -> None:
    """The first loop's call is answered after the second loop has called in the same thread."""
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        call = first.create_task(client.call(SINGLE))
        first.run_until_complete(asyncio.sleep(0))
        second.run_until_complete(client.call(SINGLE))
        first.run_until_complete(call)
        second.run_until_complete(client.call(SINGLE))
    finally:
        first.close()
        second.close()
    assert [request.connection for request in server.requests].count(1) == 1
    assert server.connections == 2


@pytest.mark.parametrize(("jump", "connections"), [(59.0, 1), (61.0, 2), (-3600.0, 1)])
def test_a_connection_is_as_old_as_the_date_says(
    server: Loopback,
    client: LambdaClient,
    monkeypatch: pytest.MonkeyPatch,
    jump: float,
    connections: int,
) -> None:
    """The monotonic clock of a frozen process may stand still; a date that is set back says nothing."""
    now = 1_767_225_600.0

    async def main() -> None:
        nonlocal now
        monkeypatch.setattr(connection, "_date", lambda: now)
        await client.call(NEXT)
        now += jump
        await client.call(NEXT)

    asyncio.run(main())
    assert server.connections == connections


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    server: Loopback, client: LambdaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such is an IPv6 address in a network without IPv6; here it is a server that accepts nothing."""
    monkeypatch.setattr(channel, "_ADDRESS_SECONDS", 0.05)
    with socket.socket() as silent:
        silent.bind((server.host, 0))
        silent.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(silent.getsockname())
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", address)
            for address in (silent.getsockname(), (server.host, server.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        assert asyncio.run(client.call(SINGLE)).body == b"{}"
        for other in waiting:
            other.close()
    assert server.connections == 1
