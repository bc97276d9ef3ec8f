"""All exceptions that the SDK raises, in one tree.

::

    DurableError
    ├── OperationError            yours: a durable operation failed; catch it where you await
    │   ├── StepError
    │   │   ├── StepInterruptedError      the body was cut off, and its strategy allows no other attempt
    │   │   ├── StepTimeoutError          an attempt took longer than the step's timeout
    │   │   └── ContinueAsNewError        the next execution could not be started
    │   ├── CallbackError
    │   │   ├── CallbackTimeoutError      no result and no heartbeat came in time
    │   │   ├── CallbackExternalError     the external system sent an error
    │   │   └── CallbackSubmitterError    the function that submits the callback id failed
    │   ├── InboxError
    │   │   ├── InboxTimeoutError         no message came in time
    │   │   ├── InboxMessageError         a message does not fit the type of the inbox
    │   │   └── InboxClosedError          the inbox was closed, and has no more messages
    │   ├── InvokeError
    │   │   └── InvokeTimeoutError        the other function did not end within InvokeConfig.timeout
    │   ├── ChildContextError
    │   │   └── ChildContextTimeoutError  a context, an item or a branch did not end within its time limit
    │   ├── WaitForConditionError
    │   │   └── WaitForConditionTimeoutError  the condition was not met within the time limit
    │   ├── OperationCancelledError   the workflow gave the operation up, and awaits it again
    │   └── FailureGroupError             several operations failed: an ExceptionGroup too
    │       ├── AllFailedError                ctx.any: no operation succeeded
    │       └── CompensationError             a saga failed, and so did some of its compensations
    ├── ExecutionError            the environment: this execution fails, retries would not help
    │   ├── DeterminismError              replay took another path than the log
    │   ├── DeadlockError                 every task waits and nothing can wake one
    │   ├── SerDesError                   a value does not fit its type, or is not JSON
    │   └── PayloadSizeError              a value is larger than the service stores
    ├── InvocationError           the environment: this invocation fails, Lambda invokes again
    ├── ServiceError              the service refused a call (code, status), or was not reached
    ├── StoreError                the emulator's file of executions cannot be used
    ├── ConfigError               an invalid argument, detected before anything is recorded
    ├── ContextMisuseError        a context used outside of its own function; a handle given an outcome
    └── InternalError             ours: please report it

``durable_execution_sdk.testing`` adds ``DurableTestError``, for errors that only tests can have.

An ``OperationError`` is also an instance of the exception that was raised inside the operation, or of
its nearest base classes whose modules are loaded: ``except CardDeclined`` and ``except StepError`` both
catch it, on the first run and on every replay. ``docs/errors.md`` lists the parts of the exception that
are recorded.

The module is long because the tree is read whole, and every exception has its documentation for users.
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
    "ChildContextTimeoutError",
    "CompensationError",
    "ConfigError",
    "ContextMisuseError",
    "ContinueAsNewError",
    "DeadlockError",
    "DeterminismError",
    "DurableError",
    "ExecutionError",
    "FailureGroupError",
    "InboxClosedError",
    "InboxError",
    "InboxMessageError",
    "InboxTimeoutError",
    "InternalError",
    "InvocationError",
    "InvokeError",
    "InvokeTimeoutError",
    "OperationCancelledError",
    "OperationError",
    "PayloadSizeError",
    "SerDesError",
    "ServiceError",
    "StepError",
    "StepInterruptedError",
    "StepTimeoutError",
    "StoreError",
    "WaitForConditionError",
    "WaitForConditionTimeoutError",
]


# Empty slots let these classes be combined with any other exception class, even one written in C. A
# variable, because type checkers read a literal as the complete list of attributes.
_NO_SLOTS: tuple[str, ...] = ()


class DurableError(Exception):
    """Base of all exceptions that the SDK raises."""

    __slots__ = _NO_SLOTS

    @staticmethod
    def execution(message: str) -> ExecutionError:
        """Return an error that fails the execution: Lambda does not invoke it again."""
        return ExecutionError(message)

    @staticmethod
    def invocation(message: str) -> InvocationError:
        """Return an error that fails only this invocation: Lambda invokes again, with backoff."""
        return InvocationError(message)


class OperationError(DurableError):
    """A durable operation failed, after all its retries.

    ``error_type``, ``error_message`` and ``stack_trace`` are read from the log, so they are the same on
    every replay. ``error_data`` is set by the sender of an error from outside: the external system of a
    callback, or the invoked function.
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
        """Return True when the failure is of the class with this name, or of a subclass.

        The name is ``"httpx.HTTPStatusError"`` or ``"HTTPStatusError"``. Unlike in an ``except``
        clause, the class does not have to be imported.
        """
        if name == self.__dict__.get("error_type"):
            return True
        return any(
            name in (path.replace(":", "."), path.rpartition(":")[2], path.rpartition(".")[2])
            for path in _paths_of(type(self))
        )


def _paths_of(kind: type) -> Sequence[str]:
    """Return the classes of a failure as ``module:name``: the recorded ones, or its own."""
    recorded: Sequence[str] | None = getattr(kind, "recorded_classes__", None)
    return recorded or [f"{base.__module__}:{base.__qualname__}" for base in kind.__mro__]


class StepError(OperationError):
    """A step failed and its retry strategy gave up; ``attempts`` is the number of attempts made.

    Cause: every attempt of the step raised an exception, or the strategy allows no retry for this one.

    Cure: catch it, or the class that the function raised, where you await the step; for errors that pass, give
    ``StepConfig`` another ``retry_strategy``.
    """

    __slots__ = _NO_SLOTS

    attempts: int | None = None


class StepInterruptedError(StepError):
    """A step was interrupted while its body ran; its effect may have happened.

    An at-most-once body was cut off, by a crash for instance, or a body still ran when the function's time was nearly
    up. The retry strategy decides about another attempt, as for any failure.

    Cure: look up whether the effect happened, with an idempotency key for instance, before you start the step again. A
    step that is safe to repeat should not be at most once; a long one needs ``StepConfig.needs``, or a longer timeout of
    the function.
    """

    __slots__ = _NO_SLOTS


class StepTimeoutError(StepError):
    """An attempt of a step took longer than ``StepConfig.timeout``; its effect may have happened.

    The retry strategy decides about another attempt, as for any failure.

    Cure: give the step a longer ``timeout``, let the function end earlier, or allow another attempt. A plain function goes
    on in its thread: let it have a timeout of its own.
    """

    __slots__ = _NO_SLOTS


class ContinueAsNewError(StepError):
    """``ctx.continue_as_new`` could not start the next execution, and its retry strategy gave up; this one goes on.

    The message names the function and the execution, and the permission that is missing if that is the reason.

    Cause: the function was refused or not found, most often for want of ``lambda:InvokeFunction``.

    Cure: give the function's role that permission for itself; the code may go on, or fail.
    """

    __slots__ = _NO_SLOTS


class CallbackError(OperationError):
    """A callback ended without a result.

    Cause: see its three subclasses.

    Cure: catch the subclass that you can answer: ask again, escalate, or give up.
    """

    __slots__ = _NO_SLOTS


class CallbackTimeoutError(CallbackError):
    """The callback was not completed before its timeout, or no heartbeat came in time.

    ``error_type`` is ``Callback.Timeout`` or ``Callback.Heartbeat``.

    Cause: the answer is late, or the sender stopped sending heartbeats.

    Cure: escalate or ask again with a new callback; the old id takes no answer any more. Longer limits are
    ``CallbackConfig.timeout`` and ``heartbeat_timeout``.
    """

    __slots__ = _NO_SLOTS


class CallbackExternalError(CallbackError):
    """The external system completed the callback with an error; type, message and data are its own.

    Cause: the other side answered with a failure (``SendDurableExecutionCallbackFailure``, ``callback.fail(...)``).

    Cure: read ``error_type``, ``error_message`` and ``error_data``, and decide as for an answer.
    """

    __slots__ = _NO_SLOTS


class CallbackSubmitterError(CallbackError):
    """The function that submits the callback id failed, after all its retries.

    Cause: the function given to ``ctx.wait_for_callback`` raised, so that the id may not have been handed out.

    Cure: as for a step: ``WaitForCallbackConfig.retry_strategy``, or repair the function. The error is also what it raised.
    """

    __slots__ = _NO_SLOTS


class InboxError(OperationError):
    """An inbox gave no message.

    Cause: see its three subclasses.

    Cure: catch the subclass that you can answer.
    """

    __slots__ = _NO_SLOTS


class InboxTimeoutError(InboxError, TimeoutError):
    """No message came within the timeout of ``inbox.get``; none is lost.

    Cause: the senders are late or do not know the execution.

    Cure: go on without the message, remind the sender, or call ``get`` again with a longer timeout.
    """

    __slots__ = _NO_SLOTS


class InboxMessageError(InboxError):
    """A message could not be read as the inbox's type. It counts as taken: the next ``get`` takes the next one.

    ``inbox`` is the name of the inbox, ``number`` that of the message, from 1.

    Cause: the sender's value has another shape than the type in ``ctx.inbox(name, type)``.

    Cure: catch it and call ``get`` again; let the sender use ``InboxRef`` with the same type.
    """

    __slots__ = _NO_SLOTS

    inbox: str | None = None
    number: int | None = None


class InboxClosedError(InboxError):
    """The inbox was closed, and all messages that it had accepted before were taken.

    Cause: the code itself closed the inbox.

    Cure: end the loop that takes messages, as ``async for`` does by itself.
    """

    __slots__ = _NO_SLOTS


class InvokeError(OperationError):
    """An invoked function failed, timed out, was stopped, or could not be started.

    Cause: the other function raised, returned a failure, ended in another way than with a result, or is not there.
    ``error_type`` is its own, ``error_data`` what it sent along.

    Cure: catch it; if the function is not found, invoke a version or an alias (``"ship:live"``) and check the role's
    permission ``lambda:InvokeFunction``.
    """

    __slots__ = _NO_SLOTS


class InvokeTimeoutError(InvokeError):
    """An invoked function did not end within ``InvokeConfig.timeout``; it goes on, and its result is not used.

    Cure: set a longer timeout, or stop the other execution yourself if its effect is not wanted.
    """

    __slots__ = _NO_SLOTS


class ChildContextError(OperationError):
    """The function of a child context raised an exception.

    Cause: an exception left the function of ``ctx.run_in_child_context``, of an item or of a branch.

    Cure: catch it, or the class that was raised, outside of the context; for a batch read ``item.error``.
    """

    __slots__ = _NO_SLOTS


class ChildContextTimeoutError(ChildContextError):
    """A child context, an item of a map or a branch of a parallel did not end within its time limit.

    Its function was cancelled, and everything in it given up.

    Cure: set a longer ``timeout``, or do less in one context; effects that need undoing belong in ``ctx.saga()``.
    """

    __slots__ = _NO_SLOTS


class WaitForConditionError(OperationError):
    """The check raised an exception, or the polling strategy's attempts were used up.

    Cure: catch it where you await; let the strategy allow more attempts, or the check handle errors that pass.
    """

    __slots__ = _NO_SLOTS


class WaitForConditionTimeoutError(WaitForConditionError):
    """The condition was not met within ``WaitForConditionConfig.timeout``; a check that ran was cancelled.

    Cure: wait longer, or treat the state that was reached last as the answer.
    """

    __slots__ = _NO_SLOTS


class OperationCancelledError(OperationError):
    """The operation was given up: the last task that awaited it was cancelled, or it lost a race with ``cancel_losers``.

    Raised where the operation is awaited again. It is not a ``CancelledError``, because that would end
    the awaiting task silently.

    Cure: await an operation in one place, or shield it with ``asyncio.shield`` from the cancellation that is not meant for
    it.
    """


class FailureGroupError(OperationError, ExceptionGroup[Exception]):
    """Several operations failed; ``exceptions`` and ``except*`` give their errors.

    Cause: see its subclasses.

    Cure: catch the subclass, or single errors with ``except*``.
    """

    __slots__ = _NO_SLOTS

    def __new__(cls, message: str, exceptions: Sequence[Exception]) -> Self:
        """Create the group with the message and exceptions of an ``ExceptionGroup``."""
        return super().__new__(cls, message, exceptions)

    def __init__(self, message: str, exceptions: Sequence[Exception]) -> None:
        super().__init__(message)
        self.args = (message, exceptions)


class AllFailedError(FailureGroupError):
    """None of the operations of ``ctx.any`` succeeded; ``exceptions`` are in their order.

    Cure: look at each of ``exceptions``; the last resort after all alternatives belongs in the ``except`` clause.
    """

    __slots__ = _NO_SLOTS


class CompensationError(FailureGroupError):
    """A saga failed, and so did some of its compensations: their steps are not undone.

    ``exceptions`` are the saga's error, followed by those of the compensations.

    Cure: undo by hand what the failed compensations name, and let compensations retry longer
    (``compensation_config``).
    """

    __slots__ = _NO_SLOTS


class ExecutionError(DurableError):
    """Fails the execution without a retry; created by ``DurableError.execution(...)``.

    Cause: your code raised it, or a subclass names an error that no retry would cure.

    Cure: see the subclass; the execution is over, so start a new one, or fork it before the failure.
    """

    __slots__ = _NO_SLOTS


class DeterminismError(ExecutionError):
    """On replay, the code started another operation than the log holds at this place.

    Cause: the code was changed under an open execution, or branches on something that is not recorded: time, random
    numbers, the environment, a global variable. The message shows both operations and the position.

    Cure: deploy under a version or an alias, guard changes with ``ctx.patched``, record what varies in a step; ``durable
    lint`` and ``durable replay`` find it before the deployment.
    """

    __slots__ = _NO_SLOTS


class DeadlockError(ExecutionError):
    """Every task of the workflow waits, and no pending operation could wake one.

    Cause: tasks wait for one another, or for an event that no task sets. The message names each task and its wait.

    Cure: let a durable operation (a callback, an inbox, a wait) bring the event from outside, or set it in every path.
    """

    __slots__ = _NO_SLOTS


class SerDesError(ExecutionError):
    """A value cannot be written as JSON, or a payload does not fit the expected type.

    Cause: a value is of a type that has no JSON, an annotation does not fit the recorded value, or a custom serdes failed.

    Cure: return plain data, dataclasses or models; annotate the function; or give the operation a ``serdes``.
    """

    __slots__ = _NO_SLOTS


class PayloadSizeError(ExecutionError):
    """A payload exceeds the service's limit for its type of operation.

    Cause: a result or an input is larger than the limits on the page about limits.

    Cure: store it elsewhere (S3) in a step and return the key, or return less.
    """

    __slots__ = _NO_SLOTS


class InvocationError(DurableError):
    """Fails this invocation only, Lambda invokes again; created by ``DurableError.invocation(...)``.

    Cause: something outside the execution failed for now.

    Cure: none is needed: the service invokes again with the same log. Raise it yourself for a failure that passes and
    that is not of an operation.
    """

    __slots__ = _NO_SLOTS


# Error codes of AWS that ask for a later retry; some come with status 400.
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

    ``code`` is the API's error name (such as ``InvalidParameterValueException``), ``status`` the HTTP
    status; both are ``None`` when there was no response. ``retry_after`` is in seconds. ``after_lost_answer``: an
    earlier attempt of the same call got no answer, or an error of the service (5xx), and may have had its effect, which
    can be what is refused now: a callback that is answered already, for example.

    Cause: the credentials, the permissions, the network, or a request that the service does not take; the message says
    which. Calls that may succeed later have been repeated already.

    Cure: for ``AccessDeniedException`` the role's policy, for ``ResourceNotFoundException`` the name and the qualifier, for
    no response the endpoint; the rest is in the service's message.
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
        self.after_lost_answer = False

    def __str__(self) -> str:
        """Return the message, preceded by the API's name of the error."""
        text = f"{self.code}: {self.message}" if self.code else self.message
        if self.after_lost_answer:
            text += (
                "; an earlier attempt of this call got no answer, or an error of the service, and may have had its"
                " effect"
            )
        return text

    @property
    def is_stale_token(self) -> bool:
        """True when the checkpoint token is no longer valid: another invocation has taken over."""
        return (
            self.code == "InvalidParameterValueException"
            and "invalid checkpoint token" in self.message.lower()
        )

    @property
    def is_transient(self) -> bool:
        """True when the same call may succeed later: no response, throttled, or a server error.

        KMS errors have status 502, but last until the key is changed, so they are not transient.
        """
        code = self.code
        if code is not None and (code.startswith("KMS") or code in _CREDENTIAL_CODES):
            return False
        if code in _TRANSIENT_CODES:
            return True
        return self.status is None or self.status == 429 or self.status >= 500

    @property
    def is_about_credentials(self) -> bool:
        """True when the credentials were refused: missing, expired, not yet valid, or a wrong clock.

        The next process has new credentials, so such an error fails only the invocation.
        """
        return self.code in _CREDENTIAL_CODES


class StoreError(DurableError):
    """The emulator's file of executions cannot be used; the message says how to proceed.

    Cause: the file is locked by another process, damaged, of a newer version, or not writable.

    Cure: as the message says; ``--store`` or ``DURABLE_STORE`` name another file.
    """

    __slots__ = _NO_SLOTS


class ConfigError(DurableError, ValueError):
    """An argument or option is invalid; raised before anything is recorded.

    Cause: a wrong type, a number out of range, options that exclude each other, or a name that is misspelt.

    Cure: the message names the option, the value and what is allowed.
    """

    __slots__ = _NO_SLOTS


class ContextMisuseError(DurableError):
    """A durable context was used outside of its own function, or code tried to set the outcome of a handle.

    Cause: a parent's context inside a child, item or branch, a context inside a step, or ``set_result`` on a handle.

    Cure: use the context that the innermost function got; move operations out of steps.
    """

    __slots__ = _NO_SLOTS


class InternalError(DurableError):
    """A defect of the SDK, not of your code; please report it.

    Cure: none by you. Report the message with the history of the execution (``durable history NAME --json``).
    """

    __slots__ = _NO_SLOTS
