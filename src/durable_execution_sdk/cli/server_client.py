"""Calls of a running development server: of Lambda's API, and of its routes beside it."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.discovery_file import ServerAddress
from durable_execution_sdk.emulator.faults.live import LiveFault

_FUNCTIONS = "/2015-03-31/functions"
_DURABLE = "/_durable"

_T = TypeVar("_T")


class _Error(msgspec.Struct):
    message: str | None = None
    Message: str | None = None


class _Configuration(msgspec.Struct):
    DurableConfig: dict[str, object] | None = None


class _Described(msgspec.Struct):
    Configuration: _Configuration


class _Worker(msgspec.Struct):
    request_id: str | None = None


class ServedFunction(msgspec.Struct):
    """A function of a server, with its workers."""

    function_name: str
    durable: bool
    timeout: float
    versions: list[str]
    aliases: dict[str, str]
    workers: list[_Worker]


class _New(msgspec.Struct):
    durable_execution_arn: str


class Response(NamedTuple):
    """The headers, in lower case, and the body of a response that is no refusal."""

    headers: Mapping[str, str]
    body: bytes


def running_server(place: Place) -> ServerAddress:
    """Return the server that runs a store; raises ``Refusal`` if none does."""
    server = place.server
    if server is None:
        raise Refusal(
            f"no development server runs {place.path}; start one in another terminal with"
            f" `{place.command('dev')}`, or run a workflow without one: durable run FILE"
        )
    return server


class ServerClient:
    """Calls a server. Methods raise ``Refusal`` for what the server refuses, and if it cannot be reached."""

    def __init__(self, server: ServerAddress) -> None:
        self._server = server

    def is_durable(self, function: str) -> bool:
        """Tell whether a function of the server is durable."""
        body = self._call("GET", f"{_FUNCTIONS}/{quote(function, safe='')}").body
        described = msgspec.json.decode(body, type=_Described)
        return described.Configuration.DurableConfig is not None

    def start(self, function: str, payload: str, name: str | None) -> str:
        """Start an execution of a durable function; return its ARN."""
        headers = {"X-Amz-Invocation-Type": "Event"}
        if name is not None:
            headers["X-Amz-Durable-Execution-Name"] = name
        return self._invoke(function, payload, headers).headers["x-amz-durable-execution-arn"]

    def call(self, function: str, payload: str) -> tuple[str, bool]:
        """Call a plain function; return its result, or its error and ``True``."""
        response = self._invoke(function, payload, {})
        return response.body.decode(), "x-amz-function-error" in response.headers

    def function_documents(self) -> object:
        """Return the documents of the server's functions."""
        body = self._call("GET", f"{_DURABLE}/functions").body
        return msgspec.json.decode(body, type=dict[str, object])["functions"]

    def functions(self) -> list[ServedFunction]:
        """Return the server's functions."""
        return msgspec.convert(self.function_documents(), list[ServedFunction])

    def publish(self, function: str, alias: str | None, version: str | None) -> dict[str, object]:
        """Publish a version of a function, or take an earlier one, and let an alias stand for it."""
        path = f"{_DURABLE}/functions/{quote(function, safe='')}/versions"
        return self._post(path, {"alias": alias, "version": version}, dict[str, object])

    def rerun(self, arn: str, payload: str | None, name: str | None) -> str:
        """Start an execution like another; return its ARN."""
        path = f"{_execution(arn)}/rerun"
        return self._post(path, {"input": payload, "name": name}, _New).durable_execution_arn

    def crash(self, arn: str, fault: LiveFault | None) -> None:
        """Kill the worker of an execution now, or plan a fault of a checkpoint to come."""
        body: dict[str, object] = {} if fault is None else msgspec.to_builtins(fault)
        self._post(f"{_execution(arn)}/crash", body, dict[str, object])

    def _post(self, path: str, body: Mapping[str, object], kind: type[_T]) -> _T:
        response = self._call("POST", path, msgspec.json.encode(body))
        return msgspec.json.decode(response.body, type=kind)

    def _invoke(self, function: str, payload: str, headers: dict[str, str]) -> Response:
        path = f"{_FUNCTIONS}/{quote(function, safe='')}/invocations"
        return self._call("POST", path, payload.encode(), headers)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        server = self._server
        token = {} if server.token is None else {"X-Durable-Token": server.token}
        # A function may take its whole timeout, so there is no timeout.
        connection = HTTPConnection(urlsplit(server.url).netloc)
        try:
            connection.request(
                method, path, body, {"Content-Type": "application/json", **token, **(headers or {})}
            )
            response = connection.getresponse()
            content = response.read()
        except (OSError, HTTPException) as error:
            raise Refusal(f"the server at {server.url} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Refusal(f"{server.url}: {_message(content)}")
        named = {name.lower(): value for name, value in response.getheaders()}
        return Response(named, content)


def _execution(arn: str) -> str:
    return f"{_DURABLE}/executions/{quote(arn, safe='')}"


def _message(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body, type=_Error)
    except msgspec.DecodeError:
        return body.decode(errors="replace")
    return error.message or error.Message or "the request was refused without a reason"
