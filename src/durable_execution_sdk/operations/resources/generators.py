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
from types import TracebackType
from typing import Any, TypeVar

from durable_execution_sdk.operations.resources.plan import Resource

__all__ = ["AsyncScope", "PlainScope", "noted", "raised_by", "unwatched"]

_T = TypeVar("_T")


@contextmanager
def noted(text: str, passed_on: BaseException | None = None) -> Generator[None]:
    """Add a note to an error that is raised within, and that was not raised before."""
    try:
        yield
    except Exception as error:
        if error is not passed_on:
            error.add_note(text)
        raise


def raised_by(name: str, user: str) -> str:
    """Return the note for an error of the function that makes a resource."""
    return f"raised by {name}, which makes a resource of {user}"


class PlainScope:
    """A plain generator between its ``yield`` and its end, for a ``with`` statement."""

    def __init__(self, resource: Resource, arguments: dict[str, Any], user: str) -> None:
        make: Callable[..., AbstractContextManager[Any]] = contextmanager(resource.make)
        self._manager = make(**arguments)
        self._notes = _Notes(resource, user)

    def __enter__(self) -> Any:
        """Set up, and return the resource."""
        with self._notes.of_set_up():
            return self._manager.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clean up, with the exception of the attempt."""
        with self._notes.of_clean_up(error):
            if self._manager.__exit__(kind, error, trace):
                _note_swallowed(error)


class AsyncScope:
    """A generator between its ``yield`` and its end, for an ``async with`` statement.

    A plain generator runs in a worker thread. One that is kept cleans up in the thread of the loop, since no thread
    can start as the process ends.
    """

    def __init__(self, resource: Resource, arguments: dict[str, Any], user: str) -> None:
        self._plain: AbstractContextManager[Any] | None = None
        if resource.is_async:
            self._manager = asynccontextmanager(resource.make)(**arguments)
        else:
            make: Callable[..., AbstractContextManager[Any]] = contextmanager(resource.make)
            self._plain = make(**arguments)
        self._is_kept = resource.is_kept
        self._notes = _Notes(resource, user)

    async def __aenter__(self) -> Any:
        """Set up, and return the resource."""
        with self._notes.of_set_up():
            if self._plain is not None:
                return await asyncio.to_thread(self._plain.__enter__)
            return await self._manager.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clean up, with the exception of the attempt."""
        with self._notes.of_clean_up(error):
            if self._plain is None:
                is_swallowed = await self._manager.__aexit__(kind, error, trace)
            elif self._is_kept:
                is_swallowed = self._plain.__exit__(kind, error, trace)
            else:
                is_swallowed = await asyncio.to_thread(self._plain.__exit__, kind, error, trace)
            if is_swallowed:
                _note_swallowed(error)


def _note_swallowed(error: BaseException | None) -> None:
    """Note on the error of an attempt that the clean-up did not raise it again."""
    if isinstance(error, Exception):
        error.add_note(
            "the clean-up of a resource did not raise this again; the attempt failed all the same"
        )


class _Notes:
    """Adds to errors of a generator the step that it was for."""

    def __init__(self, resource: Resource, user: str) -> None:
        self._resource = resource
        self._user = user

    @contextmanager
    def of_set_up(self) -> Generator[None]:
        """Note that an error is one of the set-up."""
        with noted(raised_by(self._resource.name, self._user)):
            yield

    @contextmanager
    def of_clean_up(self, error: BaseException | None) -> Generator[None]:
        """Note that an error is one of the clean-up, unless it is that of the attempt."""
        ending = f"after {self._user} {'had returned' if error is None else 'had failed'}"
        if self._resource.is_kept:
            ending = "as its container ended"
        with noted(f"raised by the clean-up of {self._resource.name}, {ending}", error):
            yield


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
