"""Client of Lambda's API: signs calls, sends them, and retries where that is safe."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import msgspec

from durable_execution_sdk.aws.channel import Trust
from durable_execution_sdk.aws.credentials import CredentialSource, credential_source
from durable_execution_sdk.aws.endpoint import Endpoint, find_endpoint
from durable_execution_sdk.aws.error_mapping import refusal, without_answer, without_credentials
from durable_execution_sdk.aws.framing import HttpResponse, render_request
from durable_execution_sdk.aws.signer import Signer, query_string, twice
from durable_execution_sdk.aws.transport import HttpTransport, NoAnswerError, Patience
from durable_execution_sdk.ports.backoff import Backoff, Timing
from durable_execution_sdk.version import __version__

__all__ = ["Call", "LambdaClient", "user_agent"]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request of the API: ``path`` is percent-encoded, header names are in lower case.

    ``repeatable``: sending the request twice has the same effect as once. ``answer_within`` is the
    longest wait for the response, in seconds.
    """

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    body: bytes = b""
    repeatable: bool = True
    answer_within: float | None = None


class LambdaClient:
    """Calls Lambda's API at one endpoint; keeps connections and the day's signing key.

    Use it from one event loop at a time. Endpoint and credentials default to those of the environment.
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
        self._credentials = credentials or credential_source(environ)
        self._backoff = backoff or Backoff()
        self._timing = timing or Timing()
        self._signer = Signer(region=self._endpoint.region, service="lambda")
        self._user_agent = user_agent(environ)
        self._transport = HttpTransport(
            self._endpoint.host,
            self._endpoint.port,
            trust=Trust(environ) if self._endpoint.secure else None,
            patience=patience,
        )

    async def call(self, call: Call) -> HttpResponse:
        """Make a call with retries; raise ``ServiceError`` for an error response or none at all."""
        timing = self._timing
        started = timing.elapsed()
        attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._send(call)
            except NoAnswerError as failure:
                fault = without_answer(call.operation, failure)
                safe = call.repeatable or not failure.sent
            else:
                if 200 <= response.status < 300:
                    return response
                fault = refusal(call.operation, response)
                safe = call.repeatable or fault.status == 429
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

    async def _send(self, call: Call) -> HttpResponse:
        endpoint = self._endpoint
        path = endpoint.prefix + call.path
        query = query_string(call.query) if call.query else ""
        try:
            credentials = await self._credentials.credentials()
        except Exception as error:
            raise without_credentials(call.operation, error) from error
        headers = self._signer.sign(
            method=call.method,
            canonical_path=twice(path),
            canonical_query=query,
            headers={"host": endpoint.authority, **call.headers},
            body=call.body,
            credentials=credentials,
            now=self._timing.wall(),
        )
        headers["user-agent"] = self._user_agent
        trace = self._environ.get("_X_AMZN_TRACE_ID")
        if trace and "AWS_LAMBDA_FUNCTION_NAME" in self._environ:
            headers["x-amzn-trace-id"] = trace
        request = render_request(
            method=call.method,
            target=f"{path}?{query}" if query else path,
            headers=headers,
            body=call.body,
        )
        return await self._transport.send(
            request, repeatable=call.repeatable, answer_within=call.answer_within
        )


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
