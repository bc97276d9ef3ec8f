"""Everything that somebody can ask of an execution, in the imperative."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from durable_execution_sdk.engine.events import ParentLink
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.invocation import Outcome
from durable_execution_sdk.model.operation import OperationStatus
from durable_execution_sdk.model.update import OperationUpdate


class FunctionTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What a function name stands for; ``function_arn`` is qualified with the version."""

    function_arn: str
    version: str
    durable: bool
    execution_timeout: int | None = None


class StartExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Begin an execution: its ARN says the function version, the name and the run.

    ``function_arn`` is what was invoked (an alias, say), ``execution_timeout`` is in seconds and
    ``retention`` in days. The same again with the same input changes nothing.
    """

    arn: str
    input: str
    execution_timeout: int
    retention: int | None = None
    function_arn: str | None = None
    synchronous: bool = False
    parent: ParentLink | None = None
    tenant_id: str | None = None
    trace_id: str | None = None


class StartInvocation(msgspec.Struct, frozen=True, kw_only=True):
    """Invoke the handler; refused unless ``state.wants_invocation``.

    ``secret`` is what makes the checkpoint tokens of the invocation impossible to guess.
    """

    request_id: str
    secret: str = ""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Record updates, all or none.

    ``functions`` holds what the caller found for the names in CHAINED_INVOKE updates: a target, or
    why it cannot be started; a name that is not there does not exist. ``secret`` is what makes tokens
    and callback ids impossible to guess.
    """

    token: str
    updates: list[OperationUpdate]
    client_token: str | None = None
    secret: str = ""
    functions: Mapping[str, FunctionTarget | ErrorObject] = msgspec.field(
        default_factory=dict[str, FunctionTarget | ErrorObject]
    )


class FinishInvocation(msgspec.Struct, frozen=True, kw_only=True):
    """Tell how the running invocation ended: with an outcome, or with an error.

    An error means that the invocation crashed and is tried again, unless it is ``fatal``: what the
    handler returned was not an outcome, so the execution fails.
    """

    request_id: str
    outcome: Outcome | None = None
    error: ErrorObject | None = None
    fatal: bool = False


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Let everything happen that is due by now."""


class CompleteCallback(msgspec.Struct, frozen=True, kw_only=True):
    """Answer a callback with a result; a ``callback_id`` that is given has to be the callback's."""

    operation_id: str
    callback_id: str | None = None
    result: str | None = None


class FailCallback(msgspec.Struct, frozen=True, kw_only=True):
    """Answer a callback with a failure."""

    operation_id: str
    callback_id: str | None = None
    error: ErrorObject | None = None


class HeartbeatCallback(msgspec.Struct, frozen=True, kw_only=True):
    """Restart a callback's heartbeat timeout."""

    operation_id: str
    callback_id: str | None = None


class FinishChainedInvoke(msgspec.Struct, frozen=True, kw_only=True):
    """Tell how an invoked function ended: SUCCEEDED, FAILED, TIMED_OUT or STOPPED.

    News for an operation that is already over, or for a closed execution, changes nothing.
    """

    operation_id: str
    status: OperationStatus
    result: str | None = None
    error: ErrorObject | None = None


class StopExecution(msgspec.Struct, frozen=True, kw_only=True):
    """End the execution now; a closed one stays as it is."""

    error: ErrorObject | None = None


class PauseExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Invoke no more until resumed."""

    execution_timeout_paused: bool = True
    reason: str | None = None
    client_token: str | None = None


class ResumeExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Go on after a pause, or cancel one that has not begun."""

    reason: str | None = None
    client_token: str | None = None


class DeleteExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Delete a closed execution."""


Command = (
    StartExecution
    | StartInvocation
    | Checkpoint
    | FinishInvocation
    | Tick
    | CompleteCallback
    | FailCallback
    | HeartbeatCallback
    | FinishChainedInvoke
    | StopExecution
    | PauseExecution
    | ResumeExecution
    | DeleteExecution
)
