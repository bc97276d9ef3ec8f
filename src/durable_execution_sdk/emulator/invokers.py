"""How a function is called: a Lambda payload in, an answer out, whatever happens in between."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from durable_execution_sdk.model.failure import ErrorObject

_logger = logging.getLogger(__name__)
_OURS = str(Path(__file__).parent.parent)

Handler = Callable[[Any, Any], Any]
"""A Lambda handler: ``(event, lambda_context) -> JSON value``."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a function. ``remaining`` tells the milliseconds until it is cut off."""

    request_id: str
    function_name: str
    version: str
    function_arn: str
    payload: bytes
    remaining: Callable[[], int]
    memory_mb: int = 128
    tenant_id: str | None = None
    trace_header: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call: JSON text, or how the function failed."""

    payload: bytes = b""
    error: ErrorObject | None = None


class Invoker(Protocol):
    """A way to call one function."""

    def __call__(self, call: Call) -> Answer:
        """Call it and wait; a function that fails is an answer too."""
        ...


class LambdaContext:
    """What a handler gets as its second argument, with the members that Lambda's has."""

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
        self.client_context: Any = None
        self.identity: Any = None
        self._remaining = call.remaining

    def get_remaining_time_in_millis(self) -> int:
        """How long the handler may still run."""
        return max(0, self._remaining())


class InProcess:
    """Calls a Lambda handler in this thread."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __call__(self, call: Call) -> Answer:
        """Call it; an exception is an answer with the exception's class name, as in Lambda."""
        try:
            event = msgspec.json.decode(call.payload or b"{}")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            # Another function may have sent anything: with a serdes of its own, not even JSON.
            return Answer(
                error=ErrorObject(
                    error_type="Runtime.UnmarshalError",
                    error_message=f"Unable to unmarshal input: {error}",
                )
            )
        try:
            result = self._handler(event, LambdaContext(call))
        except (KeyboardInterrupt, GeneratorExit):
            # Whoever runs the emulator wants to stop; the invocation counts as cut.
            raise
        except SystemExit as error:
            _warn_of_exit(error)
            return Answer(error=exit_error(call.request_id, error.code))
        except BaseException as error:
            # Lambda answers for whatever a handler does.
            return Answer(error=_described(error))
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
    """Say where code of the user's ended its process, as far as it can here."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or frames[-1].filename.startswith(_OURS):
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
    """The error of an invocation whose process is gone."""
    how = "" if status is None else f": exit status {status}"
    return ErrorObject(
        error_type="Runtime.ExitError",
        error_message=f"RequestId: {request_id} Error: Runtime exited with error{how}",
    )


def timeout_error(request_id: str, seconds: float) -> ErrorObject:
    """The error of an invocation that took longer than its function's timeout."""
    return ErrorObject(
        error_type="Sandbox.Timedout",
        error_message=f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds",
    )


def _described(error: BaseException) -> ErrorObject:
    return ErrorObject(
        error_type=type(error).__name__,
        error_message=str(error),
        stack_trace=[line.rstrip("\n") for line in traceback.format_tb(error.__traceback__)],
    )
