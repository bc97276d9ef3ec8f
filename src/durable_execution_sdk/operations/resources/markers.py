"""``Depends`` and ``INJECTED``: the marks of a step's parameters that the SDK gives.

The types are those that a checker sees, not those of the objects. ``Depends(get_client)`` has the type of the
client, so that ``client: Client = Depends(get_client)`` is checked. ``INJECTED`` fits any parameter: a parameter
with a default is one that ``ctx.step(charge, order)`` may leave out, for mypy and for pyright.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any, NoReturn, TypeVar, overload

from durable_execution_sdk.errors import ConfigError

__all__ = ["INJECTED", "Dependency", "Depends", "Injected", "checked_maker", "name_of"]

_T = TypeVar("_T")


class Injected:
    """The default of a parameter that the SDK gives; a use of it tells that nothing was given."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Write the name by which code imports it."""
        return "INJECTED"

    def __getattr__(self, name: str) -> NoReturn:
        """Raise ``AttributeError``, with the reason why there is no resource here."""
        raise AttributeError(
            f"{self!r}.{name}: nothing has given this resource. ctx.step, ctx.wait_for_condition and"
            " ctx.wait_for_callback give the resources of the functions that they call; other callers"
            " pass them: charge(order, client=client)"
        )


class Dependency(Injected):
    """A resource of a function: the function that makes it, and how long it is kept."""

    __slots__ = ("keep", "make")

    def __init__(self, make: Callable[..., object], keep: bool | None) -> None:  # noqa: FBT001
        self.make = make
        self.keep = keep

    def __repr__(self) -> str:
        """Write the mark as it stands in code."""
        kept = "" if self.keep is None else f", keep={self.keep}"
        return f"Depends({name_of(self.make)}{kept})"


INJECTED: Any = Injected()
"""The default of a parameter ``client: Annotated[Client, Depends(get_client)] = INJECTED``, for type checkers."""


@overload
def Depends(make: Callable[..., AsyncGenerator[_T, None]], *, keep: bool | None = None) -> _T: ...


@overload
def Depends(make: Callable[..., Generator[_T, None, None]], *, keep: bool | None = None) -> _T: ...


@overload
def Depends(make: Callable[..., Coroutine[Any, Any, _T]], *, keep: bool | None = None) -> _T: ...


@overload
def Depends(
    make: Callable[..., AsyncIterator[Any] | Iterator[Any]], *, keep: bool | None = None
) -> Any: ...


@overload
def Depends(make: Callable[..., _T], *, keep: bool | None = None) -> _T: ...


def Depends(make: Callable[..., Any], *, keep: bool | None = None) -> Any:  # noqa: N802 - as in FastAPI
    """Mark a parameter of a step as a resource that ``make()`` makes.

    ``async def charge(order: Order, *, client: Annotated[Client, Depends(get_client)] = INJECTED)``: the call is
    ``ctx.step(charge, order)``. ``make`` is ``async def`` or plain ``def``, which runs in a worker thread; its own
    parameters may be resources too.

    A function that returns makes the resource once in a container, on first use, and it is kept over warm
    invocations. A generator makes it for each attempt: the code after its ``yield`` cleans up, and gets the
    exception of the attempt.

    ``keep=False`` makes it for each attempt in both cases. ``keep=True`` keeps what a generator yields, too; the code
    after its ``yield`` runs when the container ends in an orderly way.

    Raises:
        ConfigError: ``make`` is not a function, as in ``Depends(get_client())``.
    """
    if keep is not None and not isinstance(keep, bool):
        raise ConfigError(
            "Depends(..., keep=...) takes True (made once in a container) or False (made for each"
            f" attempt), not {keep!r}"
        )
    return Dependency(checked_maker(make), keep)


def checked_maker(make: Callable[..., object]) -> Callable[..., object]:
    """Return a function that makes a resource. Raises ``ConfigError`` for what is none."""
    if isinstance(make, Injected) or not callable(make):
        raise ConfigError(
            f"Depends takes the function that makes the resource, as in Depends(get_client), not {make!r}"
        )
    wrapped: object = getattr(make, "__wrapped__", None)
    if _is_generator(wrapped) and not _is_generator(make):
        raise ConfigError(
            f"{name_of(make)} is a context manager, which would not be entered: leave out its decorator"
            f" (contextlib's), so that Depends({name_of(make)}) gets the generator function itself"
        )
    try:
        hash(make)
    except TypeError as error:
        raise ConfigError(
            f"Depends takes functions that can be told apart by their hash, and {make!r} has none"
        ) from error
    return make


def _is_generator(function: object) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def name_of(function: object) -> str:
    """Return the name of a function in messages."""
    inner: object = getattr(function, "func", function)
    return str(getattr(inner, "__qualname__", None) or repr(inner))
