"""Client of Lambda's API: signs calls, sends them, and retries where that is safe."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from durable_execution_sdk.aws.channel import Trust
from durable_execution_sdk.aws.connection import Asked
from durable_execution_sdk.aws.credentials import (
    CredentialsAtHand,
    Variables,
    credential_source,
)
from durable_execution_sdk.aws.endpoint import Endpoint, find_endpoint
from durable_execution_sdk.aws.error_mapping import refusal, without_answer, without_credentials
from durable_execution_sdk.aws.framing import HttpResponse, render_head
from durable_execution_sdk.aws.signer import (
    Credentials,
    PartialSignature,
    Signer,
    query_string,
    twice,
)
from durable_execution_sdk.aws.transport import HttpTransport, NoAnswerError
from durable_execution_sdk.call_timing import Backoff, Patience, Timing
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.version import __version__

if TYPE_CHECKING:
    from durable_execution_sdk.aws.credentials import CredentialSource

__all__ = ["Call", "LambdaClient", "user_agent"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request of the API: ``path`` is percent-encoded, header names are in lower case.

    ``repeatable``: sending the request twice has the same effect as once. ``answer_within`` is the
    longest wait for the response, in seconds. ``in_series``: the calling task makes more such calls, and the
    connection stays registered with the event loop until that task ends. ``trace`` is an ``X-Amzn-Trace-Id``, in
    place of the one of Lambda's environment.
    """

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    body: bytes = b""
    repeatable: bool = True
    answer_within: float | None = None
    in_series: bool = False
    trace: str | None = None


class _Head:
    """The part of a request before its body, which the calls of one second share if ``key`` is equal."""

    __slots__ = ("headers", "key", "signature", "start")

    def __init__(
        self,
        key: tuple[object, ...],
        headers: Mapping[str, str],
        start: bytes,
        signature: PartialSignature,
    ) -> None:
        self.key = key
        self.headers = dict(headers)
        # Ends with the header whose value the signature completes.
        self.start = start
        self.signature = signature


class LambdaClient:
    """Calls Lambda's API at one endpoint; keeps connections, for each thread, and the day's signing key.

    Endpoint and credentials default to those of the environment.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint | None = None,
        credentials: CredentialSource | None = None,
        backoff: Backoff | None = None,
        patience: Patience | None = None,
        timing: Timing | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self._environ = environ
        self._endpoint = endpoint or find_endpoint(environ)
        self._credentials = source = credentials or credential_source(environ)
        # Returns the credentials, if the source need not wait for them.
        self._at_hand = source.at_hand if isinstance(source, CredentialsAtHand) else None
        self._backoff = backoff or Backoff()
        self._timing = timing or Timing()
        self._signer = Signer(region=self._endpoint.region, service="lambda")
        self._user_agent = user_agent(environ)
        self._trace = Variables(environ, "_X_AMZN_TRACE_ID", "AWS_LAMBDA_FUNCTION_NAME")
        self._head: _Head | None = None
        self._transport = HttpTransport(
            self._endpoint.host,
            self._endpoint.port,
            trust=Trust(environ) if self._endpoint.secure else None,
            patience=patience,
        )

    def ask(
        self, call: Call, task: asyncio.Task[object], told: Callable[[], object]
    ) -> Asked | None:
        """Send a repeatable call of a task's series at once, and call ``told`` when the answer is there.

        Returns ``None``, and has done nothing, without credentials at hand and an idle connection. Afterwards
        ``success`` or ``call`` has to follow.
        """
        if self._at_hand is None:
            return None
        try:
            request = self._request(call, self._at_hand())
        except ConfigError:
            return None  # ``call`` will report it
        return self._transport.ask(request, task, told)

    def success(self, asked: Asked) -> HttpResponse | None:
        """Return the answer if there is one, and it is a success; ``None`` if ``call`` has to follow."""
        response = asked.response
        if response is None or not 200 <= response.status < 300:
            return None
        self._transport.ended(asked.connection, asked.connections)
        return response

    async def call(self, call: Call, asked: Asked | None = None) -> HttpResponse:
        """Make a call with retries; raise ``ServiceError`` for an error response or none at all.

        ``asked``: the first request was sent already, by ``ask``.
        """
        timing = self._timing
        started = timing.elapsed()
        attempt = 0
        has_lost_answer = False
        while True:
            attempt += 1
            try:
                response = await self._transport.send(
                    await self._next_request(call) if asked is None else asked.request,
                    repeatable=call.repeatable,
                    answer_within=call.answer_within,
                    in_series=call.in_series,
                    asked=asked,
                )
            except NoAnswerError as failure:
                fault = without_answer(call.operation, failure)
                safe = call.repeatable or not failure.sent
                has_lost_answer = has_lost_answer or failure.sent
            else:
                if 200 <= response.status < 300:
                    return response
                fault = refusal(call.operation, response)
                safe = call.repeatable or fault.status == 429
                fault.after_lost_answer = has_lost_answer or response.is_to_repetition
                # The service, or a proxy before it, may have failed after the work was done.
                has_lost_answer = fault.after_lost_answer or response.status >= 500
            asked = None
            if not (safe and fault.is_transient):
                raise fault
            delay = self._backoff.delay(
                attempt=attempt,
                elapsed=timing.elapsed() - started,
                jitter=timing.jitter(),
                retry_after=fault.retry_after,
            )
            if delay is None:
                raise fault
            await timing.sleep(delay)

    async def aclose(self) -> None:
        """Close the connections. A later call opens new ones."""
        self._transport.close()

    async def _next_request(self, call: Call) -> bytes:
        try:
            credentials = await self._credentials.credentials()
            return self._request(call, credentials)
        except Exception as error:
            raise without_credentials(call.operation, error) from error

    def _request(self, call: Call, credentials: Credentials) -> bytes:
        now = self._timing.wall()
        trace = call.trace, *self._trace.read()
        key = (int(now), call.method, call.path, call.query, credentials, trace)
        head = self._head
        if head is None or head.key != key or head.headers != call.headers:
            head = self._head = self._new_head(key, call, credentials, now)
        body = call.body
        signature = head.signature.of(body).encode()
        return b"%b%b\r\ncontent-length: %d\r\n\r\n%b" % (head.start, signature, len(body), body)

    def _new_head(
        self, key: tuple[object, ...], call: Call, credentials: Credentials, now: float
    ) -> _Head:
        endpoint = self._endpoint
        path = endpoint.prefix + call.path
        query = query_string(call.query) if call.query else ""
        signature = self._signer.prepare(
            method=call.method,
            canonical_path=twice(path),
            canonical_query=query,
            headers={"host": endpoint.authority, **call.headers},
            credentials=credentials,
            now=now,
        )
        headers = {**signature.headers, "user-agent": self._user_agent}
        trace, function_name = self._trace.read()
        if call.trace is not None or (trace and function_name is not None):
            headers["x-amzn-trace-id"] = call.trace or trace or ""
        headers["authorization"] = signature.authorization
        for name, value in headers.items():
            # A key that was read from a file may end with a new line, which would end the header.
            if not (value.isascii() and value.isprintable()):
                raise ConfigError(
                    f"the header {name} has characters that no header can have: the access key, the session token or"
                    " the token of the client has a new line or a letter beyond ASCII"
                )
        target = f"{path}?{query}" if query else path
        start = render_head(method=call.method, target=target, headers=headers)
        return _Head(key, call.headers, start, signature)


def user_agent(environ: Mapping[str, str]) -> str:
    """Return the ``User-Agent`` header, in the format of AWS's own SDKs."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    parts = [
        f"durable-execution-sdk-python/{__version__}",
        f"lang/python#{python}",
        f"os/{sys.platform}",
    ]
    if execution_environment := environ.get("AWS_EXECUTION_ENV"):
        parts.append(f"exec-env/{execution_environment}")
    return " ".join(parts)
