"""The local server: the API on a port, and the threads that run functions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Self

try:
    import uvicorn
    from starlette.middleware import Middleware
    from starlette.routing import BaseRoute
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] not in ("uvicorn", "starlette"):
        raise
    raise ModuleNotFoundError(
        "durable_execution_sdk.server.http_server needs a web server: pip install"
        " 'durable-execution-sdk[server]'",
        name=_missing.name,
    ) from _missing

from durable_execution_sdk.aws.loopback import is_loopback
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.server.access import AccessControl
from durable_execution_sdk.server.application import application
from durable_execution_sdk.server.backend import Backend
from durable_execution_sdk.server.heads import BoundedHeads
from durable_execution_sdk.server.workers import Workers

_IDLE_SECONDS = 75
"""Keep-alive of idle connections: clients close theirs after a minute, and must be the first to close."""

_SEND_BYTES = 128 * 1024
"""Buffer of the kernel for answers: small, so that a client that takes them slowly is seen to take them."""


def serve(
    driver: Driver,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    workers: int = 4,
    middleware: Sequence[Middleware] = (),
    allow_hosts: Sequence[str] = (),
    token: str | None = None,
    is_functions: Callable[[str | None], bool] = lambda _: False,
    routes: Callable[[Backend], Sequence[BaseRoute]] = lambda _: (),
) -> Server:
    """Serve the durable API and run the functions that are due, until the server is closed.

    Port 0 takes a free port. ``workers`` threads run functions; with 0, the caller drives the emulator.
    Requests are refused (403) if their ``Host`` is neither loopback nor one of ``allow_hosts``, or if a
    web page of another site sent them. A ``host`` other than loopback is open to the whole network, so
    it needs a ``token``, which clients send as ``X-Durable-Token`` or as their AWS access key id.
    ``is_functions`` tells by the header ``X-Amzn-Trace-Id`` that a function of this server makes a request.
    ``routes`` makes routes beside those of the API, to which the same access control applies.

    Raises ``ConfigError`` if the token is empty or missing where one is needed, or if the server cannot
    listen on the host and port.
    """
    if token is not None and not token.strip():
        raise ConfigError(
            "the token of a server is empty, so every request would carry it; is the variable unset that it"
            " comes from? Give it one that cannot be guessed, or None to be reached from this computer alone"
        )
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other computers, and a client that reaches the server can run"
            " your functions: give it a token, or use 127.0.0.1"
        )
    access = Middleware(AccessControl, allow_hosts=allow_hosts, token=token)
    backend = Backend(driver, is_functions)
    return Server(backend, _listen(host, port), workers, [access, *middleware], routes(backend))


class Server:
    """A running server; ``url`` is the value for ``AWS_ENDPOINT_URL_LAMBDA``."""

    def __init__(
        self,
        backend: Backend,
        listening: socket.socket,
        workers: int,
        middleware: Sequence[Middleware],
        routes: Sequence[BaseRoute],
    ) -> None:
        host, port = listening.getsockname()[:2]
        self.port: int = port
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._listening = listening
        self._ended = threading.Event()
        self._backend = backend
        self._server = uvicorn.Server(
            uvicorn.Config(
                application(self._backend, routes=routes, middleware=middleware),
                http=BoundedHeads,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                timeout_keep_alive=_IDLE_SECONDS,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name="durable-server", daemon=True
        )
        self._thread.start()
        self._workers = Workers(backend.driver, workers, on_failure=self._on_worker_failure)
        backend.workers = self._workers

    def wait(self, seconds: float | None = None) -> bool:
        """Block until a worker has failed, the server is closed, or ``seconds`` have passed.

        Returns ``False`` if the server still runs.
        """
        return self._ended.wait(seconds)

    def close(self) -> None:
        """Wait until running functions have ended and open calls are answered; release the port.

        Raises the exception of the first worker that failed, if one did.
        """
        self._backend.waiters.close()
        self._workers.stop()
        self._server.should_exit = True
        self._thread.join()
        self._backend.close()
        self._listening.close()
        self._ended.set()
        if self._workers.failure is not None:
            raise self._workers.failure

    def _on_worker_failure(self) -> None:
        # Without a driver no execution ends any more, so pending waits must fail.
        self._backend.waiters.close()
        self._ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise ConfigError(f"a port is a number from 0 to 65535, not {port}")
    # Text is encoded by a codec with tables of names in all languages, which is loaded for that.
    address = host.encode() if host.isascii() else host
    try:
        addresses = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listening = socket.create_server((host, port), family=addresses[0][0])
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error}; choose another host or port, 0 for a free one"
        ) from error
    # Head and body of a response are two writes; without TCP_NODELAY the second waits for the first's
    # acknowledgement. Connections inherit it; asyncio does not set it for a socket made elsewhere.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
    return listening
