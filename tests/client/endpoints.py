"""The endpoints that one suite of tests of the client runs against, and the table of their gaps."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from tests.aws_emulator.local_runner import local_runner
from tests.cli.process import running
from tests.client import shop

from durable_execution_sdk.client import DurableClient, ExecutionHandle, FunctionRef
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.server.http_server import serve

R = TypeVar("R")

ORDERS = FunctionRef("order:$LATEST", input=shop.Order, output=shop.Receipt)
COUNTS = FunctionRef("counts:$LATEST", handler=shop.counts)
ASKS = FunctionRef("asks:$LATEST", handler=shop.asks)
DESK = FunctionRef("desk:$LATEST", handler=shop.desk)

LACKS: dict[str, dict[str, str]] = {
    "engine": {},
    "durable dev": {},
    "AWS's emulator": {
        "start": "has no Invoke: executions begin by its own route, and `client.execution(arn, ...)` takes them over",
        "pause, resume": "has neither",
        "names in ARNs": "has ARNs of a form of its own, without the name of the execution",
        "listing by version": "takes the version for a part of the function's name",
        "listing by time": "takes the times of the API, which are in ISO 8601, for seconds since the epoch",
        "listing by several statuses": "looks at the first of them",
        "newest first": "lists the oldest first, and reverses that",
        "error of a stop": "records one of its own",
    },
}
"""The parts of the API that an endpoint lacks, with the way in which it differs; ``docs/client.md`` has them too."""


@dataclass
class Place:
    """A running endpoint."""

    kind: str
    url: str
    client: Callable[[], DurableClient]

    def lacks(self, part: str) -> bool:
        return part in LACKS[self.kind]

    async def start(
        self, client: DurableClient, ref: FunctionRef[Any, R], event: Any, name: str
    ) -> ExecutionHandle[R]:
        """Start an execution by the client, or by the endpoint's own route if it lacks Invoke."""
        if not self.lacks("start"):
            return await client.start(ref, event, name=name)
        return await client.execution(_by_own_route(self.url, ref.name, event, name), ref)


def _by_own_route(url: str, function: str, event: Any, name: str) -> str:
    body = {
        "AccountId": "123456789012",
        "FunctionName": function.partition(":")[0],
        "FunctionQualifier": "$LATEST",
        "ExecutionName": name,
        "ExecutionTimeoutSeconds": 3_600,
        "ExecutionRetentionPeriodDays": 1,
        "InvocationId": os.urandom(8).hex(),
        "Input": msgspec.json.encode(event).decode(),
    }
    request = urllib.request.Request(
        f"{url}/start-durable-execution",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        arn: str = json.loads(answer.read())["ExecutionArn"]
        return arn


@contextmanager
def engine(folder: Path) -> Iterator[Place]:
    """Serve the engine over HTTP in this process, on the real clock."""
    functions = Functions()
    functions.add_durable("order", shop.order.bind)
    functions.add_durable("asks", shop.asks.bind)
    functions.add_durable("counts", shop.counts.bind)
    functions.add_durable("desk", shop.desk.bind)
    functions.add_plain("plain", lambda event, context: event)
    driver = Driver(Emulator(MemoryStore(), RealClock(), functions))
    with serve(driver) as server:
        yield Place("engine", server.url, lambda: DurableClient(server.url))


@contextmanager
def durable_dev(folder: Path) -> Iterator[Place]:
    """Run `durable dev` as a process; clients find it by the file beside its store."""
    shutil.copy(shop.__file__, folder / "shop.py")
    store = folder / ".durable" / "executions.db"
    with running(folder, "dev", "shop.py", "--port", "0") as server:
        server.until("start one with")
        yield Place("durable dev", "", lambda: DurableClient.for_dev_server(store))


@contextmanager
def aws_emulator(folder: Path) -> Iterator[Place]:
    """Run AWS's emulator as a process."""
    handlers = {"order": shop.order, "asks": shop.asks, "desk": shop.desk}
    with local_runner(handlers, folder / "log") as runner:
        yield Place("AWS's emulator", runner.url, lambda: DurableClient(runner.url))


MAKERS: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "engine": engine,
    "durable dev": durable_dev,
    "AWS's emulator": aws_emulator,
}
