"""Sessions, the framework's histories of conversations, in workflows."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from agents.memory import Session
from agents.memory.session import SessionABC

from durable_execution_sdk.agents.tool_calls import current_context
from durable_execution_sdk.errors import ConfigError, StepInterruptedError
from durable_execution_sdk.operations.step import StepConfig, StepSemantics
from durable_execution_sdk.retry import NoRetry

__all__ = ["DurableSession", "WorkflowSession"]

_ONCE = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())


class WorkflowSession(SessionABC):
    """A history in the workflow's memory, which replay makes anew: it records nothing and costs no operations.

    ``items`` are those that it begins with, and later all of them: give them to ``ctx.continue_as_new``, or return
    them, to go on with the conversation in another execution.
    """

    def __init__(self, items: Iterable[Any] = (), session_id: str = "workflow") -> None:
        self.items: list[Any] = list(items)
        self.session_id = session_id

    async def get_items(self, limit: int | None = None) -> list[Any]:
        """Return the items, or the last ``limit`` of them."""
        limit = _limit_of(self, limit)
        items = (
            self.items if limit is None else self.items[len(self.items) - limit :] if limit else []
        )
        return copy.deepcopy(items)

    async def add_items(self, items: list[Any]) -> None:
        """Add items."""
        self.items += copy.deepcopy(items)

    async def pop_item(self) -> Any | None:
        """Remove the last item and return it."""
        return self.items.pop() if self.items else None

    async def clear_session(self) -> None:
        """Remove all items."""
        self.items.clear()


class DurableSession(SessionABC):
    """A session in a store outside, such as ``SQLiteSession``, each use of which is a step in a workflow.

    ``DurableRunner`` puts it around the session that it is given. Items are added once: after a crash while they were
    written, the end of the stored history shows whether they are there. Each use costs one operation.

    Raises:
        ConfigError: for sessions that call OpenAI; ``conversation_id=`` of a run does the same in its model steps.
    """

    def __init__(self, inner: Session) -> None:
        if hasattr(inner, "run_compaction") or type(inner).__name__ == "OpenAIConversationsSession":
            raise ConfigError(
                f"{type(inner).__name__} calls OpenAI by itself, outside of the steps of a workflow: use"
                " conversation_id=..., WorkflowSession(), or a session that stores items"
            )
        self.inner = inner
        self.session_id = inner.session_id
        self.session_settings = getattr(inner, "session_settings", None)

    async def get_items(self, limit: int | None = None) -> list[Any]:
        """Return the items, or the last ``limit`` of them."""
        items: list[Any] = await _step("session: get items", partial(self.inner.get_items, limit))
        return items

    async def add_items(self, items: list[Any]) -> None:
        """Add items, once."""
        try:
            await _step("session: add items", partial(self.inner.add_items, items), _ONCE)
        except StepInterruptedError:
            await _step("session: add items again", partial(self._add_missing, items))

    async def _add_missing(self, items: list[Any]) -> None:
        if await self.inner.get_items(len(items)) != items:
            await self.inner.add_items(items)

    async def pop_item(self) -> Any | None:
        """Remove the last item and return it, once."""
        return await _step("session: pop item", self.inner.pop_item, _ONCE)

    async def clear_session(self) -> None:
        """Remove all items."""
        await _step("session: clear", self.inner.clear_session)


async def _step(
    name: str, call: Callable[[], Awaitable[Any]], config: StepConfig | None = None
) -> Any:
    ctx = current_context()
    return await (call() if ctx is None else ctx.step(call, name=name, config=config))


def _limit_of(session: Any, limit: int | None) -> int | None:
    settings = getattr(session, "session_settings", None)
    return limit if limit is not None or settings is None else settings.limit
