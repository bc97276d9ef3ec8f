"""Resources that are kept: made once in a container, used by all invocations, cleaned up when the container ends.

A container is an event loop, which belongs to a thread of the process. Lambda runs one, so there a resource is made
once for the life of the execution environment. Tests run executions in threads of their own, so there each has its
own resources, and an asynchronous client is never used on another loop than that on which it was made.

What is kept is only made and looked up on the loop, so no two threads make it. Two tasks that need it at a time wait
for a lock. Locks last for an invocation, since a task that was abandoned never releases its lock.

The clean-up runs when the thread of the loop ends, or when the process ends by itself. A process that is killed, as
Lambda kills an idle execution environment, cleans up nothing.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from durable_execution_sdk.operations.resources.generators import (
    AsyncScope,
    noted,
    raised_by,
    unwatched,
)
from durable_execution_sdk.operations.resources.plan import Resource
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.event_loop import BEFORE_CLOSE, WorkflowLoop

__all__ = ["Container", "container_of", "made"]

# Seconds that the clean-up of a container may take.
_CLEAN_UP_SECONDS = 5.0

_logger = logging.getLogger("durable_execution")


class Container:
    """The resources that are kept on a loop."""

    def __init__(self) -> None:
        self._values: dict[tuple[object, ...], object] = {}
        self._invocation: object = None
        self._locks: defaultdict[tuple[object, ...], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._scopes: list[AsyncScope] = []

    async def get(self, resource: Resource, user: str, invocation: object) -> object:
        """Return a resource; make it, and what it needs, if this is its first use."""
        values, key = self._values, resource.key
        if key not in values:
            if invocation is not self._invocation:
                self._invocation = invocation
                self._locks.clear()
            async with self._locks[key]:
                if key not in values:
                    needs = {
                        name: await self.get(each, resource.name, invocation)
                        for name, each in resource.needs.items()
                    }
                    values[key] = await unwatched(self._make(resource, needs, user))
        return values[key]

    async def _make(self, resource: Resource, needs: dict[str, object], user: str) -> object:
        if not resource.is_generator:
            return await made(resource, needs, user)
        scope = AsyncScope(resource, needs, user)
        value: object = await scope.__aenter__()
        self._scopes.append(scope)
        return value

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Clean up, in the reverse order. Errors are logged: no caller is left that could handle them."""
        self._values.clear()
        scopes, self._scopes = self._scopes, []
        if scopes:
            sdk_context().run(_run, loop, scopes)


def _run(loop: asyncio.AbstractEventLoop, scopes: list[AsyncScope]) -> None:
    clean_up = asyncio.wait_for(_clean_up(scopes), _CLEAN_UP_SECONDS)
    try:
        loop.run_until_complete(clean_up)
    except Exception:
        _logger.exception(
            "the clean-up of resources took longer than %g s as their container ended, and was given up",
            _CLEAN_UP_SECONDS,
        )


async def _clean_up(scopes: list[AsyncScope]) -> None:
    """Clean up what was made last first; one that fails keeps no other from it."""
    for scope in reversed(scopes):
        try:
            await scope.__aexit__(None, None, None)
        except Exception:
            _logger.exception("the clean-up of a resource failed as its container ended")


_containers: WeakKeyDictionary[asyncio.AbstractEventLoop, Container] = WeakKeyDictionary()


def container_of(loop: WorkflowLoop) -> Container:
    """Return the container of a loop, which is made for its first resource."""
    return _containers.get(loop) or _containers.setdefault(loop, Container())


def _close(loop: asyncio.AbstractEventLoop) -> None:
    container = _containers.pop(loop, None)
    if container is not None:
        container.close(loop)


def _close_all() -> None:
    """Clean up as the process ends, but for loops that other threads still run; what comes later finds no module."""
    BEFORE_CLOSE.remove(_close)
    for loop in list(_containers):
        if not (loop.is_running() or loop.is_closed()):
            _close(loop)


BEFORE_CLOSE.append(_close)
atexit.register(_close_all)


async def made(resource: Resource, needs: dict[str, Any], user: str) -> object:
    """Make a resource by a function that returns it: on the loop, or in a worker thread if it is a plain one."""
    make: Callable[..., Any] = resource.make
    with noted(raised_by(resource.name, user)):
        if resource.is_async:
            return await make(**needs)
        return await asyncio.to_thread(make, **needs)
