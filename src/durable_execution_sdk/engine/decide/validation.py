"""Validate single updates: names, sizes and ranges. The transition tables are checked afterwards."""

from __future__ import annotations

import re

from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import Rejected, invalid
from durable_execution_sdk.engine.sizes import error_bytes
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import (
    MAX_ID_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_SUB_TYPE_CHARACTERS,
)
from durable_execution_sdk.protocol.operations import Operation, OperationType, OperationTypeName
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate, text_bytes

_ID = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_ID_CHARACTERS}}}")
_NAME = re.compile(rf"[\x20-\x7E]{{1,{MAX_NAME_CHARACTERS}}}")
_FAIL = OperationAction.FAIL
_ACTIONS_WITHOUT_ERROR = frozenset({OperationAction.SUCCEED, OperationAction.START})
_TYPES_WITH_OWN_LIMIT = frozenset({OperationType.EXECUTION, OperationType.CHAINED_INVOKE})
_SUB_TYPE = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_SUB_TYPE_CHARACTERS}}}")


def check_update(state: ExecutionState, update: OperationUpdate, limits: Limits) -> None:
    """Raise ``Rejected`` for values out of bounds, or that do not fit the update's action."""
    _check_payload(state, update, limits)
    _check_options(state, update, limits)


def check_error_size(error: ErrorObject | None, limits: Limits, what: str) -> None:
    """Raise ``Rejected`` for an error above the size limit; ``what`` begins the message."""
    if error_bytes(error) > limits.error_bytes:
        raise invalid(
            f"{what} error size must be less than or equal to {limits.error_bytes} bytes."
        )


def execution_payload_limit(state: ExecutionState, limits: Limits) -> int:
    """Return the size limit of the execution's result, which depends on the kind of its start."""
    if state.parent is not None:
        return limits.chained_invoke_payload_bytes
    if state.synchronous:
        return limits.synchronous_payload_bytes
    return limits.asynchronous_payload_bytes


def is_consistent(update: OperationUpdate, current: Operation) -> bool:
    """True when type, subtype, name and parent of the update are those of the stored operation."""
    return (
        update.type == current.type
        and update.sub_type == current.sub_type
        and update.name == current.name
        and update.parent_id == current.parent_id
    )


def inconsistent(update: OperationUpdate, current: Operation) -> Rejected:
    """Return the error for an update whose type, subtype, name or parent differs from the stored."""
    names = (
        ("type", current.type, update.type),
        ("subtype", current.sub_type, update.sub_type),
        ("name", current.name, update.name),
        ("parent id", current.parent_id, update.parent_id),
    )
    field, expected, actual = next(row for row in names if row[1] != row[2])
    return invalid(
        f"Inconsistent operation {field}. Operation {update.id} has {expected!r}, "
        f"the update has {actual!r}."
    )


def check_names(update: OperationUpdate) -> None:
    """Raise ``Rejected`` for an id, parent id, name or subtype with an invalid form."""
    if not _ID.fullmatch(update.id):
        raise invalid(
            f"Invalid operation id {update.id!r}: 1 to {MAX_ID_CHARACTERS} of letters, digits, '-' and '_'."
        )
    if update.parent_id is not None and not _ID.fullmatch(update.parent_id):
        raise invalid(
            f"Invalid parent operation id. {update.parent_id!r} (of operation {update.id}) must be "
            f"1 to {MAX_ID_CHARACTERS} of letters, digits, '-' and '_'."
        )
    if update.name is not None and not _NAME.fullmatch(update.name):
        raise invalid(
            f"Invalid name {update.name!r} of operation {update.id}: 1 to {MAX_NAME_CHARACTERS} printable ASCII "
            "characters."
        )
    if update.sub_type is not None and not _SUB_TYPE.fullmatch(update.sub_type):
        raise invalid(
            f"Invalid subtype {update.sub_type!r} of operation {update.id}: 1 to {MAX_SUB_TYPE_CHARACTERS} of letters, "
            "digits, '-' and '_'."
        )


def _check_payload(state: ExecutionState, update: OperationUpdate, limits: Limits) -> None:
    action, payload, error = update.action, update.payload, update.error
    if error is not None and action in _ACTIONS_WITHOUT_ERROR:
        raise invalid(f"{action} of operation {update.id} has an Error; only a failure takes one.")
    if payload is not None:
        if action == _FAIL:
            raise invalid(f"FAIL of operation {update.id} has a Payload; it takes an Error.")
        limit = limits.operation_payload_bytes
        if update.type in _TYPES_WITH_OWN_LIMIT:
            limit = _payload_limit(state, update.type, limits)
        if text_bytes(payload) > limit:
            direction = "input" if update.type == OperationType.CHAINED_INVOKE else "output"
            raise invalid(
                f"{update.type} {direction} payload size must be less than or equal to {limit} bytes. "
                f"(operation {_label(update)}, {text_bytes(payload)} bytes)"
            )
    if error is not None:
        check_error_size(error, limits, f"{update.type} operation {_label(update)}:")


def _payload_limit(state: ExecutionState, kind: OperationTypeName, limits: Limits) -> int:
    if kind == OperationType.EXECUTION:
        return execution_payload_limit(state, limits)
    return limits.chained_invoke_payload_bytes


def _check_options(state: ExecutionState, update: OperationUpdate, limits: Limits) -> None:
    if update.step_options is not None:
        delay = update.step_options.next_attempt_delay_seconds
        _check_range(update, "NextAttemptDelaySeconds", delay, 1, limits.retry_delay_seconds)
    if update.wait_options is not None:
        _check_range(
            update, "WaitSeconds", update.wait_options.wait_seconds, 1, limits.wait_seconds
        )
    if update.callback_options is not None:
        options = update.callback_options
        maximum = limits.callback_timeout_seconds
        _check_range(update, "TimeoutSeconds", options.timeout_seconds, 0, maximum)
        _check_range(
            update, "HeartbeatTimeoutSeconds", options.heartbeat_timeout_seconds, 0, maximum
        )
    if update.chained_invoke_options is not None:
        _check_account(state, update.chained_invoke_options.function_name)


def _check_range(
    update: OperationUpdate, field: str, value: int | None, minimum: int, maximum: int
) -> None:
    if value is not None and not minimum <= value <= maximum:
        raise invalid(
            f"Invalid {field} {value} of {update.type} operation {_label(update)}: "
            f"{minimum} to {maximum}."
        )


def _check_account(state: ExecutionState, function_name: str) -> None:
    parts = function_name.split(":")
    # A full ARN has the account as its fifth part, a partial ARN (ACCOUNT:function:NAME) as its first.
    account = parts[4] if parts[0] == "arn" and len(parts) > 4 else parts[0]
    if account.isdigit() and len(account) == 12 and len(parts) > 2:
        own_account = ExecutionArn.parse(state.arn).account
        if account != own_account:
            raise invalid(
                "Cannot start a CHAINED_INVOKE on a function in another account. "
                f"({function_name}, from account {own_account})"
            )


def _label(update: OperationUpdate) -> str:
    return f"{update.id} {update.name!r}" if update.name else update.id
