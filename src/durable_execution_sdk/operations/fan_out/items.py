"""Supplies of the items of a fan-out: any iterable, asynchronous or not, asked for one item at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Sized
from contextvars import copy_context
from enum import Enum
from typing import Any, Final, Generic, Protocol, TypeVar

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.runtime.completions.handle import Signal
from durable_execution_sdk.runtime.contexts.scope import IdScope

__all__ = ["NEVER", "NOT_YET", "Nothing", "Supply", "supply_of"]


_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class Nothing(Enum):
    """The reasons for which there is no item: the next one comes later, or there are no more."""

    NOT_YET = "not yet"
    NEVER = "never"


NOT_YET: Final = Nothing.NOT_YET
NEVER: Final = Nothing.NEVER


class Supply(Protocol[_T_co]):
    """A source of items, in order."""

    @property
    def total(self) -> int | None:
        """The number of items; ``None`` if it is not known."""
        ...

    def pull(self, notify: Callable[[], None]) -> _T_co | Nothing:
        """Return the next item, ``NEVER``, or ``NOT_YET``: then ``notify`` is called when to ask again."""
        ...

    def close(self) -> None:
        """Stop: no more items are needed."""
        ...


class SyncSupply(Generic[_T]):
    """The items of an ordinary iterable."""

    def __init__(self, items: Iterable[_T]) -> None:
        # Copied: code may change a list while its items run, and it would differ on replay.
        self._items: Iterable[_T] = tuple(items) if isinstance(items, list) else items
        self.total = len(self._items) if isinstance(self._items, Sized) else None
        self._iterator: Iterator[_T] | None = None

    def pull(self, notify: Callable[[], None]) -> _T | Nothing:
        """Return the next item, or ``NEVER``."""
        if self._iterator is None:
            self._iterator = iter(self._items)
        return next(self._iterator, NEVER)

    def close(self) -> None:
        """Do nothing: nothing is open."""


class AsyncSupply(Generic[_T]):
    """The items of an asynchronous iterable.

    A task of the workflow iterates over it, one item for each request. It has a scope of its own in the
    context that called the map, so that an asynchronous generator may start durable operations there; the
    map's own context is for its branches alone.
    """

    def __init__(self, items: AsyncIterable[_T], scope: IdScope) -> None:
        self.total: int | None = None
        self._items = items
        # Claimed in the call, so that the ids of the caller's next operations do not depend on the task.
        self._scope = scope.spawn_items()
        if (gate := scope.context_state.run.gate) is not None:
            gate.is_dormant(self._scope.path.text)
        self._ready: deque[_T] = deque()
        self._failure: BaseException | None = None
        self._notify: Callable[[], None] = _ignore
        self._asked: Signal | None = None
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    def pull(self, notify: Callable[[], None]) -> _T | Nothing:
        """Return the next item if the iterable has yielded it; otherwise ask for it."""
        if self._ready:
            return self._ready.popleft()
        if self._failure is not None:
            raise self._failure
        self._notify = notify
        if self._task is None:
            run = self._scope.context_state.run
            if run.gate is not None:
                run.gate.has_begun(self._scope.path.text)
            self._task = run.tasks.start(self._go_through(), self._scope, copy_context())
        elif self._is_over:
            return NEVER
        elif self._asked is not None and not self._asked.done():
            self._asked.set_result(None)
        return NOT_YET

    def close(self) -> None:
        """Cancel the task, so that a generator cleans up."""
        if self._task is not None:
            self._task.cancel()

    async def _go_through(self) -> None:
        iterator = aiter(self._items)
        loop = self._scope.context_state.run.loop
        try:
            async for item in iterator:
                self._ready.append(item)
                self._asked = Signal(loop, "a free branch")
                self._notify()
                await self._asked
        except BaseException as error:
            self._failure = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._is_over = True
            self._notify()
            aclose = getattr(iterator, "aclose", None)
            if aclose is not None:
                await aclose()


class _Gathered(Generic[_T]):
    """A supply that reads all items before it returns the first, because their number has to be checked."""

    def __init__(self, items: Supply[_T], validate: Callable[[int], None]) -> None:
        self.total: int | None = None
        self._items = items
        self._validate = validate
        self._gathered: deque[_T] = deque()

    def pull(self, notify: Callable[[], None]) -> _T | Nothing:
        """Return the next item once all of them are read."""
        while self.total is None:
            item = self._items.pull(notify)
            if item is NOT_YET:
                return item
            if item is NEVER:
                self._validate(len(self._gathered))
                self.total = len(self._gathered)
            else:
                self._gathered.append(item)
        return self._gathered.popleft() if self._gathered else NEVER

    def close(self) -> None:
        """Stop: no more items are needed."""
        self._items.close()


def supply_of(
    items: Any, scope: IdScope, operation: str, validate: Callable[[int], None] | None = None
) -> Supply[Any]:
    """Make a supply of these items. ``validate`` is called with their number before the first is returned.

    Raises ``ConfigError`` for a set, whose order differs on replay, and for objects that are not iterable.
    """
    if isinstance(items, (set, frozenset)):
        raise ConfigError(
            f"{operation} was given a set, whose order changes from one invocation to the next, and"
            " items are told apart by their place: give it sorted(items), or a list"
        )
    source: Any = items
    if isinstance(items, AsyncIterable):
        supply = AsyncSupply(source, scope)
        return supply if validate is None else _Gathered(supply, validate)
    if not isinstance(items, Iterable):
        raise ConfigError(f"{operation} takes an iterable, or an asynchronous one, not {source!r}")
    if validate is not None:
        source = source if isinstance(source, Sized) else list(source)
        validate(len(source))
    return SyncSupply(source)


def _ignore() -> None:
    """Do nothing: no item was asked for."""
