"""Updates that the SDK sends to the service in checkpoints (API shape ``OperationUpdate``)."""

from enum import StrEnum

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationType


def text_bytes(text: str | None) -> int:
    """The size of a text as the service counts it: in bytes of UTF-8."""
    if text is None:
        return 0
    # A lone surrogate has no UTF-8 form; it must still be counted, not crash the count.
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class OperationAction(StrEnum):
    """Actions of updates."""

    START = "START"
    SUCCEED = "SUCCEED"
    FAIL = "FAIL"
    RETRY = "RETRY"
    CANCEL = "CANCEL"


class ContextOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Options of a CONTEXT: ``replay_children`` keeps a completed context's children in the state."""

    replay_children: bool | None = None


class StepOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Options of a STEP: the delay before its next attempt, from 1 second to the longest timer."""

    next_attempt_delay_seconds: int | None = None


class WaitOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Options of a WAIT: its length, from 1 second to the longest timer."""

    wait_seconds: int | None = None


class CallbackOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Options of a CALLBACK: timeouts in seconds; 0 means none."""

    timeout_seconds: int | None = None
    heartbeat_timeout_seconds: int | None = None


class ChainedInvokeOptions(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Options of a CHAINED_INVOKE: the function, and the tenant for which it runs."""

    function_name: str
    tenant_id: str | None = None
    x_amzn_trace_id: str | None = None


class OperationUpdate(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """A change of one operation."""

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
