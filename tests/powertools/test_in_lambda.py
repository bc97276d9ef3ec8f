"""The first example of the page in AWS's own runtime interface client, in a process of its own."""

from __future__ import annotations

import http.client
import json
import re
from pathlib import Path
from typing import Any

from tests.docs.tables import DOCS
from tests.lambda_process.sandbox import Sandbox

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Function, Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.server.http_server import serve


def example() -> str:
    """Return the page's first block without its test."""
    text = (DOCS / "powertools.md").read_text(encoding="utf-8")
    block = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    return str(block).partition("\nassert ")[0]


def invoke(port: int, event: object) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    path = "/2015-03-31/functions/shop/invocations?Qualifier=%24LATEST"
    connection.request("POST", path, json.dumps(event))
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    assert answer.headers["X-Amz-Function-Error"] is None, body
    return body


def test_lines_come_once_and_carry_their_own_execution(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(example(), encoding="utf-8")
    functions = Functions()
    driver = Driver(Emulator(MemoryStore(), VirtualClock(), functions))
    log = tmp_path / "log"
    with (
        serve(driver, workers=1) as server,
        Sandbox(tmp_path, "app.handler", log=log, AWS_ENDPOINT_URL_LAMBDA=server.url) as sandbox,
    ):
        functions.add_function(
            Function(name="shop", durable=True, connect=lambda _: sandbox, timeout=60)
        )
        for order in ("A", "B"):
            assert invoke(server.port, {"id": order, "amount": 3}) == f"payment of {order}"
        lines = sandbox.lines()
        assert sandbox.starts == 1
    shown = [(line["order_id"], line["message"], line["cold_start"]) for line in lines]
    assert shown == [
        ("A", "charging", True),
        ("A", "shipping", False),
        ("B", "charging", False),
        ("B", "shipping", False),
    ]
    ids = [line["correlation_id"] for line in lines]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert ids == [line["durable_execution_arn"] for line in lines]
