"""Programs with patches: executions that began before and after these were added, and what they come to."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.generated.oracle import Execution, Playing, check_execution
from tests.generated.program_api import Trace
from tests.generated.programs import Node, Program, statement
from tests.generated.rendering import Writer
from tests.generated.schedules import CALM, Schedule

__all__ = ["begun_before", "check_begun_after", "check_begun_before"]

WAYS = ("insert", "remove", "replace", "replace")


def _patch(rng: random.Random) -> dict[str, Any]:
    return {
        "id": rng.choice(("p1", "p1", "p2", "p3")),
        "each": rng.random() < 0.3,
        "way": rng.choice(WAYS),
    }


@statement(blocks=(2, 2), make=_patch, feature="patches", weight=9)
def patch(w: Writer, node: Node) -> None:
    """New code in place of old code; before the change there was the old code only."""
    new, old = node.blocks
    n, way = w.number(), node.data["way"]
    key = w.key(n)
    if w.is_old:
        if way != "insert":
            w.block(old)
        return
    each = ", each_time=True" if node.data["each"] else ""
    with w.under(f"if not asks(c, {key}, '{node.data['id']}'{each}):"):
        if way != "insert":
            w.block(old)
    with w.under("else:"):
        if way != "remove":
            with w.apart(n):
                w.block(new)


def begun_before(
    old: Playing, schedule: Schedule, invocations: int | None = None
) -> Execution | None:
    """Run the old program until its process dies or, with a number, until so many invocations have ended."""
    if invocations is None:
        return old.interrupted(schedule)
    begun = old.run(replace(schedule, crash=None), until=invocations)
    return begun if begun.status == "RUNNING" else None


def check_begun_before(new: Playing, begun: Execution, schedule: Schedule) -> Iterator[str]:
    """Go on with an execution that the old program began, and yield the faults."""
    recorded = _recorded(begun)
    known = len(begun.service.snapshots)
    went_on = new.run(schedule, continued=begun)
    # The old program's states of the log are replayed by its own checks.
    del went_on.service.snapshots[:known]
    yield from (f"patched: {each}" for each in check_execution(new, went_on, 2))
    again = [key for key, _ in went_on.trace.bodies if key in recorded]
    if again:
        yield f"patched: recorded steps ran again: {again[:3]}"
    yield from _unlike_forced(new, went_on)


def check_begun_after(execution: Execution) -> Iterator[str]:
    """Yield a fault if an execution that began with the patches has not taken all of them."""
    refused = [key for key, answer in answers_of(execution.trace).items() if answer is not True]
    if refused:
        yield f"patched: an execution that began after the change has not taken {refused[:3]}"


def answers_of(trace: Trace) -> dict[str, Any]:
    """Return the answers about patches in all invocations, by key."""
    return {key: answer for seen in trace.observations for key, answer in seen if key.endswith("?")}


def _unlike_forced(new: Playing, went_on: Execution) -> Iterator[str]:
    """Compare with a calm run that is given the same answers: it has the same log and the same result."""
    if new.program.is_racy or went_on.status != "SUCCEEDED":
        return
    forced = new.run(CALM, forced=answers_of(went_on.trace))
    if forced.status != "SUCCEEDED":
        yield f"patched: with the same answers it {forced.status}: {forced.error}"
        return
    if forced.result != went_on.result:
        yield "patched: the result differs from that of a calm run with the same answers"
    one, two = _without_markers(forced), _without_markers(went_on)
    if one != two:
        gone, more = one.items() - two.items(), two.items() - one.items()
        yield f"patched: the log differs from that of a calm run: without {list(gone)[:3]}, with {list(more)[:3]}"


def _without_markers(execution: Execution) -> dict[str, Any]:
    return {
        key: op for key, op in execution.log().items() if not (op[2] or "").startswith("patch:")
    }


def _recorded(begun: Execution) -> set[str]:
    """Return the keys of steps that are recorded as succeeded; the result of most is their key."""
    keys = set()
    for op in begun.service.operations.values():
        if op["Type"] == "STEP" and op["Status"] == "SUCCEEDED":
            keys.add(((op.get("StepDetails") or {}).get("Result") or "").strip('"'))
    return keys & {key for key, _ in begun.trace.bodies}


def handovers(
    seed: int, count: int, calm: Execution, program: Program
) -> Iterator[tuple[Schedule, int | None, Schedule]]:
    """Yield the schedule of the old program, the invocations that it has, and the schedule of the new one."""
    from tests.generated.schedules import schedules

    rng = random.Random(seed)
    bodies = sum(calm.trace.bodies.values())
    befores = schedules(seed + 1, count, calm.calls, bodies)
    afters = schedules(seed + 2, count, calm.calls, bodies)
    for before, after in zip(befores, afters, strict=True):
        suspends = calm.invocations > 1 and rng.random() < 0.5
        if suspends:
            yield before, rng.randrange(1, calm.invocations), after
            continue
        crash = before.crash or (rng.randint(1, max(calm.calls, 1)), "after")
        yield replace(before, crash=crash), None, after
