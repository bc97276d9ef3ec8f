"""Lower bounds for all SDKs: bare tasks, bare decoding, a bare HTTP call."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import socket
import time
from collections.abc import Callable
from typing import Any

import msgspec
from benchmarks.data import add
from benchmarks.service import Service

from durable_execution_sdk.protocol.data_plane import Invocation

timestamp = int
ROUND_TRIPS = 500


def version() -> str:
    return platform.python_version()


async def _add(a: int, b: int) -> int:
    return add(a, b)


async def _tasks(count: int) -> None:
    for i in range(count):
        await asyncio.create_task(_add(i, 1))


def _tasks_once(count: int) -> Callable[[], object]:
    return lambda: asyncio.run(_tasks(count))


def _decoding(state: str) -> Callable[[], object]:
    return lambda: msgspec.json.decode(state, type=Invocation)


def _round_trips(port: int) -> Callable[[], object]:
    request = (
        b"POST /2025-12-01/durable-executions/x/checkpoint HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )

    def work() -> None:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(ROUND_TRIPS):
                line.sendall(request)
                line.recv(65536)

    return work


def floor(cell: dict[str, Any], state: Callable[[Service, int], None]) -> dict[str, Any]:
    """Measure the lower bound of a cell; ``state(service, count)`` writes a log of steps."""
    if cell["floor"] == "tasks":
        work = _tasks_once(cell["count"])
    elif cell["floor"] == "decoding":
        service = Service()
        state(service, cell["count"])
        work = _decoding(json.dumps(service.event("1")))
    else:
        work = _round_trips(int(os.environ["BENCH_PORT"]))
    divisor = ROUND_TRIPS if cell["floor"] == "round trip" else 1
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {
        "cpu": (time.process_time() - cpu) / divisor,
        "wall": (time.perf_counter() - wall) / divisor,
    }
