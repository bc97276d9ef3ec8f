"""Call handlers as Lambda does: a JSON payload in, a JSON response or an error out."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import DEFAULT_MEMORY_MB

_logger = logging.getLogger(__name__)
_PACKAGE_DIRECTORY = str(Path(__file__).parent.parent.parent)

Handler = Callable[[Any, Any], object]
"""A Lambda handler: ``(event, lambda_context) -> JSON value``."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a function. ``remaining()`` is the number of milliseconds until its timeout."""

    request_id: str
    function_name: str
    version: str
    function_arn: str
    payload: bytes
    remaining: Callable[[], int]
    memory_mb: int = DEFAULT_MEMORY_MB
    tenant_id: str | None = None
    trace_header: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Response to a call: JSON text, or the error with which the function failed.

    ``is_timed``: the invoker itself holds the function to its timeout, by a clock of its own.
    ``is_interrupted``: the user stopped the function in good order, so there is no response.
    """

    payload: bytes = b""
    error: ErrorObject | None = None
    is_timed: bool = False
    is_interrupted: bool = False


class Invoker(Protocol):
    """Calls one function, in this process or elsewhere."""

    def __call__(self, call: Call) -> Answer:
        """Call the function and wait; its failure is returned in the answer, not raised."""
        ...


class LambdaContext:
    """The handler's second argument, with the members of Lambda's context object."""

    def __init__(self, call: Call) -> None:
        self.aws_request_id = call.request_id
        self.function_name = call.function_name
        self.function_version = call.version
        self.invoked_function_arn = call.function_arn
        self.memory_limit_in_mb = str(call.memory_mb)
        self.log_group_name = f"/aws/lambda/{call.function_name}"
        self.log_stream_name = f"emulator/[{call.version}]{call.request_id.replace('-', '')}"
        self.tenant_id = call.tenant_id
        # In Lambda this is the environment variable _X_AMZN_TRACE_ID; here invocations share a process.
        self.trace_header = call.trace_header
        self.client_context: object = None
        self.identity: object = None
        self._remaining = call.remaining

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function's timeout; 0 after it."""
        return max(0, self._remaining())


class InProcess:
    """Calls a Lambda handler in this thread."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __call__(self, call: Call) -> Answer:
        """Call the handler; an exception becomes an error with its class name, as in Lambda."""
        try:
            event = msgspec.json.decode(call.payload or b"{}")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            # A chained invoke with a custom serdes may send something that is not JSON.
            return Answer(
                error=ErrorObject(
                    error_type="Runtime.UnmarshalError",
                    error_message=f"Unable to unmarshal input: {error}",
                )
            )
        try:
            result = self._handler(event, LambdaContext(call))
        except (KeyboardInterrupt, GeneratorExit):
            # The process is being stopped: the invocation is recorded as lost by the next driver.
            raise
        except SystemExit as error:
            _warn_of_exit(error)
            return Answer(error=exit_error(call.request_id, error.code))
        except BaseException as error:
            # Lambda turns every exception of a handler into an error response.
            return Answer(error=_error_object(error))
        try:
            return Answer(payload=json.dumps(result, ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError, RecursionError) as error:
            return Answer(
                error=ErrorObject(
                    error_type="Runtime.MarshalError",
                    error_message=f"Unable to marshal response: {error}",
                )
            )


def _warn_of_exit(error: SystemExit) -> None:
    """Log the place of a ``sys.exit`` in the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or frames[-1].filename.startswith(_PACKAGE_DIRECTORY):
        return
    _logger.warning(
        "%s line %d, in %s, called sys.exit(%r), which ends the process in Lambda: the invocation has"
        " failed, and is made again after a delay. Raise an exception to fail a step or the execution",
        frames[-1].filename,
        frames[-1].lineno,
        frames[-1].name,
        error.code,
    )


def exit_error(request_id: str, status: object = None) -> ErrorObject:
    """Return the error of an invocation whose process ended."""
    suffix = "" if status is None else f": exit status {status}"
    return ErrorObject(
        error_type="Runtime.ExitError",
        error_message=f"RequestId: {request_id} Error: Runtime exited with error{suffix}",
    )


def timeout_error(request_id: str, seconds: float) -> ErrorObject:
    """Return the error of an invocation that exceeded its function's timeout."""
    return ErrorObject(
        error_type="Sandbox.Timedout",
        error_message=f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds",
    )


def _error_object(error: BaseException) -> ErrorObject:
    return ErrorObject(
        error_type=type(error).__name__,
        error_message=str(error),
        stack_trace=[line.rstrip("\n") for line in traceback.format_tb(error.__traceback__)],
    )
