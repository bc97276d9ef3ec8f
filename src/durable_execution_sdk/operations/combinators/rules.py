"""The rules of the combinators: the outcomes of ``all``, ``any``, ``race`` and ``all_settled``."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, ClassVar, TypeVar

from durable_execution_sdk.errors import AllFailedError, ConfigError
from durable_execution_sdk.operations.combinators.base import (
    Combination,
    Decision,
    Operand,
    error_from,
    failed,
)
from durable_execution_sdk.operations.combinators.settled import Settled
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope

__all__ = ["All", "AllSettled", "AnyOf", "Race", "combine"]

_T = TypeVar("_T")


class All(Combination[tuple[Any, ...]]):
    """The values of all operands, or the error of the first one that fails."""

    def decide(self, operand: Operand) -> None:
        """Fail at the first failure; succeed at the last success."""
        count = len(self.operands)
        if failed(operand):
            self.fail(Decision(of=count, first=self.index(operand)), error_from(operand))
        elif not self._left:
            self.succeed(Decision(of=count))

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """Return the operand that failed; all operands for a success."""
        return self.operands if decision.first is None else [self.operands[decision.first]]

    def value(self, record: Operation) -> tuple[Any, ...]:
        """Return the operands' values, in their order."""
        return tuple(self.value_of(operand) for operand in self.operands)


class Race(Combination[Any]):
    """The outcome of the first operand that settles, a value or an error."""

    def decide(self, operand: Operand) -> None:
        """Take the outcome of this operand, which is the first to settle."""
        decision = Decision(of=len(self.operands), first=self.index(operand))
        if failed(operand):
            self.fail(decision, error_from(operand))
        else:
            self.succeed(decision)

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """Return the winner."""
        return [] if decision.first is None else [self.operands[decision.first]]

    def value(self, record: Operation) -> Any:
        """Return the winner's value."""
        return self.value_of(self.first(record))


class AnyOf(Combination[Any]):
    """The value of the first operand to succeed, or all errors."""

    is_past_failures: ClassVar[bool] = True

    def decide(self, operand: Operand) -> None:
        """Succeed at the first success; fail at the last failure."""
        count = len(self.operands)
        if not failed(operand):
            self.succeed(Decision(of=count, first=self.index(operand)))
        elif not self._left:
            self.fail(Decision(of=count), self._all_failed())

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """Return the winner; all operands for a failure."""
        return self.operands if decision.first is None else [self.operands[decision.first]]

    def value(self, record: Operation) -> Any:
        """Return the winner's value."""
        return self.value_of(self.first(record))

    def failure(self, record: Operation) -> BaseException:
        """Return an ``AllFailedError`` with the errors of all, in their order."""
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
    """The outcomes of all operands; a failure is not raised."""

    def decide(self, operand: Operand) -> None:
        """Succeed when the last operand has settled."""
        if not self._left:
            failures = [n for n, loser in enumerate(self.operands) if failed(loser)]
            self.succeed(Decision(of=len(self.operands), failed=failures))

    def needed(self, decision: Decision) -> Iterable[Operand]:
        """Return all operands."""
        return self.operands

    def value(self, record: Operation) -> tuple[Settled[Any], ...]:
        """Return the value or error of each operand, in their order."""
        losers = frozenset(self.decision(record).failed)
        return tuple(
            Settled(error=self.error_of(operand))
            if n in losers
            else Settled(value=self.value_of(operand))
            for n, operand in enumerate(self.operands)
        )


def combine(
    scope: IdScope,
    kind: type[Combination[_T]],
    combinator: str,
    awaitables: tuple[Awaitable[object], ...],
    name: str | None,
    *,
    of_nothing: bool,
    cancel_losers: bool = False,
) -> Handle[_T]:
    """Start a combinator. An awaitable that is neither an operation nor a task runs in a new task.

    Raises ``ConfigError`` for operands that cannot be awaited, and for none unless ``of_nothing``.
    """
    foreign = [awaitable for awaitable in awaitables if not inspect.isawaitable(awaitable)]
    is_flag = isinstance(cancel_losers, bool)
    if foreign or not is_flag or not (awaitables or of_nothing):
        for awaitable in awaitables:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
        if not is_flag:
            raise ConfigError(
                f"ctx.{combinator}(cancel_losers=...) takes True or False, not {cancel_losers!r}"
            )
        raise ConfigError(
            f"ctx.{combinator} takes operations that are under way, as in"
            f" ctx.{combinator}(ctx.step(a), ctx.step(b)),"
            + (f" not {foreign[0]!r}" if foreign else " and at least one of them")
        )
    operands = [_future(awaitable) for awaitable in awaitables]
    own = [made for made, given in zip(operands, awaitables, strict=True) if made is not given]
    combination = kind(
        scope,
        operands,
        name or combinator,
        cancel_losers=cancel_losers,
        own=own if cancel_losers else (),
    )
    return combination.handle


def _future(awaitable: Awaitable[object]) -> Operand:
    if isinstance(awaitable, (Handle, asyncio.Task)):
        return awaitable

    # The runtime sees the future that a task waits for. The source of a bare future is not known to it.
    async def wait() -> object:
        return await awaitable

    return asyncio.ensure_future(awaitable if inspect.iscoroutine(awaitable) else wait())
