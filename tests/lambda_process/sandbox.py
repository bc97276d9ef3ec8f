"""Run a function in its own process as Lambda does: a minimal implementation of the Runtime API.

AWS's runtime interface client polls for invocations, calls the handler and posts the results. The
process is started for the first invocation, and again after it died.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, Self

from durable_execution_sdk.emulator.functions.invokers import Answer, Call, exit_error
from durable_execution_sdk.protocol.error_object import ErrorObject

_PATIENCE = 60.0


@dataclass(eq=False)
class Running:
    """An invocation in progress, and its future result."""

    call: Call
    answer: Future[Answer] = field(default_factory=Future)

    def end(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class Sandbox:
    """An invoker for the emulator that calls ``handler`` (``module.function`` in ``task``)."""

    def __init__(self, task: Path, handler: str, *, log: Path, **environ: str) -> None:
        self.starts = 0
        self._task = task
        self._handler = handler
        self._log = log
        self._environ = environ
        self._todo: Queue[Running | None] = Queue()
        self._running: Running | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._one_at_a_time = threading.Lock()
        self._api = _RuntimeApi(self)
        self._thread = threading.Thread(target=self._api.serve_forever, args=[0.01])
        self._thread.start()

    def __call__(self, call: Call) -> Answer:
        """Run an invocation in the process."""
        with self._one_at_a_time:
            running = self._running = Running(call)
            self._ensure_process()
            self._todo.put(running)
            return running.answer.result(_PATIENCE)

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        assert self._process is not None
        self._process.kill()

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines that the function has logged."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def take(self) -> Running | None:
        """Wait for the next invocation; return ``None`` when the sandbox is being closed."""
        todo = self._todo
        running = todo.get()
        if running is None:
            todo.put(None)  # for all others that wait
        return running

    def end(self, request_id: str, answer: Answer) -> None:
        """Complete an invocation with its answer."""
        running = self._running
        assert running is not None and running.call.request_id == request_id
        running.end(answer)

    def fail_to_start(self, error: ErrorObject) -> None:
        """Fail the invocation, because the handler could not be loaded."""
        if self._running is not None:
            self._running.end(Answer(error=error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
        if self._watcher is not None:
            self._watcher.join()
        self._api.shutdown()
        self._todo.put(None)
        self._api.server_close()
        self._thread.join()

    def _ensure_process(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        if self._watcher is not None:
            self._watcher.join()
        # What the last process had asked for must not be taken for what this one asks for.
        self._todo.put(None)
        self._todo = Queue()
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "awslambdaric", self._handler],
                cwd=self._task,
                env={
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
                    "AWS_LAMBDA_FUNCTION_NAME": "shop",
                    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                    "AWS_LAMBDA_LOG_FORMAT": "JSON",
                    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/shop",
                    "AWS_LAMBDA_LOG_STREAM_NAME": "sandbox",
                    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                    "AWS_SECRET_ACCESS_KEY": "secret",
                    "AWS_SESSION_TOKEN": "token",
                    "AWS_REGION": "us-east-1",
                    "LAMBDA_TASK_ROOT": str(self._task),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "_HANDLER": self._handler,
                    **self._environ,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._watcher = threading.Thread(target=self._watch, args=[self._process])
        self._watcher.start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        status = process.wait()
        running = self._running
        if running is not None:
            running.end(Answer(error=exit_error(running.call.request_id, status)))


class _RuntimeApi(ThreadingHTTPServer):
    # None outlives the server: workflows of other tests would wait for it.
    daemon_threads = False

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.sandbox = sandbox


class _Request(BaseHTTPRequestHandler):
    server: _RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        assert self.path == "/2018-06-01/runtime/invocation/next"
        running = self.server.sandbox.take()
        if running is None:
            self.close_connection = True
            return
        call = running.call
        deadline = round(time.time() * 1000) + call.remaining()
        self._answer(
            200,
            call.payload,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": call.request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline),
                "Lambda-Runtime-Invoked-Function-Arn": call.function_arn,
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sandbox = self.server.sandbox
        match self.path.removeprefix("/2018-06-01/runtime/").split("/"):
            case ["invocation", request_id, "response"]:
                sandbox.end(request_id, Answer(payload=body))
            case ["invocation", request_id, "error"]:
                sandbox.end(request_id, Answer(error=_read_error(body)))
            case ["init", "error"]:
                sandbox.fail_to_start(_read_error(body))
            case _:
                raise AssertionError(self.path)
        self._answer(202, b'{"status":"OK"}', {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the tests report failures."""


def _read_error(body: bytes) -> ErrorObject:
    error = json.loads(body)
    return ErrorObject(
        error_type=error["errorType"],
        error_message=error["errorMessage"],
        stack_trace=error.get("stackTrace"),
    )
