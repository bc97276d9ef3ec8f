"""Combinators: all, any, race and all_settled, each with its rule of when it is decided."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, TypeVar

from durable_execution_sdk.errors import AllFailedError, ConfigError
from durable_execution_sdk.model.operation import Operation
from durable_execution_sdk.operations.combination import (
    Combination,
    Decision,
    Operand,
    error_from,
    failed,
)
from durable_execution_sdk.operations.settled import Settled
from durable_execution_sdk.runtime.delivery import Handle
from durable_execution_sdk.runtime.scope import Scope

__all__ = ["All", "AllSettled", "AnyOf", "Race", "combine"]

_T = TypeVar("_T")


class All(Combination[tuple[Any, ...]]):
    """The values of all operands, or the error of the first one that fails."""

    def decide(self, operand: Operand) -> None:
        """A failure is final; the last success too."""
        count = len(self.operands)
        if failed(operand):
            self.fail(Decision(of=count, first=self.index(operand)), error_from(operand))
        elif not self._left:
            self.succeed(Decision(of=count))

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """Every operand, or the one that failed."""
        return self.operands if decision.first is None else [self.operands[decision.first]]

    def value(self, record: Operation) -> tuple[Any, ...]:
        """The operands' values, in their order."""
        return tuple(self.value_of(operand) for operand in self.operands)


class Race(Combination[Any]):
    """What the first operand to settle comes to, good or bad."""

    def decide(self, operand: Operand) -> None:
        """Whoever settles first decides."""
        decision = Decision(of=len(self.operands), first=self.index(operand))
        if failed(operand):
            self.fail(decision, error_from(operand))
        else:
            self.succeed(decision)

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """The winner."""
        return [] if decision.first is None else [self.operands[decision.first]]

    def value(self, record: Operation) -> Any:
        """The winner's value."""
        return self.value_of(self.first(record))


class AnyOf(Combination[Any]):
    """The value of the first operand to succeed, or all errors."""

    def decide(self, operand: Operand) -> None:
        """A success is final; the last failure too."""
        count = len(self.operands)
        if not failed(operand):
            self.succeed(Decision(of=count, first=self.index(operand)))
        elif not self._left:
            self.fail(Decision(of=count), self._all_failed())

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """The winner, or everybody."""
        return self.operands if decision.first is None else [self.operands[decision.first]]

    def value(self, record: Operation) -> Any:
        """The winner's value."""
        return self.value_of(self.first(record))

    def failure(self, record: Operation) -> BaseException:
        """The errors of all, in their order."""
        return self._all_failed()

    def _all_failed(self) -> AllFailedError:
        error = AllFailedError(
            f"all {len(self.operands)} operands of {self.label} failed",
            [self.error_of(operand) for operand in self.operands],
        )
        error.operation_id = self.operation_id
        error.operation_name = self.name
        return error


class AllSettled(Combination[tuple[Settled[Any], ...]]):
    """What each operand comes to; a failure is not raised."""

    def decide(self, operand: Operand) -> None:
        """The last one to settle decides."""
        if not self._left:
            losers = [n for n, each in enumerate(self.operands) if failed(each)]
            self.succeed(Decision(of=len(self.operands), failed=losers))

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """Every operand."""
        return self.operands

    def value(self, record: Operation) -> tuple[Settled[Any], ...]:
        """Value or error of each operand, in their order."""
        losers = frozenset(self.decision(record).failed)
        return tuple(
            Settled(error=self.error_of(operand))
            if n in losers
            else Settled(value=self.value_of(operand))
            for n, operand in enumerate(self.operands)
        )


def combine(
    scope: Scope,
    kind: type[Combination[_T]],
    combinator: str,
    awaitables: tuple[Awaitable[Any], ...],
    name: str | None,
    *,
    of_nothing: bool,
    cancel_losers: bool = False,
) -> Combination[_T]:
    """Combine operations; whatever is neither an operation nor a task runs in a task of its own."""
    foreign = [each for each in awaitables if not inspect.isawaitable(each)]
    is_flag = isinstance(cancel_losers, bool)
    if foreign or not is_flag or not (awaitables or of_nothing):
        for each in awaitables:
            if isinstance(each, Coroutine):
                each.close()
        if not is_flag:
            raise ConfigError(
                f"ctx.{combinator}(cancel_losers=...) takes True or False, not {cancel_losers!r}"
            )
        raise ConfigError(
            f"ctx.{combinator} takes operations that are under way, as in"
            f" ctx.{combinator}(ctx.step(a), ctx.step(b)),"
            + (f" not {foreign[0]!r}" if foreign else " and at least one of them")
        )
    operands = [_future(each) for each in awaitables]
    return kind(scope, operands, name or combinator, cancel_losers=cancel_losers)


def _future(awaitable: Awaitable[Any]) -> Operand:
    if isinstance(awaitable, (Handle, asyncio.Task)):
        return awaitable

    # The runtime sees what a task waits for; of a bare future it could not tell who will set it.
    async def wait() -> Any:
        return await awaitable

    return asyncio.ensure_future(awaitable if inspect.iscoroutine(awaitable) else wait())
