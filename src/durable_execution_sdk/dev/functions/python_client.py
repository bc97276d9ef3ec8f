"""Runtime client for Python functions, a script that imports nothing of this package until it needs to.

It does what Lambda's own client does: imports the handler that ``_HANDLER`` names from
``LAMBDA_TASK_ROOT``, asks the Runtime API for one invocation after the other, and sends back what the
handler returned or raised. Where the SDK is installed, log records are written with its ``JsonFormatter``,
so that a line names its operation, and the lines of code that call operations are sent to the server
(``code_notes``).
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, cast

_PREFIX = "/2018-06-01/runtime"
_THIS = __file__

Handler = Callable[[Any, Any], Any]


class HandlerError(Exception):
    """The handler cannot be loaded. ``kind`` is the type of the error that Lambda reports for it."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace or []


class RuntimeApi:
    """The Runtime API at the address of this process's worker, over one connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def next(self) -> tuple[Mapping[str, str], bytes]:
        """Wait for the next invocation; return its headers and its event."""
        self._connection.request("GET", f"{_PREFIX}/invocation/next")
        response = self._connection.getresponse()
        event = response.read()
        return cast("Mapping[str, str]", response.headers), event

    def post(self, path: str, body: bytes, kind: str | None = None) -> None:
        """Send a result, or an error of this kind."""
        headers = {"Content-Type": "application/json"}
        if kind is not None:
            headers["Lambda-Runtime-Function-Error-Type"] = kind
        self._connection.request("POST", path, body, headers)
        self._connection.getresponse().read()

    def answer(self, request_id: str, result: bytes) -> None:
        """Send the result of an invocation."""
        self.post(f"{_PREFIX}/invocation/{request_id}/response", result)

    def fail(self, request_id: str | None, kind: str, message: str, trace: list[str]) -> None:
        """Send the failure of an invocation, or of the start of this process."""
        body = {"errorType": kind, "errorMessage": message, "stackTrace": trace}
        path = "init" if request_id is None else f"invocation/{request_id}"
        self.post(f"{_PREFIX}/{path}/error", json.dumps(body).encode(), kind)


class Context:
    """The handler's second argument, with the members of Lambda's context object."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        variables = os.environ
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.tenant_id = headers.get("Lambda-Runtime-Aws-Tenant-Id")
        self.function_name = variables["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = variables["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = variables["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = variables["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = None
        self._ends_at = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function's timeout; 0 after it."""
        return max(0, self._ends_at - time.time_ns() // 1_000_000)


def load_module(root: str, name: str) -> ModuleType:
    """Import a module by its path below the root, as ``app`` or ``package/module``.

    The root is first on ``sys.path``. Raises what the module raises.
    """
    if root not in sys.path:
        sys.path.insert(0, root)
    dotted = name.replace("/", ".")
    base = Path(root, *name.split("/"))
    flat = Path(root, *dotted.split("."))
    for file in (base.with_name(base.name + ".py"), flat.with_name(flat.name + ".py")):
        if file.is_file():
            break
    else:
        return importlib.import_module(dotted)
    if dotted in sys.modules and getattr(sys.modules[dotted], "__file__", None) != str(file):
        # A function in json.py must not take the place of the standard library's json.
        dotted += "_workflow"
    spec = importlib.util.spec_from_file_location(dotted, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[dotted] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[dotted]
        raise
    return module


def load_handler(root: str, handler: str) -> Handler:
    """Return the function that ``_HANDLER`` names; raise ``HandlerError`` as Lambda words it."""
    name, _, attribute = handler.rpartition(".")
    if not name:
        raise HandlerError(
            "Runtime.MalformedHandlerName", f"Bad handler '{handler}': not enough values to unpack"
        )
    try:
        module = load_module(root, name)
    except SystemExit:
        raise
    except ImportError as error:
        raise HandlerError(
            "Runtime.ImportModuleError", f"Unable to import module '{name}': {error}", _trace(error)
        ) from error
    except SyntaxError as error:
        line = f'File "{error.filename}" Line {error.lineno}\n    {error.text or ""}'
        raise HandlerError(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{name}': {error}", [line]
        ) from error
    except Exception as error:
        raise HandlerError(type(error).__name__, str(error), _trace(error)) from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise HandlerError(
            "Runtime.HandlerNotFound", f"Handler '{attribute}' missing on module '{name}'"
        )
    return cast("Handler", function)


def run_one(api: RuntimeApi, handler: Handler) -> None:
    """Answer one invocation."""
    headers, payload = api.next()
    context = Context(headers)
    request_id = context.aws_request_id
    os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id") or ""
    REQUEST.request_id = request_id
    try:
        event = json.loads(payload)
    except ValueError as error:
        api.fail(request_id, "Runtime.UnmarshalError", f"Unable to unmarshal input: {error}", [])
        return
    try:
        result = handler(event, context)
    except SystemExit:
        _flush()
        raise
    except BaseException as error:
        trace = _trace(error)
        _write_error(f"{type(error).__name__}: {error}", trace)
        api.fail(request_id, type(error).__name__, str(error), trace)
        return
    _flush()
    try:
        body = json.dumps(result, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        api.fail(request_id, "Runtime.MarshalError", f"Unable to marshal response: {error}", [])
        return
    api.answer(request_id, body)


def main() -> None:
    """Load the handler, and answer invocations until the server ends the process."""
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    api = RuntimeApi(address)
    _configure_logging()
    _read_kept_sources()
    try:
        handler = load_handler(os.environ["LAMBDA_TASK_ROOT"], os.environ["_HANDLER"])
    except HandlerError as error:
        _write_error(f"{error.kind}: {error}", error.trace)
        api.fail(None, error.kind, str(error), error.trace)
        sys.exit(1)
    handler = _observed(handler, address)
    try:
        while True:
            run_one(api, handler)
    except (ConnectionError, http.client.HTTPException):
        return  # The server has ended this worker.


def _read_kept_sources() -> None:
    """Import the sources that the server has kept, if it has: see ``kept_sources``."""
    if not os.environ.get("_DURABLE_SOURCES"):
        return
    script = Path(_THIS).with_name("kept_sources.py")
    spec = importlib.util.spec_from_file_location("_durable_kept_sources", script)
    assert spec is not None
    assert spec.loader is not None
    kept_sources: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kept_sources)
    kept_sources.read(os.environ["_DURABLE_SOURCES"])


def _observed(handler: Handler, address: str) -> Handler:
    """Return the handler, with notes for the server about its code if it is one of the SDK's."""
    if "durable_execution_sdk" not in sys.modules:
        return handler
    try:
        from durable_execution_sdk.dev.functions import code_notes  # noqa: PLC0415
    except ImportError:
        return handler  # An SDK of another version, which has no notes.
    return cast("Handler", code_notes.observing(handler, address))


class _Request:
    """The invocation in progress, for log records."""

    request_id: str | None = None


REQUEST = _Request()


class _RequestFilter(logging.Filter):
    """Puts the request's id on records, as Lambda's client does."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = REQUEST.request_id
            record.aws_request_id = REQUEST.request_id
        return True


def _configure_logging() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_RequestFilter())
    handler.setFormatter(_formatter())
    logging.root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
    logging.root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level))


def _formatter() -> logging.Formatter:
    text = "[%(levelname)s]\t%(asctime)s.%(msecs)dZ\t%(request_id)s\t%(message)s"
    formatter = logging.Formatter(text, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") != "JSON":
        return formatter
    try:
        from durable_execution_sdk.runtime.logging.json_formatter import JsonFormatter  # noqa: PLC0415
    except ImportError:
        return formatter
    return JsonFormatter()


def _trace(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if frame.filename != _THIS and "importlib" not in frame.filename
    ]
    return [line.rstrip("\n") for line in traceback.format_list(own)]


def _write_error(title: str, trace: list[str]) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write("\n".join(["[ERROR] " + title, *trace]) + "\n")
    _flush()


def _flush() -> None:
    # A function may have closed its streams.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


if __name__ == "__main__":
    main()
