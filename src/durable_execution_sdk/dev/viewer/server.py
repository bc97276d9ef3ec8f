"""The server of the page over executions that other programs run. It answers only requests that read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self
from urllib.parse import quote

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from durable_execution_sdk.dev.feed.api import FeedRoutes
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.dev.page.routes import PageRoute
from durable_execution_sdk.dev.viewer.source import Source
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.server.error_mapping import refusal
from durable_execution_sdk.server.http_server import serve

__all__ = ["ViewerServer"]


class ViewerServer:
    """A running server over a source. ``first_page`` is the address to open.

    Port 0 takes a free port. Raises ``ConfigError`` if it cannot listen.
    """

    def __init__(
        self,
        source: Source,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        allow_hosts: Sequence[str] = (),
    ) -> None:
        self._stop = threading.Event()
        with ExitStack() as started:
            changes = Changes(source.emulator)
            started.callback(changes.close)
            routes = FeedRoutes(source.emulator, changes, source.local, source.about)
            server = serve(
                Driver(source.emulator),
                host=host,
                port=port,
                workers=0,
                middleware=[Middleware(_ReadsOnly)],
                allow_hosts=allow_hosts,
                routes=lambda backend: [*routes.bound_to(backend), PageRoute()],
            )
            started.callback(server.close)
            started.callback(changes.close)
            following = threading.Thread(
                target=source.follow, args=(changes, self._stop), name="durable-follow", daemon=True
            )
            following.start()
            started.callback(following.join)
            started.callback(self._stop.set)
            self.url = server.url
            self.wait = server.wait
            self._started = started.pop_all()
        path = (
            "/executions"
            if source.arn is None
            else f"/executions/{quote(source.arn, safe=':$')}/timeline"
        )
        self.first_page = f"{self.url}{path}"

    def close(self) -> None:
        """End the feeds, answer open calls, and release the port."""
        self._started.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _ReadsOnly:
    """Middleware that refuses every request but GET and HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            await refusal(_only_read())(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _only_read() -> ServiceError:
    return ServiceError(
        "These executions are only read here: nothing is started, answered or changed. Use the program that"
        " runs them.",
        code="AccessDeniedException",
        status=403,
    )
