"""Requests and answers in several parts, none of which waits for a delayed acknowledgement."""

from __future__ import annotations

import json
import queue
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.server.server_rig import FUNCTION, ServerRig, invocations

from durable_execution_sdk.protocol.control_plane import InvokeRequest
from durable_execution_sdk.server import heads
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


class Answers:
    """A server with an execution whose description is larger than all buffers of a connection."""

    size = 5_000_000

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # True when the server begins to watch how a client takes its answer, or looks again; False at the end.
        self.watched: queue.Queue[bool] = queue.Queue()
        self._rig = ServerRig()
        self.server = serve(self._rig.driver)
        event = {"do": "add", "a": 1, "b": 2, "large": "x" * self.size}
        request = InvokeRequest(function_name=FUNCTION, payload=json.dumps(event).encode())
        arn = self._rig.emulator.start(request)
        path = f"/2025-12-01/durable-executions/{quote(arn, safe='')}"
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        watch = heads.BoundedHeads._watch_reader  # pyright: ignore[reportPrivateUsage]
        stop = heads.BoundedHeads._stop_watching  # pyright: ignore[reportPrivateUsage]

        def watched(connection: heads.BoundedHeads) -> None:
            watch(connection)
            self.watched.put(True)

        def stopped(connection: heads.BoundedHeads) -> None:
            stop(connection)
            self.watched.put(False)

        monkeypatch.setattr(heads, "ANSWER_SECONDS", 0.1)
        monkeypatch.setattr(heads.BoundedHeads, "_watch_reader", watched)
        monkeypatch.setattr(heads.BoundedHeads, "_stop_watching", stopped)

    def line(self) -> socket.socket:
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        line.settimeout(30)
        line.connect(("127.0.0.1", self.server.port))
        return line

    def close(self) -> None:
        self.server.close()
        self._rig.emulator.close()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    prepared = Answers(monkeypatch)
    yield prepared
    prepared.close()


def test_a_client_that_takes_no_answer_is_left_and_keeps_no_server_open(answers: Answers) -> None:
    with answers.line() as line:
        line.sendall(answers.request * 3)
        assert answers.watched.get(timeout=30)
        answers.server.close()
        taken = 0
        with suppress(ConnectionResetError):
            while data := line.recv(1 << 20):
                taken += len(data)
    assert taken < 3 * answers.size


def test_a_client_that_takes_an_answer_slowly_gets_all_of_it(answers: Answers) -> None:
    """A part of it each time the server looks, and no more."""
    with answers.line() as line:
        line.sendall(answers.request)
        taken, looks = 0, 0
        while answers.watched.get(timeout=30):
            looks += 1
            taken += read(line, min(1_000_000, answers.size - taken))
        read(line, answers.size - taken)
    assert looks > 1


def read(line: socket.socket, least: int) -> int:
    """Read at least so many bytes, and return their number."""
    count = 0
    while count < least:
        data = line.recv(1 << 16)
        assert data, "the server has cut the connection"
        count += len(data)
    return count
