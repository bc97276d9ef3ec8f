"""The summary of an execution's operations in its telemetry record, by their names."""

from __future__ import annotations

from collections.abc import Iterable

from durable_execution_sdk.plugins import OperationInfo
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationStatus

__all__ = ["error_member", "operations_by_name"]

_LONGEST_TEXT = 8_192


def operations_by_name(
    operations: Iterable[OperationInfo], *, has_messages: bool
) -> dict[str, dict[str, object]]:
    """Summarize the operations that have a name; type and status are those of the last one.

    An error is of one operation, so it is left out where several have the name.
    """
    groups: dict[str, list[OperationInfo]] = {}
    for operation in operations:
        if operation.name:
            groups.setdefault(operation.name, []).append(operation)
    return {name: _summary(group, has_messages=has_messages) for name, group in groups.items()}


def error_member(error: ErrorObject, *, has_message: bool) -> dict[str, str | None]:
    """Return the member of an error; long texts are cut."""
    member = {"name": _cut(error.error_type)}
    return {**member, "message": _cut(error.error_message)} if has_message else member


def _milliseconds(info: OperationInfo) -> int | None:
    """Return the duration of an operation, ``None`` while it is open."""
    if info.start_timestamp is None or info.end_timestamp is None:
        return None
    return max(0, round((info.end_timestamp - info.start_timestamp).total_seconds() * 1000))


def _summary(group: list[OperationInfo], *, has_messages: bool) -> dict[str, object]:
    last = group[-1]
    summary: dict[str, object] = {"type": last.type}
    if last.sub_type is not None:
        summary["subType"] = last.sub_type
    summary["status"] = last.status
    summary["count"] = len(group)
    summary["failedCount"] = sum(each.status == OperationStatus.FAILED for each in group)
    attempts = [each.attempt for each in group if each.attempt is not None]
    if attempts:
        summary["maxAttempt"] = max(attempts)
    durations = [taken for each in group if (taken := _milliseconds(each)) is not None]
    if durations:
        summary["minDurationMs"] = min(durations)
        summary["maxDurationMs"] = max(durations)
        summary["totalDurationMs"] = sum(durations)
    if len(group) == 1 and last.error is not None:
        summary["error"] = error_member(last.error, has_message=has_messages)
    return summary


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
