"""Every exception that the SDK raises, in one tree.

::

    DurableError
    ├── OperationError            yours: a durable operation failed; catch it where you await
    │   ├── StepError
    │   │   └── StepInterruptedError      an at-most-once body was cut off and may not run again
    │   ├── CallbackError
    │   │   ├── CallbackTimeoutError      nobody answered in time
    │   │   ├── CallbackExternalError     somebody answered with a failure
    │   │   └── CallbackSubmitterError    the id could not be handed out
    │   ├── InvokeError
    │   ├── ChildContextError
    │   ├── WaitForConditionError
    │   └── FailureGroupError             several failed: an ExceptionGroup too
    │       ├── AllFailedError                ctx.any: not one operand succeeded
    │       └── CompensationError             a saga failed, and so did compensations of it
    ├── ExecutionError            the environment: this execution fails, no retry helps
    │   ├── DeterminismError              replay took another path than the log
    │   ├── DeadlockError                 every task waits and nothing can wake one
    │   ├── SerDesError                   a value does not fit its type, or is not JSON
    │   └── PayloadSizeError              a value is larger than the service stores
    ├── InvocationError           the environment: this invocation fails, Lambda invokes again
    ├── ServiceError              the service's answer to a call, with its code and status
    ├── StoreError                the file that the emulator keeps executions in cannot be used
    ├── ConfigError               a wrong argument, found before anything was recorded
    ├── ContextMisuseError        a context used where it does not belong
    └── InternalError             ours: please report it

``durable_execution_sdk.testing`` adds a ``DurableTestError`` for what only a test can run into.

An ``OperationError`` is also an instance of the exception that was raised inside the operation, when
that class is loaded and its state could be recorded: ``except CardDeclined`` and ``except StepError``
both catch it, on the first run and on every replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

__all__ = [
    "AllFailedError",
    "CallbackError",
    "CallbackExternalError",
    "CallbackSubmitterError",
    "CallbackTimeoutError",
    "ChildContextError",
    "CompensationError",
    "ConfigError",
    "ContextMisuseError",
    "DeadlockError",
    "DeterminismError",
    "DurableError",
    "ExecutionError",
    "FailureGroupError",
    "InternalError",
    "InvocationError",
    "InvokeError",
    "OperationError",
    "PayloadSizeError",
    "SerDesError",
    "ServiceError",
    "StepError",
    "StepInterruptedError",
    "StoreError",
    "WaitForConditionError",
]


class DurableError(Exception):
    """What everything that the SDK raises has in common."""

    @staticmethod
    def execution(message: str) -> ExecutionError:
        """An error that fails the execution: FAILED, and Lambda does not invoke again."""
        return ExecutionError(message)

    @staticmethod
    def invocation(message: str) -> InvocationError:
        """An error that fails only this invocation: Lambda invokes again, with backoff."""
        return InvocationError(message)


class OperationError(DurableError):
    """A durable operation failed for good; retries, where it has any, are used up.

    ``error_type``, ``error_message``, ``error_data`` and ``stack_trace`` are what the log holds, so
    they are the same on every replay.
    """

    def __init__(
        self,
        error_message: str = "",
        *,
        error_type: str | None = None,
        error_data: str | None = None,
        stack_trace: list[str] | None = None,
        operation_id: str | None = None,
        operation_name: str | None = None,
    ) -> None:
        super().__init__(error_message)
        self.error_message = error_message
        self.error_type = error_type or type(self).__name__
        self.error_data = error_data
        self.stack_trace = stack_trace or []
        self.operation_id = operation_id
        self.operation_name = operation_name


class StepError(OperationError):
    """A step failed and its retry strategy gave up."""


class StepInterruptedError(StepError):
    """An at-most-once step was cut off while its body ran; it may have had its effect.

    The retry strategy decides whether there is another attempt, as for any failure.
    """


class CallbackError(OperationError):
    """A callback did not bring a result."""


class CallbackTimeoutError(CallbackError):
    """Nobody answered before the timeout, or no heartbeat came in time.

    ``error_type`` is ``Callback.Timeout`` or ``Callback.Heartbeat``.
    """


class CallbackExternalError(CallbackError):
    """The external system answered with a failure: type, message and data are the sender's."""


class CallbackSubmitterError(CallbackError):
    """The function that hands out the callback id failed for good."""


class InvokeError(OperationError):
    """An invoked function failed, timed out, was stopped, or could not be started."""


class ChildContextError(OperationError):
    """The function of a child context raised."""


class WaitForConditionError(OperationError):
    """The check raised, or the wait strategy ran out of attempts."""


class FailureGroupError(OperationError, ExceptionGroup[Exception]):
    """Several operations failed; ``except*`` and ``exceptions`` give each of their errors."""

    def __new__(cls, message: str, exceptions: Sequence[Exception]) -> Self:
        """As for any exception group."""
        return super().__new__(cls, message, exceptions)

    def __init__(self, message: str, exceptions: Sequence[Exception]) -> None:
        super().__init__(message)
        self.args = (message, exceptions)


class AllFailedError(FailureGroupError):
    """``ctx.any``: not one of the operations succeeded. ``exceptions`` has their order."""


class CompensationError(FailureGroupError):
    """A saga failed, and so did compensations of it: something is left half done.

    ``exceptions`` are the error that the saga failed with, and those of the compensations.
    """


class ExecutionError(DurableError):
    """Fails the execution; no retry would help. ``DurableError.execution(...)`` makes one."""


class DeterminismError(ExecutionError):
    """On replay, the code asked for another operation than the log holds at this place."""


class DeadlockError(ExecutionError):
    """Every task of the workflow waits, and nothing durable is pending that could wake one."""


class SerDesError(ExecutionError):
    """A value cannot be written as JSON, or a payload does not fit the expected type."""


class PayloadSizeError(ExecutionError):
    """A payload is larger than the service stores for its kind of operation."""


class InvocationError(DurableError):
    """Fails this invocation only; Lambda invokes again. ``DurableError.invocation(...)`` makes one."""


class ServiceError(DurableError):
    """The service refused a call, or could not be reached.

    ``code`` is the API's error name (``InvalidParameterValueException`` ...), ``status`` the HTTP
    status; both are ``None`` when no answer came at all.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        """The message, with the API's name for the error in front."""
        return f"{self.code}: {self.message}" if self.code else self.message

    @property
    def is_stale_token(self) -> bool:
        """Whether the checkpoint token was used up: another invocation has taken over."""
        return (
            self.code == "InvalidParameterValueException"
            and "invalid checkpoint token" in self.message.lower()
        )

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later: no answer, throttled, or the service's fault.

        KMS errors are answered with 502 but last until somebody changes the key.
        """
        if self.code is not None and self.code.startswith("KMS"):
            return False
        return self.status is None or self.status == 429 or self.status >= 500


class StoreError(DurableError):
    """The file that the emulator keeps executions in cannot be used; the message says what to do."""


class ConfigError(DurableError, ValueError):
    """An argument or option is wrong; found when it is given, before anything is recorded."""


class ContextMisuseError(DurableError):
    """A durable context was used where it does not belong; the message says what to use."""


class InternalError(DurableError):
    """A defect of the SDK, not of your code: please report it."""
