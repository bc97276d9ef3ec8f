"""The work of hooks and plugins for a step, counted in Python calls; docs/observability.md has it in instructions.

The bounds are a little above what is needed today. A change that needs more has to say why, here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.memory_service import MemoryService
from tests.performance.counting import work_of

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.otel import OpenTelemetryPlugin
from durable_execution_sdk.plugins import DurablePlugin
from durable_execution_sdk.telemetry import EmbeddedMetricsPlugin, TelemetryRecordPlugin


def ignore(_line: str) -> None:
    """Write nothing."""


def plugin_of(hook: str) -> DurablePlugin:
    def called(_self: DurablePlugin, _info: Any) -> None: ...

    return type("One", (DurablePlugin,), {hook: called})()


def calls_of_a_step(plugins: Sequence[DurablePlugin], *, replays: bool = False) -> float:
    """Return the calls that each further step of an invocation takes."""

    async def workflow(event: int, ctx: DurableContext) -> None:
        for number in range(event):
            await ctx.step(one, number)

    handler = durable_execution(plugins=plugins)(workflow)

    def calls(steps: int) -> int:
        service = MemoryService()
        bound = handler.bind(service)
        event = service.event(str(steps))
        if replays:
            bound(event, None)
            event = service.event(str(steps))
        return work_of(lambda: bound(event, None)).calls

    # What a process does once, or by the clock, is in some runs only.
    least, most = (min(calls(steps) for _ in range(3)) for steps in (50, 150))
    return (most - least) / 100


async def one(number: int) -> int:
    return number


@pytest.mark.parametrize(
    ("hook", "most"),
    [
        ("on_operation_start", 26),
        ("on_operation_change", 28),
        ("on_operation_end", 25),
        ("on_attempt_start", 34),
        ("on_attempt_end", 34),
        ("on_checkpoint", 22),
        ("on_invocation_start", 11),
        ("on_invocation_end", 11),
    ],
)
def test_a_hook_costs_only_its_own_reports(hook: str, most: int) -> None:
    assert calls_of_a_step([plugin_of(hook)]) - calls_of_a_step([]) <= most


def test_a_replayed_step_costs_what_its_hook_does() -> None:
    without = calls_of_a_step([], replays=True)
    assert calls_of_a_step([plugin_of("on_operation_replay")], replays=True) - without <= 17
    assert calls_of_a_step([plugin_of("on_operation_end")], replays=True) - without <= 3


@pytest.mark.parametrize(
    ("plugin", "most"),
    [
        (TelemetryRecordPlugin(write=ignore), 28),
        (EmbeddedMetricsPlugin(write=ignore), 100),
        (OpenTelemetryPlugin(), 200),
    ],
    ids=["record", "metrics", "opentelemetry"],
)
def test_a_plugin_takes_little_for_a_step(plugin: DurablePlugin, most: int) -> None:
    assert calls_of_a_step([plugin]) - calls_of_a_step([]) <= most
