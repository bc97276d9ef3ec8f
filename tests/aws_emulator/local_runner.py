"""AWS's local runner as a process, and the Lambda endpoint at which it calls handlers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from durable_execution_sdk import DurableHandler
from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.aws.endpoint import Endpoint
from durable_execution_sdk.emulator.functions.invokers import Answer, Call, InProcess
from durable_execution_sdk.protocol.json_depth import is_too_deep

VARIABLE = "DEX_LOCAL_RUNNER"
"""The environment variable that names the program; ``make test-emulator`` sets it."""

_PATIENCE = 60.0
_FORGETS_SECONDS = 10.0
_MILLISECONDS = 300_000
_OPERATION_SECONDS = 0.05
_EXECUTION_SECONDS = 31 * 24 * 3_600
_ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED"}

Handlers = Mapping[str, DurableHandler[Any, Any] | Callable[[Any, Any], Any]]


class Functions(ThreadingHTTPServer):
    """A Lambda endpoint for the runner: calls each handler in a thread of this process."""

    daemon_threads = True

    def __init__(self, handlers: Handlers) -> None:
        super().__init__(("127.0.0.1", 0), _Invocation)
        self.handlers = handlers
        self.runner_url = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, name: str, payload: bytes) -> Answer:
        handler = self.handlers[name.partition(":")[0]]
        call = Call(
            request_id=os.urandom(8).hex(),
            function_name=name.partition(":")[0],
            version="$LATEST",
            function_arn=f"arn:aws:lambda:us-west-2:123456789012:function:{name}",
            payload=payload,
            remaining=_countdown(),
        )
        if not isinstance(handler, DurableHandler):
            return InProcess(handler)(call)
        client = LambdaClient(
            endpoint=Endpoint.at(self.runner_url, region="us-west-2"), environ=_CREDENTIALS
        )
        return InProcess(handler.bind(LambdaDataPlane(client)))(call)


class _Invocation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Functions

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers["Content-Length"]))
        assert not is_too_deep(payload)
        name = self.path.split("/")[3].replace("%3A", ":").replace("%24", "$")
        answer = self.server.answer(name, payload)
        body = answer.payload
        self.send_response(200)
        if answer.error is not None:
            error = answer.error
            body = json.dumps(
                {"errorType": error.error_type, "errorMessage": error.error_message}
            ).encode()
            self.send_header("X-Amz-Function-Error", "Unhandled")
        self.send_header("X-Amz-Executed-Version", "$LATEST")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


def _countdown() -> Callable[[], int]:
    ends = time.monotonic() * 1000 + _MILLISECONDS
    return lambda: round(ends - time.monotonic() * 1000)


class Forgotten(AssertionError):
    """The runner does not invoke the function, though a wait has ended after its last invocation.

    With ``--skip-time`` a timer may fire while the runner still writes the end of the invocation. Then it sees no
    need for another one.
    """


class LocalRunner:
    """The conformance validator's ``Service`` over the runner's own HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def invoke(self, function: str, event: Any, *, asynchronous: bool) -> str:
        arn = self.start(function, json.dumps(event), f"test-{os.urandom(4).hex()}")
        if not asynchronous:
            self.wait_for_end(arn)
        return arn

    def start(self, function: str, payload: str, name: str) -> str:
        """Start an execution by the runner's own route."""
        started = self._call(
            "POST",
            "/start-durable-execution",
            {
                "AccountId": "123456789012",
                "FunctionName": function,
                "FunctionQualifier": "$LATEST",
                "ExecutionName": name,
                "ExecutionTimeoutSeconds": _EXECUTION_SECONDS,
                "ExecutionRetentionPeriodDays": 1,
                "InvocationId": os.urandom(8).hex(),
                "Input": payload,
            },
        )
        arn: str = started["ExecutionArn"]
        return arn

    def wait_for_end(self, arn: str, seconds: float = _PATIENCE) -> str:
        begun = time.monotonic()
        while (status := self.outcome(arn)[0]) not in _ENDED:
            self._check_patience(arn, begun, seconds)
            threading.Event().wait(_OPERATION_SECONDS)
        return status

    def _check_patience(self, arn: str, begun: float, seconds: float = _PATIENCE) -> None:
        waited = time.monotonic() - begun
        if waited < _FORGETS_SECONDS:
            return
        history = [event["EventType"] for event in self.history(arn)]
        if history[-2:] == ["InvocationCompleted", "WaitSucceeded"]:
            raise Forgotten(f"{arn} is not invoked: {history}")
        assert waited < seconds, f"{arn} is still open: {history}"

    def answer_first_callback(self, arn: str, result: bytes) -> None:
        """Complete the execution's callback, once its submitter has succeeded."""
        begun = time.monotonic()
        while True:
            self._check_patience(arn, begun)
            started = [e for e in self.history(arn) if e["EventType"] == "CallbackStarted"]
            submitted = [
                e
                for e in self.history(arn)
                if e["EventType"] == "StepSucceeded"
                and started
                and e.get("ParentId") == started[0].get("ParentId")
            ]
            if submitted:
                self.succeed(started[0]["CallbackStartedDetails"]["CallbackId"], result)
                return
            threading.Event().wait(_OPERATION_SECONDS)

    def history(self, arn: str) -> list[dict[str, Any]]:
        page = self._call("GET", f"{_path(arn)}/history?IncludeExecutionData=true&MaxItems=1000")
        events: list[dict[str, Any]] = page["Events"]
        for event in events:
            if event["EventType"] == "InvocationCompleted":
                # The runner leaves out what AWS's service writes.
                event.setdefault("InvocationCompletedDetails", {})
        return events

    def outcome(self, arn: str) -> tuple[str, str | None]:
        found = self._call("GET", _path(arn))
        return found["Status"], found.get("Result")

    def succeed(self, callback_id: str, result: bytes | None) -> None:
        self._callback(callback_id, "succeed", result or b"")

    def fail(self, callback_id: str, error: dict[str, Any]) -> None:
        self._callback(callback_id, "fail", json.dumps(error).encode())

    def beat(self, callback_id: str) -> None:
        self._callback(callback_id, "heartbeat", b"")

    def pass_time(self, arn: str, seconds: float) -> None:
        """Wait until the execution has ended, or waits for an external event only."""
        ends = time.monotonic() + max(0.2, seconds)
        while self.outcome(arn)[0] not in _ENDED and time.monotonic() < ends:
            threading.Event().wait(_OPERATION_SECONDS)

    def _callback(self, callback_id: str, action: str, body: bytes) -> None:
        path = f"/2025-12-01/durable-execution-callbacks/{quote(callback_id, safe='')}/{action}"
        self._send("POST", path, body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        return msgspec.json.decode(
            self._send(method, path, None if body is None else json.dumps(body).encode())
        )

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        request = urllib.request.Request(
            self.url + path, body, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                read: bytes = answer.read()
                return read
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from error


def _path(arn: str) -> str:
    return f"/2025-12-01/durable-executions/{quote(arn, safe='')}"


@contextmanager
def local_runner(
    handlers: Handlers, log: Path, *, skip_time: bool = False
) -> Iterator[LocalRunner]:
    """Run AWS's local runner over these handlers until the context is left."""
    functions = Functions(handlers)
    serving = threading.Thread(target=functions.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    port = _free_port()
    url = functions.runner_url = f"http://127.0.0.1:{port}"
    durable = {
        "DurableConfig": {"ExecutionTimeout": _EXECUTION_SECONDS, "RetentionPeriodInDays": 1}
    }
    configs = {
        name: durable if isinstance(handler, DurableHandler) else {}
        for name, handler in handlers.items()
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                os.environ[VARIABLE],
                *("start-server", "--host", "127.0.0.1", "--port", str(port)),
                "--skip-time" if skip_time else "--no-skip-time",
                *("--lambda-endpoint", functions.url, "--local-runner-endpoint", url),
                *("--function-configs", json.dumps(configs), "--log-level", "WARNING"),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_CREDENTIALS, "AWS_DEFAULT_REGION": "us-west-2"},
        )
        try:
            _wait_until_it_listens(port, process, log)
            yield LocalRunner(url)
        finally:
            process.terminate()
            process.wait(_PATIENCE)
            functions.shutdown()
            functions.server_close()
            serving.join()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends, f"the local runner does not listen: {log.read_text()}"
            threading.Event().wait(_OPERATION_SECONDS)
        else:
            return
