"""The code at hand is tried on a fork before it is made: no body runs, and nothing is recorded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fork.fork_rig import Origin
from tests.fork.rig_of_forks import named, rig
from tests.replay.corpus import CORPUS, Shape
from tests.sampling import name_of, whole_or_sample

from durable_execution_sdk import DurableContext
from durable_execution_sdk.client.fork import Plan, fork
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.replay.fork_rehearsal import rehearse_fork
from durable_execution_sdk.replay.report import Divergence

FIT = [shape for shape in CORPUS if not shape.fails]


@pytest.mark.parametrize("shape", FIT, ids=name_of)
@whole_or_sample
def test_code_that_fits_goes_on_from_every_cut(shape: Shape, whole: bool) -> None:
    origin = Origin(shape)
    runs = dict(origin.play.probe.runs)
    cuts = origin.cuts
    for before in cuts if whole else [cuts[len(shape.name) % len(cuts)]]:
        found: list[Divergence | None] = []

        def rehearse(plan: Plan, found: list[Divergence | None] = found) -> str:
            found.append(rehearse_fork(origin.play.rig.handler, plan))
            return "enough"

        with pytest.raises(ConfigError, match="enough"):
            asyncio.run(fork(origin.control, origin.play.arn, before=before, rehearse=rehearse))
        assert found == [None], (shape.name, before)
    assert origin.play.probe.runs == runs


def test_code_that_does_not_fit_is_told() -> None:
    asks_for = "pay"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback(name="ask")
        await ctx.step(lambda: 1, name=asks_for)
        await ctx.step(lambda: 2, name="last")
        return callback.callback_id

    forks = rig(workflow)
    origin = forks.run()
    asks_for = "charge"
    found: list[Divergence | None] = []

    def rehearse(plan: Plan) -> str | None:
        found.append(rehearse_fork(forks.rig.handler, plan))
        return None if found[-1] is None else found[-1].actual

    with pytest.raises(ConfigError, match="cannot go on from there: step 'charge'"):
        forks.start_fork(origin.arn, before=named(origin, "last"), rehearse=rehearse)
    assert found[-1] is not None
    assert found[-1].expected == "step 'pay'"
    assert forks.start_fork(origin.arn, before=named(origin, "pay"), rehearse=rehearse)
