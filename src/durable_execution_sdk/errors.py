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
    │   ├── OperationCancelledError   the workflow gave the operation up, and awaits it again
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

An ``OperationError`` is also an instance of the exception that was raised inside the operation, or of
its nearest bases that are loaded: ``except CardDeclined`` and ``except StepError`` both catch it, on the
first run and on every replay. ``docs/errors.md`` says what is kept of it.
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
    "OperationCancelledError",
    "OperationError",
    "PayloadSizeError",
    "SerDesError",
    "ServiceError",
    "StepError",
    "StepInterruptedError",
    "StoreError",
    "WaitForConditionError",
]


# Without a layout of their own, these classes go with any other exception's, even with those written in C.
# By name, because type checkers would take a literal for the list of all attributes.
_NO_SLOTS: tuple[str, ...] = ()


class DurableError(Exception):
    """What everything that the SDK raises has in common."""

    __slots__ = _NO_SLOTS

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

    ``error_type``, ``error_message`` and ``stack_trace`` are what the log holds, so they are the same on
    every replay. ``error_data`` is what the sender of a failure from outside sent along: that of a
    callback, or an invoked function.
    """

    __slots__ = _NO_SLOTS

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

    def is_a(self, name: str) -> bool:
        """Report whether the failure is of a class with this name, or of a subclass of it.

        The name is ``"httpx.HTTPStatusError"`` or ``"HTTPStatusError"``. The class need not be loaded,
        unlike one that an ``except`` clause names.
        """
        if name == self.__dict__.get("error_type"):
            return True
        return any(
            name in (path.replace(":", "."), path.rpartition(":")[2], path.rpartition(".")[2])
            for path in _paths_of(type(self))
        )


def _paths_of(kind: type) -> Sequence[str]:
    """The recorded classes of a failure (``module:name``), or those that it has."""
    recorded: Sequence[str] | None = getattr(kind, "recorded_classes__", None)
    return recorded or [f"{each.__module__}:{each.__qualname__}" for each in kind.__mro__]


class StepError(OperationError):
    """A step failed and its retry strategy gave up; ``attempts`` is how often its function has run."""

    __slots__ = _NO_SLOTS

    attempts: int | None = None


class StepInterruptedError(StepError):
    """An at-most-once step was cut off while its body ran; it may have had its effect.

    The retry strategy decides whether there is another attempt, as for any failure.
    """

    __slots__ = _NO_SLOTS


class CallbackError(OperationError):
    """A callback did not bring a result."""

    __slots__ = _NO_SLOTS


class CallbackTimeoutError(CallbackError):
    """Nobody answered before the timeout, or no heartbeat came in time.

    ``error_type`` is ``Callback.Timeout`` or ``Callback.Heartbeat``.
    """

    __slots__ = _NO_SLOTS


class CallbackExternalError(CallbackError):
    """The external system answered with a failure: type, message and data are the sender's."""

    __slots__ = _NO_SLOTS


class CallbackSubmitterError(CallbackError):
    """The function that hands out the callback id failed for good."""

    __slots__ = _NO_SLOTS


class InvokeError(OperationError):
    """An invoked function failed, timed out, was stopped, or could not be started."""

    __slots__ = _NO_SLOTS


class ChildContextError(OperationError):
    """The function of a child context raised."""

    __slots__ = _NO_SLOTS


class WaitForConditionError(OperationError):
    """The check raised, or the wait strategy ran out of attempts."""

    __slots__ = _NO_SLOTS


class OperationCancelledError(OperationError):
    """The operation was given up: the task that awaited it was cancelled, and no other one did.

    Raised where it is awaited again. It is no ``CancelledError``, which would end the awaiting task
    without a word.
    """


class FailureGroupError(OperationError, ExceptionGroup[Exception]):
    """Several operations failed; ``except*`` and ``exceptions`` give each of their errors."""

    __slots__ = _NO_SLOTS

    def __new__(cls, message: str, exceptions: Sequence[Exception]) -> Self:
        """As for any exception group."""
        return super().__new__(cls, message, exceptions)

    def __init__(self, message: str, exceptions: Sequence[Exception]) -> None:
        super().__init__(message)
        self.args = (message, exceptions)


class AllFailedError(FailureGroupError):
    """``ctx.any``: not one of the operations succeeded. ``exceptions`` has their order."""

    __slots__ = _NO_SLOTS


class CompensationError(FailureGroupError):
    """A saga failed, and so did compensations of it: something is left half done.

    ``exceptions`` are the error that the saga failed with, and those of the compensations.
    """

    __slots__ = _NO_SLOTS


class ExecutionError(DurableError):
    """Fails the execution; no retry would help. ``DurableError.execution(...)`` makes one."""

    __slots__ = _NO_SLOTS


class DeterminismError(ExecutionError):
    """On replay, the code asked for another operation than the log holds at this place."""

    __slots__ = _NO_SLOTS


class DeadlockError(ExecutionError):
    """Every task of the workflow waits, and nothing durable is pending that could wake one."""

    __slots__ = _NO_SLOTS


class SerDesError(ExecutionError):
    """A value cannot be written as JSON, or a payload does not fit the expected type."""

    __slots__ = _NO_SLOTS


class PayloadSizeError(ExecutionError):
    """A payload is larger than the service stores for its kind of operation."""

    __slots__ = _NO_SLOTS


class InvocationError(DurableError):
    """Fails this invocation only; Lambda invokes again. ``DurableError.invocation(...)`` makes one."""

    __slots__ = _NO_SLOTS


# AWS's names for "later", some of which come with status 400.
_TRANSIENT_CODES = frozenset(
    {
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)

_CREDENTIAL_CODES = frozenset(
    {
        "CredentialsError",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class ServiceError(DurableError):
    """The service refused a call, or could not be reached.

    ``code`` is the API's error name (``InvalidParameterValueException`` ...), ``status`` the HTTP
    status; both are ``None`` when no answer came at all.
    """

    __slots__ = _NO_SLOTS

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
        code = self.code
        if code is not None and (code.startswith("KMS") or code in _CREDENTIAL_CODES):
            return False
        if code in _TRANSIENT_CODES:
            return True
        return self.status is None or self.status == 429 or self.status >= 500

    @property
    def is_about_credentials(self) -> bool:
        """Whether the caller's keys were refused: missing, expired, not yet valid, or another clock.

        The next process has others, so that Lambda is to invoke again.
        """
        return self.code in _CREDENTIAL_CODES


class StoreError(DurableError):
    """The file that the emulator keeps executions in cannot be used; the message says what to do."""

    __slots__ = _NO_SLOTS


class ConfigError(DurableError, ValueError):
    """An argument or option is wrong; found when it is given, before anything is recorded."""

    __slots__ = _NO_SLOTS


class ContextMisuseError(DurableError):
    """A durable context was used where it does not belong; the message says what to use."""

    __slots__ = _NO_SLOTS


class InternalError(DurableError):
    """A defect of the SDK, not of your code: please report it."""

    __slots__ = _NO_SLOTS
