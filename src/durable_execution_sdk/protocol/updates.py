"""Updates that the SDK sends to the service in checkpoints (API shape ``OperationUpdate``), in batches."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import MAX_BATCH_BYTES
from durable_execution_sdk.protocol.operations import OperationType, OperationTypeName


def text_bytes(text: str | None) -> int:
    """The size of a text as the service counts it: in bytes of UTF-8."""
    if text is None:
        return 0
    # A lone surrogate has no UTF-8 form; it must still be counted, not crash the count.
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def error_bytes(error: ErrorObject) -> int:
    """The size of an error as the service counts it: the sum over its fields."""
    return (
        text_bytes(error.error_type)
        + text_bytes(error.error_message)
        + text_bytes(error.error_data)
        + sum(map(text_bytes, error.stack_trace or ()))
    )


# The end of a context's payload that has totals, as ``operations.lifecycle.context_totals`` writes them.
TOTALS_SIGN = "\n \t\t \t\n"
_TOTALS_DIGITS = str.maketrans(" \t", "01")


def split_totals(payload: str) -> tuple[str, tuple[int, int] | None]:
    """Return a context's payload without totals, and these: the operations in the context, and their bytes."""
    if not payload.endswith(TOTALS_SIGN):
        return payload, None
    try:
        plain, operations, stored = payload.removesuffix(TOTALS_SIGN).rsplit("\n", 2)
        numbers = operations.translate(_TOTALS_DIGITS), stored.translate(_TOTALS_DIGITS)
        return plain, (int(numbers[0], 2), int(numbers[1], 2))
    except ValueError:
        return payload, None  # it only looks like it


class OperationAction:
    """Actions of updates."""

    START: Final = "START"
    SUCCEED: Final = "SUCCEED"
    FAIL: Final = "FAIL"
    RETRY: Final = "RETRY"
    CANCEL: Final = "CANCEL"


OperationActionName = Literal["START", "SUCCEED", "FAIL", "RETRY", "CANCEL"]


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
    type: OperationTypeName
    action: OperationActionName
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


# Bytes of each update besides its payload. Without payloads, no batch comes near the limit.
_UPDATE_OVERHEAD = 400
# In characters, each of which has four bytes at most in UTF-8.
_SURELY_FITS = MAX_BATCH_BYTES // 8

_START = OperationAction.START
_PAIRED_TYPES = frozenset({OperationType.STEP, OperationType.CONTEXT})


def length_of_batch(queue: Sequence[OperationUpdate], most_updates: int) -> int:
    """Return the number of updates, from the start of the queue, that one call may carry."""
    if len(queue) == 1 or (len(queue) == 2 and _is_one_attempt(*queue)):
        return min(len(queue), most_updates)
    # The last action of each operation in the batch.
    taken: dict[str, OperationActionName] = {}
    count = size = 0
    for update in queue[:most_updates]:
        size += _UPDATE_OVERHEAD
        if update.error is not None:
            size += _size(update)
        elif (payload := update.payload) is not None:
            size += len(payload) if payload.isascii() else text_bytes(payload)
        if size > MAX_BATCH_BYTES and count:
            break
        before = taken.get(update.id)
        if before is not None and (
            # A batch may hold two updates of one operation only as its START and what follows it.
            before != _START or update.action == _START or update.type not in _PAIRED_TYPES
        ):
            break
        taken[update.id] = update.action
        count += 1
    return count


def _is_one_attempt(start: OperationUpdate, end: OperationUpdate) -> bool:
    """Return ``True`` for the START of a step and its small end, all that a workflow has which runs one at a time."""
    return (
        start.id == end.id
        and start.action == _START
        and end.action != _START
        and start.payload is None
        and end.type in _PAIRED_TYPES
        and end.error is None
        and len(end.payload or "") < _SURELY_FITS
    )


def _size(update: OperationUpdate) -> int:
    payload, error = update.payload, update.error
    size = text_bytes(payload)
    if error is not None:
        texts = (error.error_message, error.error_data, *(error.stack_trace or ()))
        size += sum(map(text_bytes, texts))
    return size
