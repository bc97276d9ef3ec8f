"""The service over HTTP on loopback, for measuring the SDKs' default clients.

    python benchmarks/endpoint.py

Prints its port, and serves until its standard input is closed. It supports only the part of HTTP that
these clients use.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.service import Service


class Connection(asyncio.Protocol):
    """A persistent connection: responds to checkpoints, and to other requests with an empty object."""

    def __init__(self) -> None:
        self._pending = b""
        self._service = Service(timestamp=lambda milliseconds: milliseconds / 1000)
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head = self._pending[:end].lower()
            _, name, value = head.partition(b"content-length:")
            length = int(value.split(b"\r\n", 1)[0]) if name else 0
            if len(self._pending) < end + 4 + length:
                return
            body = self._pending[end + 4 : end + 4 + length]
            self._pending = self._pending[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        answer: Any = {}
        if b"/checkpoint " in head.split(b"\r\n", 1)[0]:
            answer = self._service.checkpoint(json.loads(body).get("Updates") or [])
        payload = json.dumps(answer).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(payload), payload)
        )


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
