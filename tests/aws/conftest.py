"""A server on loopback with scripted responses, which records the requests."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.call_timing import Backoff, Patience, Timing

CERTIFICATE = Path(__file__).parent / "data" / "loopback.cert.pem"
KEY_AND_CERTIFICATE = Path(__file__).parent / "data" / "loopback.pem"


@dataclass(frozen=True, kw_only=True)
class Received:
    """A received request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Response bytes for one request; without any the client waits.

    ``then_unwrap`` sends TLS's closing message before the connection is closed.
    """

    raw: bytes = b""
    then_close: bool = False
    then_unwrap: bool = False

    @classmethod
    def http(cls, status: int = 200, body: bytes = b"{}", **headers: str) -> Answer:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} Whatever\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        return cls(raw=head.encode("latin-1") + body)


class Loopback:
    """The server: sends ``answers`` one after the other, then always ``usual``.

    It receives ``together`` requests before it responds to the first. ``refusal``, if set, is sent before
    the body of a request is read.
    """

    host = "127.0.0.1"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: deque[Answer] = deque()
        self.usual = Answer.http()
        self.requests: list[Received] = []
        self.connections = 0
        self.together = threading.Barrier(1)
        self.refusal: Answer | None = None
        self._tls = tls
        self._lines: list[_Line] = []
        self._listening = socket.create_server((self.host, 0))
        self._wake, self._waker = socket.socketpair()
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def hang_up(self, *, reset: bool = False) -> None:
        """Close all open connections, and wait until they are closed."""
        lines, self._lines = self._lines, []
        for line in lines:
            line.hang_up(reset=reset)

    def wait_until_left(self) -> None:
        """Wait until the clients have closed all connections."""
        for line in self._lines:
            line.wait_until_left()

    def say(self, raw: bytes, *, in_the_clear: bool = False) -> None:
        """Send unrequested bytes on all open connections; ``in_the_clear`` bypasses TLS."""
        for line in self._lines:
            line.say(raw, in_the_clear=in_the_clear)

    def stop(self) -> None:
        """Stop listening, and close all connections."""
        self._waker.send(b"x")
        self._thread.join()
        self.hang_up()
        for closing in (self._listening, self._wake, self._waker):
            closing.close()

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a process that calls this server."""
        return {
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ENDPOINT_URL_LAMBDA": f"http://{self.host}:{self.port}",
            **more,
        }

    def answer(self, request: Received) -> Answer:
        """Return the next response."""
        self.requests.append(request)
        self.together.wait(5)
        return self.answers.popleft() if self.answers else self.usual

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listening, self._wake], [], [])
            if self._wake in ready:
                return
            sock, _ = self._listening.accept()
            for closed_lines in [line for line in self._lines if not line.is_open]:
                self._lines.remove(closed_lines)
                closed_lines.hang_up(reset=False)
            self.connections += 1
            line = _Line(self, sock, self._tls, self.connections)
            self._lines.append(line)
            line.start()


class _Line:
    """A connection, served in its own thread."""

    def __init__(
        self, server: Loopback, sock: socket.socket, tls: ssl.SSLContext | None, number: int
    ) -> None:
        self._server = server
        self._number = number
        self._wake, self._waker = socket.socketpair()
        self._reset = False
        self._socket = sock
        self._tls = tls
        self._thread = threading.Thread(target=self._run)

    @property
    def is_open(self) -> bool:
        return self._thread.is_alive()

    def say(self, raw: bytes, *, in_the_clear: bool) -> None:
        if in_the_clear:
            socket.socket.sendall(self._socket, raw)
        else:
            self._socket.sendall(raw)

    def start(self) -> None:
        self._thread.start()

    def wait_until_left(self) -> None:
        self._thread.join(5)
        assert not self.is_open

    def hang_up(self, *, reset: bool) -> None:
        self._reset = reset
        self._waker.send(b"x")
        self._thread.join()
        self._wake.close()
        self._waker.close()

    def _run(self) -> None:
        try:
            if self._tls is not None:
                self._socket = self._tls.wrap_socket(self._socket, server_side=True)
            self._serve(self._socket)
        except OSError:
            pass
        finally:
            if self._reset:
                linger = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._socket.close()

    def _serve(self, sock: socket.socket) -> None:
        pending = b""
        while True:
            head_end = pending.find(b"\r\n\r\n") + 4
            if head_end >= 4:
                head = pending[:head_end].decode("latin-1")
                length = int(_headers(head).get("content-length", "0"))
                if len(pending) >= head_end + length:
                    body = pending[head_end : head_end + length]
                    pending = pending[head_end + length :]
                    if not self._reply(sock, head, body):
                        return
                    continue
                if self._server.refusal is not None:
                    sock.sendall(self._server.refusal.raw)
                    return
            ready, _, _ = select.select([sock, self._wake], [], [])
            if self._wake in ready:
                return
            chunk = sock.recv(1 << 20)
            if not chunk:
                return
            pending += chunk

    def _reply(self, sock: socket.socket, head: str, body: bytes) -> bool:
        method, target, _ = head.partition("\r\n")[0].split(" ")
        answer = self._server.answer(
            Received(
                method=method,
                target=target,
                headers=_headers(head),
                body=body,
                connection=self._number,
            )
        )
        sock.sendall(answer.raw)
        if answer.then_unwrap and isinstance(sock, ssl.SSLSocket):
            sock.unwrap()
        return not (answer.then_close or answer.then_unwrap)


def _headers(head: str) -> dict[str, str]:
    lines = head.removesuffix("\r\n\r\n").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A server without TLS."""
    serving = Loopback()
    yield serving
    serving.stop()


@pytest.fixture(scope="module")
def module_server() -> Iterator[Loopback]:
    """A server for all examples of a module, which set ``usual`` and read ``requests``."""
    serving = Loopback()
    yield serving
    serving.stop()


@pytest.fixture
def tls_server() -> Iterator[Loopback]:
    """A server whose certificate for localhost no system trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(KEY_AND_CERTIFICATE)
    serving = Loopback(context)
    yield serving
    serving.stop()


@pytest.fixture
def certificate() -> Path:
    """The certificate of ``tls_server``, as a CA bundle."""
    return CERTIFICATE


class Waits:
    """Virtual time that passes by sleeping only; ``slept`` lists the lengths of the sleeps."""

    def __init__(self, jitter: float = 1.0) -> None:
        self.now = 1_767_225_600.0
        self.slept: list[float] = []
        self._jitter = jitter

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def timing(self) -> Timing:
        return Timing(
            wall=self.read, elapsed=self.read, sleep=self.sleep, jitter=lambda: self._jitter
        )


@pytest.fixture
def waits() -> Waits:
    """Virtual time, with maximum jitter."""
    return Waits()


class Clients:
    """Creates clients of a server with virtual time, and closes them after the test."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._made: list[LambdaClient] = []

    def __call__(
        self,
        environ: Mapping[str, str],
        *,
        backoff: Backoff | None = None,
        patience: Patience | None = None,
    ) -> LambdaClient:
        client = LambdaClient(
            environ=environ, timing=self._timing, backoff=backoff, patience=patience
        )
        self._made.append(client)
        return client

    async def aclose(self) -> None:
        for client in self._made:
            await client.aclose()


@pytest.fixture
def clients(waits: Waits) -> Iterator[Clients]:
    """A factory of clients."""
    factory = Clients(waits.timing)
    yield factory
    asyncio.run(factory.aclose())


@pytest.fixture
def client(server: Loopback, clients: Clients) -> LambdaClient:
    """A client of ``server``."""
    return clients(server.environ())
