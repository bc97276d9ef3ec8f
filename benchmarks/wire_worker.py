"""One invocation as Lambda makes it, in a process of its own, with the SDK's default client.

    PYTHON benchmarks/wire_worker.py SDK WORKLOAD

Reads the event from standard input, and prints the outcome. Instead of an SDK, ``blocking`` and ``asyncio``
are the floors: as many calls as the event says, with as many bytes as a step, over a bare socket.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

_STEP = {"Id": "a" * 64, "Type": "STEP", "SubType": "Step", "Name": "add_async"}
_UPDATES = [_STEP | {"Action": "START"}, _STEP | {"Action": "SUCCEED", "Payload": "1"}]
_BODY = json.dumps({"CheckpointToken": "t" * 80, "Updates": _UPDATES, "ClientToken": "c" * 34})
REQUEST = (
    f"POST /{'p' * 160}/checkpoint HTTP/1.1\r\nX: {'h' * 620}\r\nContent-Length: {len(_BODY)}"
    f"\r\n\r\n{_BODY}"
).encode()
"""As long as the request of a step that is signed without a session token."""


class LambdaContext:
    """The members of Lambda's context object that the SDKs use."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench:$LATEST"
    function_name = "bench"
    tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def blocking(port: int, count: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            line.sendall(REQUEST)
            line.recv(65536)


async def on_a_loop(port: int, count: int) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as line:
        line.settimeout(0)
        await loop.sock_connect(line, ("127.0.0.1", port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            await loop.sock_sendall(line, REQUEST)
            await loop.sock_recv(line, 65536)


def main() -> None:
    sdk, workload = sys.argv[1:]
    event = json.load(sys.stdin)
    if sdk == "blocking":
        blocking(int(os.environ["BENCH_PORT"]), event)
    elif sdk == "asyncio":
        asyncio.run(on_a_loop(int(os.environ["BENCH_PORT"]), event))
    else:
        handler = importlib.import_module(f"benchmarks.adapters.{sdk}").over_http(workload)
        print(json.dumps(handler(event, LambdaContext())))


if __name__ == "__main__":
    main()
