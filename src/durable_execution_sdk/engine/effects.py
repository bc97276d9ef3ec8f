"""Actions for the caller of the engine once events are stored; each may be performed more than once."""

from __future__ import annotations

import msgspec

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import OperationStatus


class InvokeHandler(msgspec.Struct, frozen=True, kw_only=True):
    """Invoke the handler: send ``StartInvocation`` now and ``FinishInvocation`` when it has ended.

    Returned after every command while an invocation is due, so losing one does no harm.
    """

    arn: str
    number: int


class StartChild(msgspec.Struct, frozen=True, kw_only=True):
    """Start the durable execution ``arn`` for a chained invoke, unless it exists already."""

    arn: str
    function_arn: str
    input: str
    parent_arn: str
    operation_id: str
    execution_timeout: int | None = None
    tenant_id: str | None = None
    trace_id: str | None = None


class CallFunction(msgspec.Struct, frozen=True, kw_only=True):
    """Call a function that is not durable for a chained invoke; send its result as ``FinishChainedInvoke``."""

    function_arn: str
    input: str
    parent_arn: str
    operation_id: str
    tenant_id: str | None = None
    trace_id: str | None = None


class NotifyParent(msgspec.Struct, frozen=True, kw_only=True):
    """Send ``FinishChainedInvoke`` to the execution that waits for this one."""

    parent_arn: str
    operation_id: str
    status: OperationStatus
    result: str | None = None
    error: ErrorObject | None = None


class ForgetExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Delete everything that is stored of an execution."""

    arn: str


Effect = InvokeHandler | StartChild | CallFunction | NotifyParent | ForgetExecution
