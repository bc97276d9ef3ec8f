"""Functions of one server that call one another, and wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.server.server_rig import ServerRig

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.server.http_server import Server, serve


@pytest.mark.slow
def test_functions_that_wait_for_functions_do_not_use_up_the_threads(
    clients: Callable[[Server], Any],
) -> None:
    rig = ServerRig()
    holder: list[Any] = []

    @durable_execution
    async def nested(depth: int, ctx: DurableContext) -> int:
        return depth if depth == 4 else await ctx.step(ask, depth + 1, name="ask")

    def ask(depth: int) -> Any:
        response = holder[0].invoke(
            FunctionName="nested:$LATEST", Payload=json.dumps(depth).encode()
        )
        return json.loads(response["Payload"].read())

    rig.driver.emulator.functions.add_durable("nested", nested.bind)
    with serve(rig.driver, workers=2) as server, ThreadPoolExecutor(4) as threads:
        holder.append(clients(server))
        assert list(threads.map(ask, [1, 1, 1, 1])) == [4, 4, 4, 4]
