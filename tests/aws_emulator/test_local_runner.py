"""The SDK with AWS's own local runner as the service, over HTTP.

Run by ``make test-emulator``, in an environment of its own; ``make test`` leaves it out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from examples.combinators.race_with_timeout.app import book_parcel
from examples.map.photo_album.app import Album, publish_album
from examples.patterns.approval_while_polling.app import Release, release
from examples.sagas.trip_booking.app import Trip, book_trip
from msgspec.structs import replace
from tests.aws_emulator.local_runner import VARIABLE, Forgotten, LocalRunner, local_runner
from tests.conformance.deployment import CRASHING, HANDLERS, TARGETS, function_of
from tests.conformance.logs import collecting
from tests.conformance.requirements import Requirement, required
from tests.conformance.validator import validate

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    DurableHandler,
    Duration,
    durable_execution,
)

pytestmark = pytest.mark.skipif(VARIABLE not in os.environ, reason="run by make test-emulator")

ROOT = Path(__file__).parents[2]

LEFT_OUT: dict[str, set[str]] = {
    "StepSucceeded": {"RetryDetails"},
    "CallbackStarted": {"Timeout", "HeartbeatTimeout"},
    "ChainedInvokeStarted": {"ExecutedVersion"},
}
"""Details that the runner leaves out of its events, by type of event; AWS's service has them."""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRunner]:
    deployed: dict[str, Any] = {function_of(number): each for number, each in HANDLERS.items()}
    eager = {f"eager-{name}": _eager(handler) for name, handler in deployed.items()}
    log = tmp_path_factory.mktemp("runner") / "log"
    handlers = {**deployed, **eager, **TARGETS, "book_parcel": book_parcel, "patched": with_patches}
    with local_runner(handlers, log) as made:
        yield made


CHANGED: dict[str, int] = {}
"""The number of invocations by execution: the first one of each runs the code as it was before its change."""


@durable_execution
async def with_patches(event: bool, ctx: DurableContext) -> list[Any]:
    """Have two patches added after the first invocation, or from the beginning with a true event."""
    CHANGED[ctx.execution_arn] = number = CHANGED.get(ctx.execution_arn, 0) + 1
    is_new = event or number > 1

    async def done(value: str) -> str:
        return value

    async def part(inner: DurableContext) -> str:
        taken = is_new and inner.patched("part")
        await inner.wait(Duration.from_seconds(1))
        return await inner.step(done, "new part" if taken else "old part", name="part")

    seen: list[Any] = [await ctx.run_in_child_context(part)]
    for n in range(2):
        taken = is_new and ctx.patched("round", each_time=True)
        seen.append(await ctx.step(done, f"new {n}" if taken else f"old {n}", name=f"round {n}"))
        await ctx.wait(Duration.from_seconds(1))
    return [*seen, is_new and ctx.patched("part")]


def _eager(handler: DurableHandler[Any, Any]) -> DurableHandler[Any, Any]:
    settings = replace(handler.settings, checkpointing=CheckpointingMode.EAGER)
    return DurableHandler(handler.__wrapped__, None, settings)


@pytest.mark.parametrize("requirement", required(lambda each: each.id not in CRASHING))
def test_requirement(requirement: Requirement, runner: LocalRunner) -> None:
    check(requirement, runner, function_of(requirement.id))


@pytest.mark.parametrize("requirement", required(lambda each: each.suite == "wait_for_condition"))
def test_a_poll_in_eager_mode(requirement: Requirement, runner: LocalRunner) -> None:
    """The runner's response to the START of a check lacks the state, which AWS's response has."""
    check(requirement, runner, f"eager-{function_of(requirement.id)}")


def check(requirement: Requirement, runner: LocalRunner, function: str) -> None:
    expected = [_as_the_runner_tells_it(event) for event in requirement.history]
    if requirement.suite == "invoke":
        # A quick target may end before the invocation that invoked it.
        expected = []
    content = {**requirement.content, "ExpectedExecutionHistory": expected}
    told = Requirement(requirement.id, requirement.suite, requirement.description, content)
    with collecting(lambda: 0) as logs:
        validate(told, runner, function, lambda: logs.lines)


def _as_the_runner_tells_it(event: dict[str, Any]) -> dict[str, Any]:
    kind = event["EventType"]
    name = f"{kind}Details"
    if not isinstance(event.get(name), dict):
        return event
    details = dict(event[name])
    for member in LEFT_OUT.get(kind, ()):
        details.pop(member, None)
    if kind == "StepSucceeded" and event.get("SubType") == "WaitForCondition":
        details.pop("Result", None)
    return {**event, name: details}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRunner]:
    """The examples on a runner that skips time: some wait for days."""
    place = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples" / "order_processing"))
        patch.setenv("SHOP", str(place / "shop"))
        from examples.order_processing.app import process_order, ship_order

        handlers: dict[str, Any] = {
            "process_order": process_order,
            "ship_order": ship_order,
            "publish_album": publish_album,
            "book_trip": book_trip,
            "release": release,
        }
        with local_runner(handlers, place / "log", skip_time=True) as made:
            yield made
    sys.modules.pop("outside", None)


def run(runner: LocalRunner, name: str, event: Any, answer: Any = None) -> tuple[str, Any]:
    """Run a function to its end, with another execution where the runner has forgotten one."""
    for _ in range(3):
        try:
            return run_once(runner, name, event, answer)
        except Forgotten as forgotten:
            left = forgotten
    raise left


def run_once(runner: LocalRunner, name: str, event: Any, answer: Any) -> tuple[str, Any]:
    arn = runner.invoke(name, msgspec.to_builtins(event, enc_hook=str), asynchronous=True)
    if answer is not None:
        runner.answer_first_callback(arn, json.dumps(answer).encode())
    status = runner.wait_for_end(arn)
    result = runner.outcome(arn)[1]
    return status, None if result is None else json.loads(result)


def test_an_order_is_processed(examples: LocalRunner) -> None:
    items = [{"sku": "cup", "quantity": 2, "price": "12"}]
    order = {"order_id": "2041", "card": "visa", "items": items}
    status, receipt = run(examples, "process_order", order, {"picked_by": "Grace"})
    assert (status, receipt["status"], receipt["tracking_number"]) == (
        "SUCCEEDED",
        "shipped",
        "track-2041-1",
    )
    assert (
        run(examples, "process_order", {**order, "card": "declined-1"})[1]["status"] == "declined"
    )
    assert run(examples, "process_order", {**order, "items": []})[0] == "FAILED"


def test_an_album_is_published(examples: LocalRunner) -> None:
    status, album = run(examples, "publish_album", Album("summer", 2), "Grace")
    assert (status, len(album["thumbnails"]), album["approved_by"]) == ("SUCCEEDED", 7, "Grace")


@pytest.mark.parametrize(
    ("event", "seen"),
    [
        (True, ["new part", "new 0", "new 1", True]),
        (False, ["old part", "new 0", "new 1", False]),
    ],
)
def test_markers_of_patches_are_recorded(event: bool, seen: list[Any], runner: LocalRunner) -> None:
    assert run(runner, "patched", event) == ("SUCCEEDED", seen)


def test_a_parcel_is_booked(runner: LocalRunner) -> None:
    status, offer = run(runner, "book_parcel", {"parcel": "p"})
    assert status == "SUCCEEDED"
    assert offer["carrier"] in {"steady", "swift"}


def test_a_trip_is_booked_or_cancelled(examples: LocalRunner) -> None:
    assert run(examples, "book_trip", Trip("Ada", 1100))[1]["hotel"] == "hotel-Ada"
    assert run(examples, "book_trip", Trip("Ada", 900))[1] == "the trip is 200 over budget"


def test_a_release_with_a_broken_canary_is_rolled_back(examples: LocalRunner) -> None:
    assert run(examples, "release", Release("1.4", breaks_after=3))[1] == "1.4 rolled back"
