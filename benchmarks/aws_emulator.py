"""AWS's own emulator (``aws-durable-execution-sdk-python-testing``) as the service of an execution.

It runs in a process of its environment, and calls the function at a Lambda endpoint, which is here.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from benchmarks.environments import program_of

from durable_execution_sdk.emulator.functions.invokers import Answer, Call

_STARTED_WITHIN = 60.0
_EXECUTION_SECONDS = 3600
_LOOK_SECONDS = 0.05
_NAMES = {"AccountId": "123456789012", "FunctionName": "bench", "FunctionQualifier": "$LATEST"}


def executed(invocations: Any, event: Any) -> None:
    """Run one execution to its end; ``invocations`` is called for each invocation of the function."""
    with _endpoint(invocations) as endpoint, _emulator(endpoint) as url:
        invocations.environment = dict(os.environ) | {"AWS_ENDPOINT_URL_LAMBDA": url}
        start = _NAMES | {
            "ExecutionName": "bench",
            "ExecutionTimeoutSeconds": _EXECUTION_SECONDS,
            "ExecutionRetentionPeriodDays": 1,
            "InvocationId": os.urandom(8).hex(),
            "Input": json.dumps(event),
        }
        arn = _asked(f"{url}/start-durable-execution", start)["ExecutionArn"]
        path = f"{url}/2025-12-01/durable-executions/{quote(arn, safe='')}"
        while (found := _asked(path))["Status"] == "RUNNING":
            time.sleep(_LOOK_SECONDS)
        if found["Status"] != "SUCCEEDED":
            raise SystemExit(f"the execution is {found['Status']}: {found.get('Error')}")


@contextmanager
def _endpoint(invocations: Any) -> Iterator[str]:
    """Serve the one call of Lambda's API that the emulator makes, and provide its address."""

    class Invocation(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            payload = self.rfile.read(int(self.headers["Content-Length"]))
            answer: Answer = invocations(_call(payload))
            body = answer.payload
            self.send_response(200)
            if answer.error is not None:
                message = answer.error.error_message
                body = json.dumps({"errorType": "Failed", "errorMessage": message}).encode()
                self.send_header("X-Amz-Function-Error", "Unhandled")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Invocation)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def _call(payload: bytes) -> Call:
    return Call(
        request_id=os.urandom(8).hex(),
        function_name="bench",
        version="$LATEST",
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:bench:$LATEST",
        payload=payload,
        remaining=lambda: 900_000,
    )


@contextmanager
def _emulator(endpoint: str) -> Iterator[str]:
    """Run the emulator, with waits that take no time, and provide its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [program_of("aws", "dex-local-runner"), "start-server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--skip-time", "--log-level", "ERROR"]
    command += ["--lambda-endpoint", endpoint, "--local-runner-endpoint", url]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_until_it_listens(port, process)
            yield url
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + _STARTED_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit("AWS's emulator does not start") from None
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _asked(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())
