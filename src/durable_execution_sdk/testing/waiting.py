"""Which callbacks of an execution, and of those that it invoked, wait for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from durable_execution_sdk.engine.views.progress import Awaited
from durable_execution_sdk.model.operation import (
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.showing.family import Family, Waiter
from durable_execution_sdk.showing.words import callback_id_of

__all__ = ["Awaiting", "callbacks_of"]


class Awaiting(NamedTuple):
    """A callback's id, and what the workflow calls it."""

    callback_id: str
    name: str | None


def callbacks_of(
    found: Family, name: str | None = None, *, after_submitter: bool = False
) -> Iterator[Awaiting]:
    """The callbacks that wait, in the order in which they began, or those that have this name.

    A ``wait_for_callback`` counts once its submitter may have handed out the id, as an attempt that
    failed may have: before that nobody outside could answer. With ``after_submitter`` it counts once
    the submitter has succeeded.
    """
    for waiter in found.waiters():
        if waiter.waiting.awaited is not Awaited.ANSWER:
            continue
        callback_id = callback_id_of(waiter.progress)
        if callback_id is None:
            continue
        own_name = waiter.progress.operation.name
        context = _wait_for_callback(waiter)
        if context is not None and not _is_handed_out(
            waiter, context, after_submitter=after_submitter
        ):
            continue
        called = own_name if context is None else context.name
        if name is None or name in {called, own_name}:
            yield Awaiting(callback_id, called)


def _wait_for_callback(waiter: Waiter) -> Operation | None:
    """The ``wait_for_callback`` that a callback belongs to."""
    parent = waiter.progress.operation.parent_id
    for each in waiter.execution.operations:
        if each.operation.id == parent:
            is_one = each.operation.sub_type == OperationSubType.WAIT_FOR_CALLBACK
            return each.operation if is_one else None
    return None


def _is_handed_out(waiter: Waiter, context: Operation, *, after_submitter: bool) -> bool:
    return any(
        each.operation.parent_id == context.id
        and each.operation.type == OperationType.STEP
        and (
            each.operation.status == OperationStatus.SUCCEEDED
            or (not after_submitter and _ended_attempts(each.operation) > 0)
        )
        for each in waiter.execution.operations
    )


def _ended_attempts(step: Operation) -> int:
    return (step.step_details.attempt or 0) if step.step_details else 0
