"""The combinators as methods of the context, with types for operands of different types.

The module is long because type checkers need an overload for each number of operands of different types.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from durable_execution_sdk import operations
from durable_execution_sdk.operations.lifecycle.argument_checks import checked_name
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import current_scope

if TYPE_CHECKING:
    from durable_execution_sdk.operations.combinators.base import Combination
    from durable_execution_sdk.operations.combinators.settled import Settled

    _A = TypeVar("_A")
    _B = TypeVar("_B")
    _C = TypeVar("_C")
    _D = TypeVar("_D")
    _E = TypeVar("_E")
    _F = TypeVar("_F")
    _T = TypeVar("_T")

__all__ = ["Combinators"]


class Combinators:
    """The methods ``all``, ``any``, ``race`` and ``all_settled``, for operations that run already.

    They start nothing. Operands are operations, tasks, or other awaitables, which then run in a task of
    their own. The decision is a STEP in the log, so replay has the same winner; each costs one operation.
    Losers go on unless their context ends or ``cancel_losers`` is set. A retry, a wait or a suspension
    settles nothing. For many items, or with limits, use ``map`` and ``parallel``, which also control the
    start of their branches.
    """

    _context_state: ContextState

    @overload
    def all(self, a: Awaitable[_A], /, *, name: str | None = None) -> Handle[tuple[_A]]: ...

    @overload
    def all(
        self, a: Awaitable[_A], b: Awaitable[_B], /, *, name: str | None = None
    ) -> Handle[tuple[_A, _B]]: ...

    @overload
    def all(
        self, a: Awaitable[_A], b: Awaitable[_B], c: Awaitable[_C], /, *, name: str | None = None
    ) -> Handle[tuple[_A, _B, _C]]: ...

    @overload
    def all(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        /,
        *,
        name: str | None = None,
    ) -> Handle[tuple[_A, _B, _C, _D]]: ...

    @overload
    def all(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        e: Awaitable[_E],
        /,
        *,
        name: str | None = None,
    ) -> Handle[tuple[_A, _B, _C, _D, _E]]: ...

    @overload
    def all(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        e: Awaitable[_E],
        f: Awaitable[_F],
        /,
        *,
        name: str | None = None,
    ) -> Handle[tuple[_A, _B, _C, _D, _E, _F]]: ...

    @overload
    def all(self, *aws: Awaitable[_T], name: str | None = None) -> Handle[tuple[_T, ...]]: ...

    def all(self, *aws: Awaitable[Any], name: str | None = None) -> Handle[tuple[Any, ...]]:
        """Wait for all operations, and return their values in order.

        The first failure is raised at once; the others go on. Without operations the result is empty.

        Raises:
            the error of the operation that failed first.
        """
        return self._combine(operations.rules.All, "all", aws, name, of_nothing=True)

    @overload
    def any(
        self, a: Awaitable[_A], /, *, name: str | None = None, cancel_losers: bool = False
    ) -> Handle[_A]: ...

    @overload
    def any(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B]: ...

    @overload
    def any(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B | _C]: ...

    @overload
    def any(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B | _C | _D]: ...

    @overload
    def any(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        e: Awaitable[_E],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B | _C | _D | _E]: ...

    @overload
    def any(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        e: Awaitable[_E],
        f: Awaitable[_F],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B | _C | _D | _E | _F]: ...

    @overload
    def any(
        self, *aws: Awaitable[_T], name: str | None = None, cancel_losers: bool = False
    ) -> Handle[_T]: ...

    def any(
        self, *aws: Awaitable[Any], name: str | None = None, cancel_losers: bool = False
    ) -> Handle[Any]:
        """Wait for the first operation that succeeds, and return its value.

        With ``cancel_losers``, the others are given up once the winner is delivered.

        Raises:
            AllFailedError: all failed; an ``ExceptionGroup`` of their errors.
            ConfigError: there are no operands.
        """
        return self._combine(
            operations.rules.AnyOf,
            "any",
            aws,
            name,
            of_nothing=False,
            cancel_losers=cancel_losers,
        )

    @overload
    def race(
        self, a: Awaitable[_A], /, *, name: str | None = None, cancel_losers: bool = False
    ) -> Handle[_A]: ...

    @overload
    def race(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B]: ...

    @overload
    def race(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B | _C]: ...

    @overload
    def race(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B | _C | _D]: ...

    @overload
    def race(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        e: Awaitable[_E],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B | _C | _D | _E]: ...

    @overload
    def race(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        e: Awaitable[_E],
        f: Awaitable[_F],
        /,
        *,
        name: str | None = None,
        cancel_losers: bool = False,
    ) -> Handle[_A | _B | _C | _D | _E | _F]: ...

    @overload
    def race(
        self, *aws: Awaitable[_T], name: str | None = None, cancel_losers: bool = False
    ) -> Handle[_T]: ...

    def race(
        self, *aws: Awaitable[Any], name: str | None = None, cancel_losers: bool = False
    ) -> Handle[Any]:
        """Wait for the first operation that settles: return its value, or raise its error.

        ``ctx.race(ctx.step(work), ctx.wait(limit))`` is a timeout that holds across retries and waits.
        With ``cancel_losers``, the others are given up once the winner is delivered.

        Raises:
            the error of the first operation, if it failed.
            ConfigError: there are no operands.
        """
        return self._combine(
            operations.rules.Race,
            "race",
            aws,
            name,
            of_nothing=False,
            cancel_losers=cancel_losers,
        )

    @overload
    def all_settled(
        self, a: Awaitable[_A], /, *, name: str | None = None
    ) -> Handle[tuple[Settled[_A]]]: ...

    @overload
    def all_settled(
        self, a: Awaitable[_A], b: Awaitable[_B], /, *, name: str | None = None
    ) -> Handle[tuple[Settled[_A], Settled[_B]]]: ...

    @overload
    def all_settled(
        self, a: Awaitable[_A], b: Awaitable[_B], c: Awaitable[_C], /, *, name: str | None = None
    ) -> Handle[tuple[Settled[_A], Settled[_B], Settled[_C]]]: ...

    @overload
    def all_settled(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        /,
        *,
        name: str | None = None,
    ) -> Handle[tuple[Settled[_A], Settled[_B], Settled[_C], Settled[_D]]]: ...

    @overload
    def all_settled(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        e: Awaitable[_E],
        /,
        *,
        name: str | None = None,
    ) -> Handle[tuple[Settled[_A], Settled[_B], Settled[_C], Settled[_D], Settled[_E]]]: ...

    @overload
    def all_settled(
        self,
        a: Awaitable[_A],
        b: Awaitable[_B],
        c: Awaitable[_C],
        d: Awaitable[_D],
        e: Awaitable[_E],
        f: Awaitable[_F],
        /,
        *,
        name: str | None = None,
    ) -> Handle[
        tuple[Settled[_A], Settled[_B], Settled[_C], Settled[_D], Settled[_E], Settled[_F]]
    ]: ...

    @overload
    def all_settled(
        self, *aws: Awaitable[_T], name: str | None = None
    ) -> Handle[tuple[Settled[_T], ...]]: ...

    def all_settled(self, *aws: Awaitable[Any], name: str | None = None) -> Handle[Any]:
        """Wait until every operation has settled, and return their outcomes in order.

        Failures are not raised: each ``Settled`` has a ``status``, and a ``value`` or an ``error``.
        """
        return self._combine(operations.rules.AllSettled, "all_settled", aws, name, of_nothing=True)

    def _combine(
        self,
        kind: type[Combination[_T]],
        combinator: str,
        awaitables: tuple[Awaitable[Any], ...],
        name: str | None,
        *,
        of_nothing: bool,
        cancel_losers: bool = False,
    ) -> Handle[_T]:
        scope = current_scope(self._context_state)
        chosen = checked_name(name, combinator)
        return operations.rules.combine(
            scope,
            kind,
            combinator,
            awaitables,
            chosen,
            of_nothing=of_nothing,
            cancel_losers=cancel_losers,
        )
