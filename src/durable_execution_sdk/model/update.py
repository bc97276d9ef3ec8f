"""What the SDK asks the service to record (API shape ``OperationUpdate``)."""

from enum import StrEnum

import msgspec

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import OperationType


class OperationAction(StrEnum):
    """What an update does to its operation."""

    START = "START"
    SUCCEED = "SUCCEED"
    FAIL = "FAIL"
    RETRY = "RETRY"
    CANCEL = "CANCEL"


class ContextOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Whether a completed context's children stay in the state that replay gets."""

    replay_children: bool | None = None


class StepOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """When a retried step is due: 1 to 31,622,400 seconds from now."""

    next_attempt_delay_seconds: int | None = None


class WaitOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """How long a wait is: 1 to 31,622,400 seconds."""

    wait_seconds: int | None = None


class CallbackOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """A callback's timeouts in seconds, 0 to 99,999,999; 0 means none."""

    timeout_seconds: int | None = None
    heartbeat_timeout_seconds: int | None = None


class ChainedInvokeOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Which function a chained invoke calls, and for which tenant."""

    function_name: str
    tenant_id: str | None = None
    x_amzn_trace_id: str | None = None


class OperationUpdate(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """One change to one operation."""

    id: str
    type: OperationType
    action: OperationAction
    parent_id: str | None = None
    name: str | None = None
    sub_type: str | None = None
    payload: str | None = None
    error: ErrorObject | None = None
    context_options: ContextOptions | None = None
    step_options: StepOptions | None = None
    wait_options: WaitOptions | None = None
    callback_options: CallbackOptions | None = None
    chained_invoke_options: ChainedInvokeOptions | None = None
