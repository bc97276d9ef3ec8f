"""AWS's own requirements, on the embedded engine, through the real entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.conformance.deployment import CRASHING, HANDLERS, deploy, function_of
from tests.conformance.judge import Bindings, Disagreement, judge_history
from tests.conformance.logs import collecting
from tests.conformance.requirements import Requirement, required
from tests.conformance.service import EmulatedService, InProcess
from tests.conformance.validator import validate

from durable_execution_sdk import CheckpointingMode

SAMPLE = {"1-11", "4-13", "5-1", "6-5", "7-7", "9-13"}


@pytest.mark.parametrize("mode", list(CheckpointingMode))
@pytest.mark.parametrize("requirement", required(lambda each: each.id not in CRASHING))
def test_requirement(
    requirement: Requirement,
    mode: CheckpointingMode,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("conformance", f"{requirement.suite} {requirement.id}")
    assert requirement.id in HANDLERS, f"nobody has written a handler for {requirement.id}"
    emulated = deploy(EmulatedService(), mode)
    with collecting(emulated.clock.now) as logs:
        validate(requirement, InProcess(emulated), function_of(requirement.id), lambda: logs.lines)


@pytest.mark.parametrize("requirement", required(lambda each: each.id in SAMPLE))
def test_whatever_a_requirement_lists_matters(
    requirement: Requirement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs it, and then tells the judge of each listed fact that it was otherwise."""
    judged: list[tuple[Any, Any, Bindings]] = []
    monkeypatch.setattr(
        "tests.conformance.validator.judge_history",
        lambda expected, events, bindings: judged.append((expected, events, bindings.copy())),
    )
    emulated = deploy(EmulatedService())
    validate(requirement, InProcess(emulated), function_of(requirement.id))
    expected, events, bindings = judged[-1]
    judge_history(expected, events, bindings)
    lies = 0
    for wanted in expected:
        event = events[wanted["EventId"] - 1]
        for path, value in _facts(wanted):
            lies += 1
            with pytest.raises(Disagreement), _lie(event, path, is_named=value != "*"):
                judge_history(expected, events, bindings)
    assert lies > 15


def _facts(wanted: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for key, value in wanted.items():
        if key != "EventId":
            if isinstance(value, dict) and value:
                yield from _facts(value, (*path, key))
            else:
                yield (*path, key), value if value else "*"


@contextmanager
def _lie(event: dict[str, Any], path: tuple[str, ...], *, is_named: bool) -> Iterator[None]:
    """Another value where one is asked for, and no key where only that is."""
    place = event
    for key in path[:-1]:
        place = place[key]
    before = place[path[-1]]
    if is_named:
        place[path[-1]] = "something else"
    else:
        del place[path[-1]]
    try:
        yield
    finally:
        place[path[-1]] = before
