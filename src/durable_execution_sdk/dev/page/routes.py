"""The routes of the web page: one document for all its addresses, and its modules, stylesheet and icon."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.server.error_mapping import refusal

__all__ = ["POLICY", "PageRoute"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)
"""The ``Content-Security-Policy``: nothing but what this server serves, no inline script, no markup from text."""

_FILES = Path(__file__).parent / "static"
_FILE_PREFIX = "/page/"
_DOCUMENT = "index.html"
_ADDRESSES = frozenset({"", "executions", "callbacks", "functions"})
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageRoute(BaseRoute):
    """One route for the addresses of the page and its files."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the addresses of the page."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path: str = scope["path"]
        is_ours = path.startswith(_FILE_PREFIX) or path.split("/")[1] in _ADDRESSES
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        try:
            response = _answer(request)
        except ServiceError as error:
            response = refusal(error)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        # The files change with the package; asking again costs nothing on this computer.
        response.headers["Cache-Control"] = "no-cache"
        await response(scope, receive, send)


def _answer(request: Request) -> Response:
    path: str = request.scope["path"]
    if request.method not in {"GET", "HEAD"}:
        raise ServiceError(
            f"{path} takes GET, not {request.method}.", code="MethodNotAllowedException", status=405
        )
    name = path.removeprefix(_FILE_PREFIX) if path.startswith(_FILE_PREFIX) else _DOCUMENT
    # The names of the files that there are: a path from a request is never opened.
    files = {file.name: file for file in _FILES.iterdir() if file.suffix in _TYPES}
    if name not in files:
        raise ServiceError(
            f"There is nothing at {path}.", code="ResourceNotFoundException", status=404
        )
    return Response(files[name].read_bytes(), headers={"Content-Type": _TYPES[files[name].suffix]})
