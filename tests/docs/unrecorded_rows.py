"""Programs for the rows of the tables on effects that no log records: threads, sockets, clocks, files.

Programs of ``STEPS`` record each run. Programs of ``UNRECORDED`` read a world that changes between
invocations. Each program has its source code for `durable lint`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import random
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.to_thread

from durable_execution_sdk import DurableContext

IMPORTS = """
import anyio.to_thread, asyncio, loguru, os, random, requests, structlog, tenacity, threading, time, uuid
from datetime import datetime, UTC
from pathlib import Path
cache = {}
"""

Act = Callable[[list[int]], Awaitable[Any]]
Look = Callable[[DurableContext], Awaitable[Any]]
STEPS: dict[str, tuple[Act, str]] = {}
RECORDED: dict[str, Look] = {}
UNRECORDED: dict[str, tuple[Look, str]] = {}
UNORDERED: dict[str, tuple[Look, str]] = {}
LOST: dict[str, Look] = {}


def acts(row: str, source: str) -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        STEPS[row] = (act, source)
        return act

    return keep


def differs(row: str, source: str) -> Callable[[Look], Look]:
    def keep(look: Look) -> Look:
        UNRECORDED[row] = (look, source)
        return look

    return keep


def lost(row: str) -> Callable[[Look], Look]:
    def keep(look: Look) -> Look:
        LOST[row] = look
        return look

    return keep


def unordered(row: str, source: str) -> Callable[[Look], Look]:
    def keep(look: Look) -> Look:
        UNORDERED[row] = (look, source)
        return look

    return keep


def recorded(row: str) -> Callable[[Look], Look]:
    def keep(look: Look) -> Look:
        RECORDED[row] = look
        return look

    return keep


# Threads, sockets, processes


@acts("`asyncio.to_thread(...)`, `loop.run_in_executor(...)`", "await asyncio.to_thread(print)")
async def to_thread(runs: list[int]) -> None:
    await asyncio.to_thread(runs.append, 1)
    await asyncio.get_running_loop().run_in_executor(None, len, runs)


@acts("`anyio.to_thread.run_sync(...)`", "await anyio.to_thread.run_sync(print)")
async def anyio_thread(runs: list[int]) -> None:
    await anyio.to_thread.run_sync(runs.append, 1)


@acts(
    "a thread that sets a future, `asyncio.wrap_future(...)`",
    "threading.Thread(target=print).start()",
)
async def thread(runs: list[int]) -> None:
    made: concurrent.futures.Future[None] = concurrent.futures.Future()

    def work() -> None:
        runs.append(1)
        made.set_result(None)

    worker = threading.Thread(target=work)
    waits = asyncio.wrap_future(made)
    worker.start()
    worker.join()
    await waits


@acts(
    "a thread that sets an event, or starts a coroutine", "threading.Thread(target=print).start()"
)
async def thread_with_an_event(runs: list[int]) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def work() -> None:
        runs.append(1)
        loop.call_soon_threadsafe(done.set)

    worker = threading.Thread(target=work)
    worker.start()
    await done.wait()
    worker.join()


@acts("`asyncio.open_connection(...)`", "await asyncio.open_connection('example.org', 80)")
async def connection(runs: list[int]) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        theirs.sendall(b"x")
        runs.append(len(await reader.readexactly(1)))
        writer.close()
        await writer.wait_closed()


@acts("`asyncio.create_subprocess_exec(...)`", "await asyncio.create_subprocess_exec('true')")
async def subprocess(runs: list[int]) -> None:
    process = await asyncio.create_subprocess_exec("true")
    runs.append(1)
    assert await process.wait() == 0


# Values that workflow code may read


class OutsideValues:
    """Values outside the execution that change between invocations."""

    def __init__(self) -> None:
        self.turn = 0
        self.files = Path()
        self.kept: list[object] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self.files = Path(self._folder.name)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._folder is not None
        self._folder.cleanup()
        os.environ.pop("ROW", None)
        self.kept.clear()

    def move_on(self, turn: int) -> None:
        """Change all values."""
        self.turn = turn
        (self.files / f"{turn}.txt").write_text("x")
        (self.files / "state.txt").write_text(f"{turn}")
        os.environ["ROW"] = f"{turn}"


WORLD = OutsideValues()


@recorded("`ctx.now()`")
async def now(ctx: DurableContext) -> Any:
    return ctx.now()


@recorded("`ctx.random()`, `ctx.uuid4()`")
async def chance(ctx: DurableContext) -> Any:
    return ctx.random().random(), ctx.uuid4()


@recorded("`asyncio.get_running_loop().time()`")
async def loop_time(ctx: DurableContext) -> Any:
    return asyncio.get_running_loop().time()


@recorded("`for each in sorted({...})`")
async def sorted_set(ctx: DurableContext) -> Any:
    return [each for each in sorted({"a", "b", "c"})]  # noqa: C416 - the loop is what it is about


@differs("`datetime.now()`, `time.time()`", "now = datetime.now(UTC)")
async def clock(ctx: DurableContext) -> Any:
    return datetime.now(UTC), time.time(), time.perf_counter_ns()


@differs("`random.random()`, `uuid.uuid4()`", "n = random.random()")
async def dice(ctx: DurableContext) -> Any:
    return random.random(), uuid.uuid4()


@differs("`open(...)`, `Path.read_text()`", "text = Path('x').read_text()")
async def file(ctx: DurableContext) -> Any:
    return (WORLD.files / "state.txt").read_text()


@differs("`os.listdir(...)`, `glob.glob(...)`, `Path.iterdir()`", "names = os.listdir('.')")
async def folder(ctx: DurableContext) -> Any:
    return sorted(os.listdir(WORLD.files))


@differs("`os.environ`", "mode = os.environ['MODE']")
async def environment(ctx: DurableContext) -> Any:
    return os.environ["ROW"]


@differs("a global variable, a cache", "cache['n'] = 1")
async def memory(ctx: DurableContext) -> Any:
    WORLD.kept.append(1)
    return len(WORLD.kept)


@differs("`hash(...)`, `id(...)` of an object", "key = id(event)")
async def address(ctx: DurableContext) -> Any:
    WORLD.kept.append(object())
    return id(WORLD.kept[-1])


@differs("`for each in {...}`", "for each in {'a', 'b'}: print(each)")
async def order_of_a_set(ctx: DurableContext) -> Any:
    program = "print(list({'a', 'b', 'c', 'd', 'e'}))"
    process = await asyncio.to_thread(
        __import__("subprocess").run,
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": f"{WORLD.turn + 1}"},
        capture_output=True,
        check=True,
    )
    return process.stdout


@differs("`if ctx.is_replaying`", "name = 'a' if ctx.is_replaying else 'b'")
async def replaying(ctx: DurableContext) -> Any:
    return ctx.is_replaying


@differs("`requests.get(...)`, a query, a queue", "page = requests.get('x')")
async def network(ctx: DurableContext) -> Any:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(f"{WORLD.turn}".encode())
        return ours.recv(1)


@lost("a step that changes its argument, or a variable outside of it")
async def changes(ctx: DurableContext) -> Any:
    order: dict[str, int] = {}
    prices: list[int] = []

    async def add_price(order: dict[str, int]) -> None:
        order["price"] = 20
        prices.append(20)

    await ctx.step(add_price, order)
    return order, prices


@unordered(
    "`gather(*{...})` of coroutines", "await asyncio.gather(*{asyncio.sleep(n) for n in range(2)})"
)
async def gather_of_a_set(ctx: DurableContext) -> Any:
    async def work(number: int) -> tuple[int, int]:
        return number, await ctx.step(abs, number, name="work")

    coroutines = {work(number) for number in range(16)}
    WORLD.kept.append(
        coroutines
    )  # keeps their addresses occupied, so that the next invocation's differ
    return await asyncio.gather(*coroutines)
