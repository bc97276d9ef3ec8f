"""Forks of generated programs: they end as the original did, and no body before the cut runs."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fork.rig_of_forks import ForkRig, rig
from tests.generated import program_api
from tests.generated.programs import CORE, grow
from tests.generated.rendering import render
from tests.generated.runner import CUTS
from tests.rig import Ran

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.fork import chunks
from durable_execution_sdk.fork.open_operations import folded
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operation_log import changes_operations

# That module registers the kinds of statements.
assert CUTS

MOST_CUTS = 8
A_YEAR = 365 * 24 * 3_600 * 1_000


@durable_execution
async def echo(event: Any, ctx: DurableContext) -> Any:
    return event


@durable_execution
async def broken(event: Any, ctx: DurableContext) -> Any:
    raise LookupError("broken")


class Played:
    """A generated program on the real engine."""

    def __init__(self, seed: int) -> None:
        self.trace = program_api.Trace(chance=random.Random(seed), slow=False)
        # The programs answer callbacks by their service, and ask it for records of bodies.
        service: Any = SimpleNamespace(answer=self.answer, operations={})
        self.trace.service = service
        program_api.play_in(self.trace)
        names: dict[str, Any] = dict(program_api.NAMES)
        # The engine knows no versions of these functions.
        source = render(grow(seed, CORE)).partition("\n")[2].replace(":1'", ":$LATEST'")
        exec(compile(source, f"<program {seed}>", "exec"), names)
        program = names["workflow"]

        async def workflow(event: Any, ctx: DurableContext) -> Any:
            self.trace.begin()
            return await program(event, ctx)

        self.forks: ForkRig = rig(workflow, others={"echo": echo, "broken": broken})
        self.origin = self.run(self.forks.rig.start({"a": 1}))

    @property
    def emulator(self) -> Emulator:
        return self.forks.emulator

    def run(self, arn: str) -> Ran:
        return self.forks.rig.drive(arn, until=self.forks.rig.clock.now() + A_YEAR)

    def answer(self, callback_id: str, result: str | None, error: Any, _seconds: float) -> None:
        # A step that runs again answers again.
        with suppress(ServiceError):
            if error is None:
                payload = None if result is None else result.encode()
                self.emulator.callback_success(callback_id, payload)
            else:
                failure = ErrorObject(error_type="Denied", error_message=error["ErrorMessage"])
                self.emulator.callback_failure(callback_id, failure)

    @property
    def cuts(self) -> list[str | None]:
        ids = dict.fromkeys(event.id for event in self.origin.events if changes_operations(event))
        return [*ids, None]

    def interrupted(self, before: str | None) -> int:
        """Count the steps that are under way at a cut."""
        events = self.origin.events
        ids = [event.id for event in events]
        kept = events if before is None else events[: ids.index(before)]
        left = folded(kept).operations.values()
        return sum(each.type == "STEP" and each.status == "STARTED" for each in left)

    def check_fork(self, before: str | None) -> None:
        runs = Counter(self.trace.bodies)
        ran = self.run(self.forks.start_fork(self.origin.arn, before=before))
        assert (ran.status, ran.result) == (self.origin.status, self.origin.result), before
        assert message(ran) == message(self.origin), before
        started = ran.types().count("StepStarted") + self.interrupted(before)
        assert sum((self.trace.bodies - runs).values()) <= started, before


def message(ran: Ran) -> str | None:
    return None if ran.error is None else ran.error.error_message


SEEDS = [range(n, n + 10) for n in range(0, 200, 10)]


@pytest.mark.parametrize(
    "seeds",
    [SEEDS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in SEEDS[1:])],
    ids=lambda each: f"{each[0]}-{each[-1]}",
)
def test_a_fork_of_a_generated_program(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 3_000)
    checked = 0
    for seed in seeds:
        if grow(seed, CORE).is_racy:
            continue
        played = Played(seed)
        assert played.origin.status in ("SUCCEEDED", "FAILED")
        cuts = played.cuts
        some = random.Random(seed).sample(cuts, MOST_CUTS) if len(cuts) > MOST_CUTS else cuts
        for before in some:
            played.check_fork(before)
            checked += 1
    assert checked
