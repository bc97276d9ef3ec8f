"""The code that ends a context or an attempt raises what is no ``Exception``: it is told, and never a deadlock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.rig import Ran, rig_of

from durable_execution_sdk import (
    ChildConfig,
    DurableContext,
    MapConfig,
    NoRetry,
    ParallelConfig,
    RetryDecision,
    SerDesContext,
    StepConfig,
    WaitDecision,
    WaitForConditionConfig,
    WithRetryConfig,
)

FEW = 5


class Unusual(BaseException):
    pass


class Unspeakable(Exception):
    """An exception that can't be described."""

    def __init__(self, raised: Callable[[], BaseException]) -> None:
        super().__init__()
        self.raised = raised

    def __str__(self) -> str:
        raise self.raised()

    __repr__ = __str__


RAISED: dict[str, Callable[[], BaseException]] = {
    "error": lambda: ValueError("x"),
    "exit": lambda: SystemExit(3),
    "unusual": lambda: Unusual("u"),
    "unusual_group": lambda: BaseExceptionGroup("g", [SystemExit(1)]),
    "cancelled": lambda: asyncio.CancelledError("c"),
    "closed": lambda: GeneratorExit("over"),
}


class Refuses:
    """A serdes that can't write."""

    def __init__(self, raised: Callable[[], BaseException]) -> None:
        self.raised = raised

    def serialize(self, value: Any, _context: SerDesContext, /) -> str:
        raise self.raised()

    def deserialize(self, payload: str, _context: SerDesContext, /) -> Any:
        return payload


def one() -> int:
    return 1


async def body(_ctx: DurableContext, *_item: Any) -> int:
    return 1


async def fails(_ctx: DurableContext) -> None:
    raise ValueError("no")


async def large(ctx: DurableContext) -> str:
    return "x" * 300_000


Place = Callable[[DurableContext, Callable[[], BaseException]], Any]


def mapped(raised: Callable[[], BaseException], *, virtual: bool = False) -> ChildConfig:
    def mapper(_error: Exception) -> Exception:
        raise raised()

    return ChildConfig(error_mapper=mapper, virtual=virtual)


def summarized(raised: Callable[[], BaseException]) -> ChildConfig:
    def summary(_result: Any) -> str:
        raise raised()

    return ChildConfig(summary_generator=summary)


def polled(raised: Callable[[], BaseException]) -> WaitForConditionConfig[Any]:
    return WaitForConditionConfig(
        initial_state=0,
        wait_strategy=lambda _state, _attempt: WaitDecision.stop(),
        serdes=Refuses(raised),
    )


PLACES: dict[str, Place] = {
    "serdes of a step": lambda ctx, raised: ctx.step(
        one, config=StepConfig(serdes=Refuses(raised), retry_strategy=NoRetry())
    ),
    "serdes of a poll": lambda ctx, raised: ctx.wait_for_condition(
        lambda state: state, polled(raised)
    ),
    "serdes of a child": lambda ctx, raised: ctx.run_in_child_context(
        body, config=ChildConfig(serdes=Refuses(raised))
    ),
    "serdes of a map": lambda ctx, raised: ctx.map(
        [1], body, config=MapConfig(serdes=Refuses(raised))
    ),
    "serdes of a parallel": lambda ctx, raised: ctx.parallel(
        [body], config=ParallelConfig(serdes=Refuses(raised))
    ),
    "mapper": lambda ctx, raised: ctx.run_in_child_context(fails, config=mapped(raised)),
    "mapper of a virtual child": lambda ctx, raised: ctx.run_in_child_context(
        fails, config=mapped(raised, virtual=True)
    ),
    "summary": lambda ctx, raised: ctx.run_in_child_context(large, config=summarized(raised)),
}


def ended(workflow: Any) -> Ran:
    rig = rig_of(workflow)
    ran = rig.drive(rig.start(), until=rig.clock.now() + 86_400_000)
    assert ran.status == "FAILED"
    assert ran.invocations <= FEW
    assert ran.error.error_type != "DeadlockError", ran.error
    return ran


@pytest.mark.parametrize("unspeakable", [False, True], ids=["plain", "unspeakable"])
@pytest.mark.parametrize("name", RAISED)
@pytest.mark.parametrize("place", PLACES)
def test_what_the_code_at_the_end_of_a_context_raises_is_recorded(
    place: str, name: str, unspeakable: bool
) -> None:
    raised = RAISED[name]

    async def workflow(_event: Any, ctx: DurableContext) -> None:
        await PLACES[place](ctx, (lambda: Unspeakable(raised)) if unspeakable else raised)

    ran = ended(workflow)
    if place.startswith("serdes"):
        assert ran.error.error_type == "SerDesError"
        assert "cannot write its" in ran.error.error_message


def strategies(raised: Callable[[], BaseException]) -> dict[str, Any]:
    def breaks(_error: BaseException, _attempt: int) -> RetryDecision:
        raise Unspeakable(raised)

    return {
        "raises": breaks,
        "returns nothing": lambda _error, _attempt: None,
        "returns the error": lambda error, _attempt: error,
    }


@pytest.mark.parametrize("name", RAISED)
@pytest.mark.parametrize("strategy", strategies(ValueError))
@pytest.mark.parametrize("where", ["step", "with_retry"])
def test_a_strategy_and_an_error_that_cannot_be_described(
    where: str, strategy: str, name: str
) -> None:
    raised = RAISED[name]
    chosen = strategies(raised)[strategy]

    async def unspeakable() -> None:
        raise Unspeakable(raised)

    async def again(_ctx: DurableContext) -> None:
        await unspeakable()

    async def workflow(_event: Any, ctx: DurableContext) -> None:
        if where == "step":
            await ctx.step(unspeakable, config=StepConfig(retry_strategy=chosen))
        else:
            await ctx.with_retry(again, config=WithRetryConfig(retry_strategy=chosen))

    ran = ended(workflow)
    if where == "step" or strategy != "raises":
        assert ran.error.error_type == "ConfigError"
        assert "attempt 1 of" in ran.error.error_message
