"""Compare HTTP/1.1 clients for checkpoint calls: time of the import, and per call.

    python benchmarks/http_client.py

The server is another process on loopback, without TLS, with persistent connections; each call sends 1 kB
and receives 1 kB. Clients that are not installed are left out (pip install h11 httptools httpx urllib3).
awslambdaric imports http.client itself, so in Lambda its import takes no extra time.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cold_import import import_cost

from durable_execution_sdk.aws.framing import ResponseReader, render_request
from durable_execution_sdk.aws.transport import HttpTransport

BODY = b"x" * 1000
HEADERS = {"host": "localhost", "content-type": "application/json"}
REQUEST = render_request(method="POST", target="/checkpoint", headers=HEADERS, body=BODY)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n" + BODY
CALLS = 2_000

Call = Callable[[], Awaitable[bytes]]


class Server(asyncio.Protocol):
    """Responds to requests of a fixed size."""

    def __init__(self) -> None:
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Respond to complete requests."""
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            if len(self._pending) < end + 4 + len(BODY):
                return
            self._pending = self._pending[end + 4 + len(BODY) :]
            self._transport.write(ANSWER)


async def serve() -> None:
    """Print the port, and serve until standard input is closed."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def own(port: int) -> Call:
    """Return a call with this project's client, whose sockets are registered only during a call."""
    transport = HttpTransport("127.0.0.1", port, trust=None)

    async def call() -> bytes:
        return (await transport.send(REQUEST, repeatable=True)).body

    return call


async def own_framing_on_streams(port: int) -> Call:
    """Return a call with this project's framing over asyncio's streams."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def call() -> bytes:
        writer.write(REQUEST)
        response = ResponseReader()
        while True:
            complete = response.feed(await reader.read(65536))
            if complete is not None:
                return complete.body

    return call


async def h11_on_streams(port: int) -> Call:
    """Return a call with h11 over asyncio's streams."""
    import h11

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = h11.Connection(h11.CLIENT)
    headers = [*HEADERS.items(), ("content-length", str(len(BODY)))]

    async def call() -> bytes:
        request = h11.Request(method="POST", target="/checkpoint", headers=headers)
        writer.write(
            b"".join(
                connection.send(event) or b""
                for event in (request, h11.Data(data=BODY), h11.EndOfMessage())
            )
        )
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                connection.start_next_cycle()
                return body

    return call


async def httptools_on_streams(port: int) -> Call:
    """Return a call with the parser of httptools over asyncio's streams."""
    import httptools

    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    class Answer:
        def __init__(self) -> None:
            self.body = b""
            self.whole = False

        def on_body(self, data: bytes) -> None:
            self.body += data

        def on_message_complete(self) -> None:
            self.whole = True

    async def call() -> bytes:
        writer.write(REQUEST)
        answer = Answer()
        parser: Any = httptools.HttpResponseParser(answer)
        while not answer.whole:
            parser.feed_data(await reader.read(65536))
        return answer.body

    return call


async def http_client_in_a_thread(port: int) -> Call:
    """Return a call with the standard library's blocking client."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port)

    def blocking() -> bytes:
        connection.request("POST", "/checkpoint", BODY, HEADERS)
        return connection.getresponse().read()

    return lambda: asyncio.to_thread(blocking)


async def urllib3_in_a_thread(port: int) -> Call:
    """Return a call with urllib3, botocore's client."""
    import urllib3

    pool = urllib3.HTTPConnectionPool("127.0.0.1", port)
    return lambda: asyncio.to_thread(
        lambda: pool.urlopen("POST", "/checkpoint", BODY, HEADERS).data
    )


async def httpx_async(port: int) -> Call:
    """Return a call with httpx's asynchronous client."""
    import httpx

    client = httpx.AsyncClient()
    url = f"http://127.0.0.1:{port}/checkpoint"

    async def call() -> bytes:
        return (await client.post(url, content=BODY, headers=HEADERS)).content

    return call


CLIENTS: list[tuple[str, str, Callable[[int], Awaitable[Call]]]] = [
    ("this project", "import durable_execution_sdk.aws.transport", own),
    (
        "own framing, asyncio streams",
        "import durable_execution_sdk.aws.framing",
        own_framing_on_streams,
    ),
    ("httptools, asyncio streams", "import httptools", httptools_on_streams),
    ("h11, asyncio streams", "import h11", h11_on_streams),
    ("http.client in a thread", "import http.client", http_client_in_a_thread),
    ("urllib3 in a thread", "import urllib3", urllib3_in_a_thread),
    ("httpx", "import httpx", httpx_async),
]


async def per_call(make: Callable[[int], Awaitable[Call]], port: int) -> tuple[float, float]:
    """Return elapsed and CPU time per call in microseconds, the best of five rounds."""
    call = await make(port)
    assert await call() == BODY
    elapsed = cpu = float("inf")
    for _ in range(5):
        began, began_cpu = time.perf_counter(), time.process_time()
        for _ in range(CALLS):
            await call()
        elapsed = min(elapsed, (time.perf_counter() - began) / CALLS * 1e6)
        cpu = min(cpu, (time.process_time() - began_cpu) / CALLS * 1e6)
    return elapsed, cpu


def trust_cost(directory: str | None) -> float:
    """Return the CPU time in milliseconds to create a TLS context, the best of five."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        ssl.create_default_context(capath=directory)
        best = min(best, (time.process_time() - began) * 1000)
    return best


def main() -> None:
    """Print the figures."""
    from durable_execution_sdk.aws.channel import hashed_directory

    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    print(f"{'client':<30}{'import, ms CPU':>15}{'modules':>9}{'per call, us':>14}{'us CPU':>9}")
    for name, statement, make in CLIENTS:
        cost = import_cost(statement)
        if cost is None:
            print(f"{name:<30}{'not installed':>15}")
            continue
        elapsed, cpu = asyncio.run(per_call(make, port))
        print(f"{name:<30}{cost.milliseconds:>15.1f}{cost.modules:>9}{elapsed:>14.0f}{cpu:>9.0f}")
    server.communicate("")
    print()
    print(f"TLS context, the whole bundle read: {trust_cost(None):.1f} ms CPU")
    directory = hashed_directory()
    if directory is not None:
        print(f"TLS context, roots looked up by hash: {trust_cost(directory):.1f} ms CPU")


if __name__ == "__main__":
    if "--serve" in sys.argv:
        asyncio.run(serve())
    else:
        main()
