"""Requests and answers in several parts, none of which waits for a delayed acknowledgement."""

from __future__ import annotations

import json
import queue
import socket
from collections.abc import Iterator

import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.server.server_rig import ServerRig, invocations

from durable_execution_sdk.server.http_server import Server, serve

BODY = json.dumps({"do": "add", "a": 1, "b": 2}).encode()


class Connections:
    """Options of the server's connections at the moment at which a request's head has come."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self.options: queue.Queue[tuple[bool, bool]] = queue.Queue()

    def note(self) -> None:
        assert self.server is not None
        [connection] = self.server._server.server_state.connections  # pyright: ignore[reportPrivateUsage]
        line = connection.transport.get_extra_info("socket")  # type: ignore[union-attr]
        quick = getattr(socket, "TCP_QUICKACK", socket.TCP_NODELAY)
        self.options.put(
            (
                bool(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
                bool(line.getsockopt(socket.IPPROTO_TCP, quick)),
            )
        )


class Noting:
    """Middleware that notes the options of the connection of each request."""

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        self._app = app
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._connections.note()
        await self._app(scope, receive, send)


@pytest.fixture
def connections() -> Iterator[Connections]:
    noted = Connections()
    rig = ServerRig()
    with serve(rig.driver, middleware=[Middleware(Noting, connections=noted)]) as server:
        noted.server = server
        yield noted
    rig.emulator.close()


@pytest.fixture
def line(connections: Connections) -> Iterator[socket.socket]:
    """Connect as a client does that leaves Nagle's algorithm on, as is the default."""
    assert connections.server is not None
    with socket.create_connection(("127.0.0.1", connections.server.port), timeout=30) as opened:
        yield opened


def head(*more: bytes) -> bytes:
    lines = [
        b"POST " + invocations().encode() + b" HTTP/1.1",
        b"Host: localhost",
        b"Content-Length: %d" % len(BODY),
        *more,
    ]
    return b"\r\n".join([*lines, b"", b""])


def answer(line: socket.socket) -> bytes:
    """Read an answer whose body is the JSON number 3."""
    received = b""
    while not received.endswith(b"\r\n\r\n3"):
        part = line.recv(65_536)
        assert part, received
        received += part
    return received


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux only")
def test_a_head_without_its_body_is_acknowledged_at_once_in_every_request(
    connections: Connections, line: socket.socket
) -> None:
    for _ in range(6):
        line.sendall(head())
        assert connections.options.get(timeout=30) == (True, True)
        line.sendall(BODY[:5])
        line.sendall(BODY[5:])
        assert answer(line).startswith(b"HTTP/1.1 200")


def test_a_client_that_asks_first_is_told_to_go_on(
    connections: Connections, line: socket.socket
) -> None:
    for _ in range(2):
        line.sendall(head(b"Expect: 100-continue"))
        assert connections.options.get(timeout=30)[0]
        interim = b""
        while not interim.endswith(b"\r\n\r\n"):
            part = line.recv(65_536)
            assert part, interim
            interim += part
        assert interim.startswith(b"HTTP/1.1 100 ")
        line.sendall(BODY[:5])
        line.sendall(BODY[5:])
        assert answer(line).startswith(b"HTTP/1.1 200")
