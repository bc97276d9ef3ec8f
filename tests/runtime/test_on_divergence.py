"""``on_divergence``: code that does not fit the log fails the execution, or is invoked again until it fits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from tests.rig import Ran, Rig

from durable_execution_sdk import (
    CheckpointingMode,
    ConfigError,
    DurableContext,
    Duration,
    OnDivergence,
    durable_execution,
)
from durable_execution_sdk.replay.check import replay_history

RUNS: Counter[str] = Counter()
MINUTE = 60_000


async def work(name: str) -> str:
    RUNS[name] += 1
    return name


async def old(event: Any, ctx: DurableContext) -> list[str]:
    first = await ctx.step(work, "a", name="a")
    paid = await asyncio.gather(*(pay(ctx, name) for name in ("x", "y")))
    await ctx.wait(Duration.from_seconds(10))
    return [first, *paid, await ctx.step(work, "z", name="z")]


async def pay(ctx: DurableContext, name: str) -> str:
    return await ctx.step(work, name, name=f"pay {name}")


async def renamed(event: Any, ctx: DurableContext) -> None:
    await ctx.step(work, "a", name="b")


async def one_by_one(event: Any, ctx: DurableContext) -> None:
    await ctx.step(work, "a", name="a")
    await ctx.step(work, "x", name="pay x")


async def returns(event: Any, ctx: DurableContext) -> None:
    await ctx.step(work, "a", name="a")


async def swallows(event: Any, ctx: DurableContext) -> None:
    while True:
        try:
            await ctx.step(work, "a", name="b")
        except Exception:
            await ctx.wait(Duration.from_days(1))


async def ends(event: Any, ctx: DurableContext) -> None:
    await ctx.complete_execution_success()


class Deployed:
    """A function whose code is replaced."""

    def __init__(self, code: Any, **options: Any) -> None:
        RUNS.clear()
        self.code = code

        @durable_execution(**options)
        async def workflow(event: Any, ctx: DurableContext) -> Any:
            return await self.code(event, ctx)

        self.rig = Rig(workflow)
        self.arn = self.rig.start()

    def drive(self, minutes: float) -> Ran:
        return self.rig.drive(self.arn, until=self.rig.clock.now() + round(minutes * MINUTE))


CHANGED = [renamed, one_by_one, returns, swallows, ends]


@pytest.mark.parametrize("changed", CHANGED)
def test_code_that_does_not_fit_fails_the_execution_by_default(changed: Any) -> None:
    deployed = Deployed(old)
    deployed.drive(0.1)
    deployed.code = changed
    ran = deployed.drive(10)
    assert (ran.status, ran.error.error_type) == ("FAILED", "DeterminismError")
    assert set(RUNS.values()) == {1}


@pytest.mark.parametrize("mode", list(CheckpointingMode))
@pytest.mark.parametrize("changed", CHANGED)
def test_with_retry_it_is_invoked_again_until_the_old_code_is_back(
    changed: Any, mode: CheckpointingMode
) -> None:
    deployed = Deployed(old, on_divergence=OnDivergence.RETRY, checkpointing=mode)
    before = deployed.drive(0.1)
    deployed.code = changed
    ran = deployed.drive(10)
    assert ran.status == "RUNNING"
    failed = [e.invocation_completed_details for e in ran.events if e.invocation_completed_details]
    errors = [each.error.payload.error_type for each in failed if each.error]
    assert errors
    assert set(errors) == {"DeterminismError"}
    # With a backoff: each comes later than the one before, up to a limit.
    times = [each.end_timestamp for each in failed][-len(errors) :]
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[:3] == sorted(gaps[:3])
    assert gaps[0] < gaps[3]
    assert len(errors) < 30
    # Nothing else happens meanwhile.
    meanwhile = [e.event_type for e in ran.events[len(before.events) :]]
    assert set(meanwhile) <= {"InvocationCompleted", "WaitSucceeded"}
    deployed.code = old
    rescued = deployed.drive(10)
    assert (rescued.status, rescued.result) == ("SUCCEEDED", ["a", "x", "y", "z"])
    assert RUNS == Counter("axyz")


@dataclass
class Order:
    card: str


@dataclass
class Paid:
    card: str
    amount: int


async def by_card(event: Order, ctx: DurableContext) -> str:
    await ctx.wait(Duration.from_seconds(10))
    return event.card


async def by_amount(event: Paid, ctx: DurableContext) -> int:
    await ctx.wait(Duration.from_seconds(10))
    return event.amount


def annotated(on_divergence: OnDivergence) -> tuple[Rig, Callable[[Any], None]]:
    """Return a rig whose function is replaced by another one, with an annotation of its own."""
    handlers = {
        code: durable_execution(on_divergence=on_divergence)(code) for code in (by_card, by_amount)
    }
    current = [by_card]

    class Replaced:
        def bind(self, plane: Any) -> Any:
            bound = {code: handler.bind(plane) for code, handler in handlers.items()}
            return lambda event, context: bound[current[0]](event, context)

    def deploy(code: Any) -> None:
        current[0] = code

    return Rig(Replaced()), deploy


@pytest.mark.parametrize("on_divergence", list(OnDivergence))
def test_an_input_that_no_longer_fits_its_annotation_is_treated_alike(
    on_divergence: OnDivergence,
) -> None:
    rig, deploy = annotated(on_divergence)
    arn = rig.start({"card": "visa"})
    rig.drive(arn, until=rig.clock.now() + 100)
    deploy(by_amount)
    ran = rig.drive(arn, until=rig.clock.now() + 10 * MINUTE)
    if on_divergence is OnDivergence.FAIL:
        assert (ran.status, ran.error.error_type) == ("FAILED", "SerDesError")
        return
    assert ran.status == "RUNNING"
    deploy(by_card)
    ran = rig.drive(arn, until=rig.clock.now() + 10 * MINUTE)
    assert (ran.status, ran.result) == ("SUCCEEDED", "visa")


@pytest.mark.parametrize("on_divergence", list(OnDivergence))
def test_an_input_that_has_fitted_no_code_fails_at_once(on_divergence: OnDivergence) -> None:
    rig, _ = annotated(on_divergence)
    ran = rig.drive(rig.start({"kard": "visa"}), until=rig.clock.now() + 10 * MINUTE)
    assert (ran.status, ran.error.error_type) == ("FAILED", "SerDesError")


def test_other_errors_fail_the_execution_all_the_same() -> None:
    async def raises(event: Any, ctx: DurableContext) -> None:
        raise LookupError("nothing here")

    ran = Deployed(raises, on_divergence=OnDivergence.RETRY).drive(10)
    assert (ran.status, ran.error.error_type) == ("FAILED", "LookupError")


def test_a_rehearsal_reports_the_divergence_all_the_same() -> None:
    deployed = Deployed(old, on_divergence=OnDivergence.RETRY)
    ran = deployed.drive(10)
    changed = durable_execution(on_divergence=OnDivergence.RETRY)(returns)
    assert not replay_history(changed, ran.events, execution_arn=ran.arn).ok


def test_the_option_takes_one_of_its_members() -> None:
    with pytest.raises(ConfigError, match="on_divergence"):
        durable_execution(on_divergence="RETRY")  # type: ignore[call-overload]
