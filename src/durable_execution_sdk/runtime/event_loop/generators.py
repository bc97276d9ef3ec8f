"""Async generators that code leaves unfinished, and the tasks that close them.

The garbage collector finalizes such a generator at any moment, in the middle of any code. asyncio's own
hook makes a task for that in the context of that code. It may be a workflow of another execution, which
would then have one task more. Here the task runs in the SDK's context, hidden from workflow code.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any
from weakref import WeakSet

from durable_execution_sdk.errors import ContextMisuseError
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.tasks.workflow_task import out_of_reach

__all__ = ["Generators"]

_Generator = AsyncGenerator[Any, Any]


class Generators:
    """The async generators that were started on one loop and have not ended."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, refuse: Callable[[ContextMisuseError], None]
    ) -> None:
        """Take the function that fails an execution whose generator uses a context while it is closed."""
        self._loop = loop
        self._refuse = refuse
        self._begun: WeakSet[_Generator] = WeakSet()
        self.closing: set[asyncio.Task[None]] = set()

    def watch(self) -> None:
        """Note generators that are started from now on, until the loop stops."""
        sys.set_asyncgen_hooks(firstiter=self._begun.add, finalizer=self._finalize)

    def close_all(self) -> None:
        """Close the generators that the invocation has left unfinished: none may outlive it."""
        for generator in list(self._begun):
            if not getattr(generator, "ag_running", False):
                self._close(generator)

    def _finalize(self, generator: _Generator) -> None:
        # The garbage collector may run in any thread.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close, generator, context=sdk_context())

    def _close(self, generator: _Generator) -> None:
        self._begun.discard(generator)
        task = asyncio.Task(self._closed(generator), loop=self._loop, context=sdk_context())
        out_of_reach(task)
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)

    async def _closed(self, generator: _Generator) -> None:
        try:
            await generator.aclose()
        except ContextMisuseError as error:
            name = getattr(generator, "__qualname__", "an async generator")
            self._refuse(
                ContextMisuseError(
                    f"{name} was left unfinished, and starts operations when it is closed ({error})."
                    " The collector closes it at any moment, so replay could not repeat that: close it"
                    " in workflow code, async with contextlib.aclosing(...) as items"
                )
            )
