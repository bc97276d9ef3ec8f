"""What the outside has to do after events were stored. Each may be carried out more than once."""

from __future__ import annotations

import msgspec

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import OperationStatus


class InvokeHandler(msgspec.Struct, frozen=True, kw_only=True):
    """Invoke the handler: ``StartInvocation`` now, and ``FinishInvocation`` when it ended.

    Given after every command for as long as an invocation is due, so a lost one is no loss.
    """

    arn: str
    number: int


class StartChild(msgspec.Struct, frozen=True, kw_only=True):
    """Start the durable execution ``arn`` for a chained invoke; it may exist already."""

    arn: str
    function_arn: str
    input: str
    parent_arn: str
    operation_id: str
    execution_timeout: int | None = None
    tenant_id: str | None = None
    trace_id: str | None = None


class CallFunction(msgspec.Struct, frozen=True, kw_only=True):
    """Call a plain function for a chained invoke, and ``FinishChainedInvoke`` with its answer."""

    function_arn: str
    input: str
    parent_arn: str
    operation_id: str
    tenant_id: str | None = None
    trace_id: str | None = None


class NotifyParent(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the execution that waits for this one: ``FinishChainedInvoke`` there."""

    parent_arn: str
    operation_id: str
    status: OperationStatus
    result: str | None = None
    error: ErrorObject | None = None


class ForgetExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Delete everything that is stored of an execution."""

    arn: str


Effect = InvokeHandler | StartChild | CallFunction | NotifyParent | ForgetExecution
