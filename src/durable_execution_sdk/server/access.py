"""Access control: admit programs of this computer, refuse requests that a web page makes in a browser.

A browser lets any page send requests to any address. Three headers tell those requests from a
program's: ``Host`` (a page whose domain name resolves to this computer still sends its own name),
``Origin`` and ``Sec-Fetch-Site``. The content type is a fourth sign: a page can send only the types of
forms without a preflight request, which this server refuses.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from durable_execution_sdk.aws.loopback import is_loopback
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.server.error_mapping import refusal
from durable_execution_sdk.server.heads import check_head

_OWN_SITE = frozenset({"same-origin", "none"})
_SIMPLE_TYPES = frozenset(
    {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class AccessControl:
    """Middleware that refuses requests from web pages, and requests to hosts that are not allowed.

    With a ``token``, a request has to carry it: in the header ``X-Durable-Token``, or as the access key
    id that signs the request, which every AWS client can be configured with.
    """

    def __init__(
        self, app: ASGIApp, allow_hosts: Collection[str] = (), token: str | None = None
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allow_hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403 before its body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
            await send(message)

        error = check_head(scope)
        if error is None:
            reason = self._reason_against(scope["method"], Headers(scope=scope))
            if reason is None:
                await self._app(scope, receive, send_marked)
                return
            error = ServiceError(reason, code="AccessDeniedException", status=403)
        await refusal(error)(scope, receive, send_marked)

    def _reason_against(self, method: str, headers: Headers) -> str | None:
        reason = reason_against_page(headers, self._hosts)
        if reason is not None:
            return reason
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method not in _SAFE_METHODS and kind in _SIMPLE_TYPES:
            return (
                f"The content type {kind} is that of forms, which pages of any site can send; use"
                " application/json, or leave it out."
            )
        return self._reason_about_token(headers)

    def _reason_about_token(self, headers: Headers) -> str | None:
        if self._token is None:
            return None
        given = headers.get("x-durable-token")
        if given is None:
            signed = headers.get("authorization", "").partition("Credential=")[2]
            given = signed.partition("/")[0]
        if hmac.compare_digest(given.encode(), self._token.encode()):
            return None
        return (
            "The token of this server is missing or wrong; send it as X-Durable-Token, or use it as"
            " the AWS access key."
        )


def reason_against_page(
    headers: Mapping[str, str], allow_hosts: Collection[str] = ()
) -> str | None:
    """Return the reason to refuse a request that a web page made, or that names another host.

    The names of ``headers`` and the hosts are in lower case.
    """
    host = headers.get("host", "")
    if not (is_loopback(_name(host)) or _name(host) in allow_hosts):
        return (
            f"The host {host!r} is not this computer. If it is another name of it, allow it:"
            " durable dev --allow-host NAME, or serve(..., allow_hosts=[...])."
        )
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in {f"http://{host}", f"https://{host}"}:
        return f"A page of {origin!r} may not call this server."
    if headers.get("sec-fetch-site", "none") not in _OWN_SITE:
        return "A page of another site may not call this server."
    return None


def _name(host: str) -> str:
    """Return a ``Host`` header without its port, in lower case."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdecimal() else host).lower()
