"""Lower bound of a cold start: import asyncio and msgspec, and make one bare HTTP call."""

import asyncio
import json
import os
import socket
import sys

import msgspec


async def call(event: object) -> bytes:
    body = msgspec.json.encode({"CheckpointToken": "t", "Updates": []})
    with socket.create_connection(("127.0.0.1", int(os.environ["BENCH_PORT"]))) as line:
        line.sendall(
            b"POST /2025-12-01/durable-executions/x/checkpoint HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        return line.recv(65536)


if __name__ == "__main__":
    assert asyncio.run(call(json.load(sys.stdin))).startswith(b"HTTP/1.1 200")
    os._exit(0)  # Lambda's process goes on: to end it belongs to no cold start
