"""The client without await: in many threads, after a fork, at its end, and when it is interrupted."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.client.endpoints import Place, engine
from tests.client.shop import Order, Receipt, order

from durable_execution_sdk import ConfigError, DurableContext, DurableError, durable_execution
from durable_execution_sdk.client import DurableClient, SyncDurableClient
from durable_execution_sdk.client.synchronous.loop_thread import LoopThread
from durable_execution_sdk.testing import LocalDurableTestRunner


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with engine(tmp_path_factory.mktemp("engine")) as made:
        yield made


def test_many_threads_share_a_client(place: Place) -> None:
    with SyncDurableClient(place.url) as client, ThreadPoolExecutor(8) as threads:

        def buy(number: int) -> Receipt:
            return client.start(order, Order(f"A-{number}", number)).result()

        receipts = list(threads.map(buy, range(40)))
    assert receipts == [Receipt(f"A-{number}", number) for number in range(40)]


def test_a_closed_client_begins_anew(place: Place) -> None:
    client = SyncDurableClient(place.url)
    client.close()
    for number in (1, 2):
        assert client.start(order, Order("A", number)).result() == Receipt("A", number)
        client.close()
        client.close()
    assert not [each for each in threading.enumerate() if each.name == "durable-client"]


def test_it_works_where_a_loop_runs(place: Place) -> None:
    async def main() -> Receipt:
        with SyncDurableClient(place.url) as client:
            return client.start(order, Order("A", 1)).result()

    assert asyncio.run(main()) == Receipt("A", 1)


def test_a_client_outlives_its_event_loop(place: Place) -> None:
    client = DurableClient(place.url)

    async def buy(number: int) -> Receipt:
        return await (await client.start(order, Order("A", number))).result()

    assert [asyncio.run(buy(number)).paid for number in range(3)] == [0, 1, 2]
    asyncio.run(client.aclose())


def test_a_step_of_a_workflow_uses_either_client(place: Place) -> None:
    def buy(number: int) -> Receipt:
        with SyncDurableClient(place.url) as client:
            return client.start(order, Order("A", number)).result()

    async def buy_async(number: int) -> Receipt:
        async with DurableClient(place.url) as client:
            return await (await client.start(order, Order("A", number))).result()

    @durable_execution
    async def buyer(event: int, ctx: DurableContext) -> list[Receipt]:
        first = ctx.step(buy, event)
        second = ctx.step(buy_async, event + 1)
        return list(await ctx.all(first, second))

    result = LocalDurableTestRunner(buyer).run_sync(5).result
    assert result == [Receipt("A", 5), Receipt("A", 6)]


def test_calls_and_the_end_of_the_client_in_other_threads_do_not_hang(place: Place) -> None:
    client = SyncDurableClient(place.url)

    def ask(number: int) -> str:
        try:
            return client.start(order, Order("A", number)).name and "done"
        except DurableError as error:
            assert "the client was closed" in str(error)
            return "cancelled"

    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(ask, number) for number in range(60)]
        for _ in range(20):
            threads.submit(client.close).result()
        assert {each.result() for each in asked} <= {"done", "cancelled"}
    client.close()


def test_a_list_is_read_as_far_as_it_is_asked_for(place: Place) -> None:
    with SyncDurableClient(place.url) as client:
        made = {client.start(order, Order("A", number)).arn for number in range(3)}
        for handle in client.list(order):
            assert handle.listed is not None
            assert repr(handle) == f"<SyncExecutionHandle {handle.arn}>"
            assert handle.name
            break
        assert made <= {each.arn for each in client.list(order)}


def test_a_list_goes_on_after_the_end_of_the_client(place: Place) -> None:
    client = SyncDurableClient(place.url)
    for number in range(3):
        client.start(order, Order("A", number))
    whole = [each.arn for each in client.list(order)]
    read: list[str] = []
    for handle in client.list(order):
        read.append(handle.arn)
        client.close()
    assert read == whole
    client.close()


def test_a_client_refuses_to_work_after_a_fork(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SyncDurableClient(place.url) as client:
        handle = client.start(order, Order("A", 1))
        own = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: own + 1)
        with pytest.raises(ConfigError, match="before the process forked"):
            handle.result()
        monkeypatch.undo()
        assert handle.result() == Receipt("A", 1)


def test_the_end_of_the_client_cancels_the_calls_that_run() -> None:
    thread, began = LoopThread(), threading.Event()

    async def wait() -> None:
        began.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: thread.run(wait()))
        began.wait()
        thread.close()
        with pytest.raises(DurableError, match="the client was closed while this call ran"):
            waiting.result()


def test_two_threads_may_end_the_client_at_once() -> None:
    thread, began = LoopThread(), threading.Event()

    async def never_done() -> None:
        began.set()
        await asyncio.Event().wait()

    async def nothing() -> None:
        pass

    thread.run(nothing())
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(lambda: thread.close(never_done))
        began.wait()
        thread.close(nothing)
        assert closing.result() is None


def test_a_thread_that_cannot_begin_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = LoopThread()

    async def answer() -> int:
        return 3

    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="can't start new thread"):
            thread.run(answer())
        assert not thread.is_running
    thread.close()
    monkeypatch.undo()
    assert thread.run(answer()) == 3
    thread.close()


def test_a_client_that_is_not_closed_ends_its_thread_when_it_is_collected() -> None:
    thread = LoopThread()

    async def own_thread() -> threading.Thread:
        return threading.current_thread()

    served_by = thread.run(own_thread())
    assert served_by.is_alive()
    del thread
    gc.collect()
    served_by.join(60)
    assert not served_by.is_alive()


def test_an_interrupted_call_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    thread, began, ended = LoopThread(), threading.Event(), threading.Event()
    loop_runs = asyncio.run_coroutine_threadsafe

    async def wait() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    def interrupted(*args: object) -> object:
        future = loop_runs(*args)

        def result(timeout: float | None = None) -> None:
            began.wait()
            raise KeyboardInterrupt

        future.result = result
        return future

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        thread.run(wait())
    ended.wait()
    monkeypatch.undo()
    thread.close()


def test_a_client_without_calls_has_no_thread(tmp_path: Path) -> None:
    with SyncDurableClient("http://127.0.0.1:1"):
        assert not [each for each in threading.enumerate() if each.name == "durable-client"]
