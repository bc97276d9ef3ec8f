"""Find the callbacks of an execution, and of those that it invoked, that wait for an answer.

The runners wait until there is one: ``local.service`` and ``cloud.runner``.
"""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.client.awaited_callbacks import Awaiting, awaited_callback
from durable_execution_sdk.rendering.callback_names import path_of
from durable_execution_sdk.rendering.family import Family, Waiter

__all__ = ["Awaiting", "callbacks_of"]


def callbacks_of(
    executions: Family, name: str | None = None, *, after_submitter: bool = False
) -> Iterator[Awaiting]:
    """Yield the callbacks that wait, or those with this name, in the order of their start.

    The name may be preceded by those of its contexts: ``north/price``. ``after_submitter``: see ``awaited_callback``.
    """
    for waiter in executions.waiters():
        own_name = None if name is not None and _has_path(waiter, name) else name
        callback = awaited_callback(
            waiter.execution, waiter.progress, own_name, after_submitter=after_submitter
        )
        if callback is not None:
            yield callback


def _has_path(waiter: Waiter, name: str) -> bool:
    """Return ``True`` if the waiter's path ends with this name, or with these names."""
    return f"/{'/'.join(path_of(waiter))}".endswith(f"/{name}")
