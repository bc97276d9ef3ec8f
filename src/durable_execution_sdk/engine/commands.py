"""The commands that the engine accepts, named in the imperative."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from durable_execution_sdk.engine.events import ParentLink
from durable_execution_sdk.engine.execution_time import REAL_TIME, ExecutionTime, TimeMode
from durable_execution_sdk.protocol.data_plane import Outcome
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationStatusName
from durable_execution_sdk.protocol.updates import OperationUpdate


class FunctionTarget(msgspec.Struct, frozen=True, kw_only=True):
    """The function that a name resolves to; ``function_arn`` is qualified with the version."""

    function_arn: str
    version: str
    durable: bool
    execution_timeout: int | None = None


class StartExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Start an execution; its ARN holds the function version, the name and the run id.

    ``function_arn`` is the ARN that was invoked (for example an alias), ``execution_timeout`` is in
    seconds, ``retention`` in days. Repeating the command with the same input changes nothing.
    An invoked execution gets the ``time`` of the one that invoked it.
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
    time: ExecutionTime = REAL_TIME


class StartInvocation(msgspec.Struct, frozen=True, kw_only=True):
    """Invoke the handler; refused unless ``state.wants_invocation``.

    ``secret`` goes into the checkpoint tokens, so that they cannot be guessed. ``code`` is the digest of the
    code that runs, if it is known.
    """

    request_id: str
    secret: str = ""
    code: str | None = None


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Record updates, all or none.

    ``functions`` maps the function names in CHAINED_INVOKE updates to a target, or to the error that
    prevents a start; a name without an entry does not exist. ``secret`` goes into tokens and callback
    ids, so that they cannot be guessed.
    """

    token: str
    updates: list[OperationUpdate]
    client_token: str | None = None
    secret: str = ""
    functions: Mapping[str, FunctionTarget | ErrorObject] = msgspec.field(
        default_factory=dict[str, FunctionTarget | ErrorObject]
    )


class FinishInvocation(msgspec.Struct, frozen=True, kw_only=True):
    """Report the end of the running invocation: its outcome or its error.

    After an error the invocation is retried. With ``fatal`` the execution fails instead: the handler
    returned something that is not an outcome. ``interrupted``: the user stopped the process in good order;
    that is no failure, and the next invocation may begin at once.
    """

    request_id: str
    outcome: Outcome | None = None
    error: ErrorObject | None = None
    fatal: bool = False
    interrupted: bool = False


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Fire all timers that are due by now."""


class CompleteCallback(msgspec.Struct, frozen=True, kw_only=True):
    """Complete a callback with a result; ``callback_id``, if given, must be the callback's."""

    operation_id: str
    callback_id: str | None = None
    result: str | None = None


class FailCallback(msgspec.Struct, frozen=True, kw_only=True):
    """Complete a callback with an error."""

    operation_id: str
    callback_id: str | None = None
    error: ErrorObject | None = None


class HeartbeatCallback(msgspec.Struct, frozen=True, kw_only=True):
    """Restart a callback's heartbeat timeout."""

    operation_id: str
    callback_id: str | None = None


class FinishChainedInvoke(msgspec.Struct, frozen=True, kw_only=True):
    """Report the end of an invoked function: SUCCEEDED, FAILED, TIMED_OUT or STOPPED.

    Changes nothing when the operation has ended or the execution is closed.
    """

    operation_id: str
    status: OperationStatusName
    result: str | None = None
    error: ErrorObject | None = None


class StopExecution(msgspec.Struct, frozen=True, kw_only=True):
    """End the execution now; a closed execution does not change."""

    error: ErrorObject | None = None


class PauseExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Stop invoking the handler until the execution is resumed."""

    execution_timeout_paused: bool = True
    reason: str | None = None
    client_token: str | None = None


class ResumeExecution(msgspec.Struct, frozen=True, kw_only=True):
    """End a pause, or cancel a requested pause that has not begun."""

    reason: str | None = None
    client_token: str | None = None


class DeleteExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Delete a closed execution."""


class SetTimeMode(msgspec.Struct, frozen=True, kw_only=True):
    """Change the way in which the execution's time passes; an advance that has not ended ends."""

    mode: TimeMode


class AdvanceTime(msgspec.Struct, frozen=True, kw_only=True):
    """Skip time until the execution's time is ``to``, deadline by deadline; open callbacks do not hold it up."""

    to: int


class MoveTime(msgspec.Struct, frozen=True, kw_only=True):
    """Move the execution's time forward to ``to``; no deadline may lie in between."""

    to: int


class AcceptCode(msgspec.Struct, frozen=True, kw_only=True):
    """Let the execution go on with code of this digest, as if it had run with it before."""

    code: str


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
    | SetTimeMode
    | AdvanceTime
    | MoveTime
    | AcceptCode
)
