"""Resources that generators make: the code before the ``yield`` sets up, the code after it cleans up.

The exception of an attempt is raised at the ``yield``, and the generator raises it again, or another one in its
place. It cannot make a success of a failure: the attempt would have no result. Errors of the set-up and the clean-up
have a note that names the generator, since their tracebacks alone do not tell which step they belong to.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from durable_execution_sdk.operations.resources.plan import Resource

__all__ = ["AsyncScope", "PlainScope", "raised_by", "unwatched"]

_T = TypeVar("_T")


def raised_by(name: str, user: str) -> str:
    """Return the note for an error of the function that makes a resource."""
    return f"raised by {name}, which makes a resource of {user}"


class PlainScope:
    """A plain generator between its ``yield`` and its end, for a ``with`` statement."""

    def __init__(self, resource: Resource, arguments: dict[str, Any], user: str) -> None:
        make: Callable[..., AbstractContextManager[Any]] = contextmanager(resource.make)
        self._manager = make(**arguments)
        self._name = resource.name
        self._user = user

    def __enter__(self) -> Any:
        """Set up, and return the resource."""
        try:
            return self._manager.__enter__()
        except Exception as error:
            error.add_note(raised_by(self._name, self._user))
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clean up, with the exception of the attempt."""
        try:
            self._manager.__exit__(kind, error, trace)
        except BaseException as failure:
            _tell(failure, error, self._name, self._user)
            raise


class AsyncScope:
    """A generator between its ``yield`` and its end, for an ``async with`` statement.

    A plain generator runs in a worker thread, or, ``in_place``, in the thread of the loop.
    """

    def __init__(self, resource: Resource, arguments: dict[str, Any], user: str) -> None:
        self._plain: PlainScope | None = None
        if resource.is_async:
            self._manager = asynccontextmanager(resource.make)(**arguments)
        else:
            self._plain = PlainScope(resource, arguments, user)
        self._name = resource.name
        self._user = user
        self.in_place = False

    async def __aenter__(self) -> Any:
        """Set up, and return the resource."""
        if self._plain is not None:
            return await asyncio.to_thread(self._plain.__enter__)
        try:
            return await self._manager.__aenter__()
        except Exception as error:
            error.add_note(raised_by(self._name, self._user))
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clean up, with the exception of the attempt."""
        if self._plain is not None:
            leave = partial(self._plain.__exit__, kind, error, trace)
            await (_at_once(leave) if self.in_place else asyncio.to_thread(leave))
            return
        try:
            await self._manager.__aexit__(kind, error, trace)
        except BaseException as failure:
            _tell(failure, error, self._name, self._user)
            raise


async def _at_once(call: Callable[[], None]) -> None:
    call()


def _tell(failure: BaseException, error: BaseException | None, name: str, user: str) -> None:
    if failure is not error and isinstance(failure, Exception):
        ending = "had returned" if error is None else "had failed"
        failure.add_note(f"raised by the clean-up of {name}, after {user} {ending}")


class unwatched(Awaitable[_T]):  # noqa: N801 - it is called like a function
    """Await something without the loop's notes of async generators, which it closes as an invocation ends.

    What is kept over invocations may consist of such generators: context managers of libraries do.
    """

    def __init__(self, awaitable: Awaitable[_T]) -> None:
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, _T]:
        """Run each move of the awaitable with the hooks for async generators removed."""
        moves: Any = self._awaitable.__await__()
        move, argument = moves.send, None
        while True:
            hooks = sys.get_asyncgen_hooks()
            sys.set_asyncgen_hooks(None, None)
            try:
                waits_for = move(argument)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            finally:
                sys.set_asyncgen_hooks(*hooks)
            try:
                argument, move = (yield waits_for), moves.send
            except BaseException as error:
                argument, move = error, moves.throw
