"""The agents of the suite, as handlers that a new process can import and replay."""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.agents.driver import Call, Driver, Spec, Turn

from durable_execution_sdk import DurableContext, DurableHandler, Duration, durable_execution
from durable_execution_sdk.agents import (
    ToolOptions,
    ask_person,
    at_most_once,
    human_approval,
    in_workflow,
)

__all__ = ["SCENARIOS", "WORLD", "driver_of", "handler_of"]


def driver_of(adapter: str) -> Driver:
    """Return the driver of an adapter; raises ``ModuleNotFoundError`` without its framework."""
    driver: Driver = importlib.import_module(f"tests.agents.drivers.{adapter}").Driver()
    return driver


class World:
    """The state outside of executions."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.done: Counter[str] = Counter()
        self.seen: list[str] = []
        self.texts: list[str] = []
        self.running = self.peak = 0
        self.fails: Any = None
        self.prompt = "go"
        self.instructions = "be brief"

    def look_at(self, number: int, seen: str) -> None:
        """Note a request to the model."""
        self.done["requests"] += 1
        self.seen.append(seen)
        if self.fails is not None:
            self.fails(number)


WORLD = World()


@dataclass
class Report:
    city: str
    degrees: int


async def look(place: str) -> str:
    """Look at the weather of a place."""
    WORLD.running += 1
    WORLD.peak = max(WORLD.peak, WORLD.running)
    await asyncio.sleep(0.001)
    await asyncio.sleep(0.001)
    WORLD.running -= 1
    WORLD.done[f"look {place}"] += 1
    return f"sun in {place}"


@at_most_once
async def refund(order: str) -> str:
    """Refund an order."""
    WORLD.done[f"refund {order}"] += 1
    await asyncio.sleep(0.001)
    return f"refunded {order}"


@human_approval(timeout=Duration.from_days(3))
async def transfer(amount: int) -> str:
    """Transfer an amount."""
    WORLD.done["transfer"] += 1
    return f"transferred {amount}"


@in_workflow
async def ask_manager(question: str) -> str:
    """Ask the manager."""
    answer = await ask_person(question, about={"urgent": True}, result_type=str, name="manager")
    return f"the manager says {answer}"


@in_workflow
async def rest(days: int) -> str:
    """Wait some days."""
    await DurableContext.current().wait(Duration.from_days(days), name="rest")
    return f"rested {days} days"


def plain_look(place: str) -> str:
    """Look at a place, in a plain function."""
    WORLD.done[f"plain {place}"] += 1
    return f"rain in {place}"


def _calls(*calls: tuple[str, dict[str, Any]]) -> Turn:
    return Turn(calls=tuple(Call(tool, arguments) for tool, arguments in calls))


PARALLEL = [
    _calls(*(("look", {"place": place}) for place in ("Rome", "Oslo", "Bonn"))),
    Turn(text="all sunny"),
]


def _failing(driver: Driver) -> Any:
    async def find(order: str) -> str:
        """Find an order."""
        WORLD.done["find"] += 1
        raise driver.tool_error(f"there is no order {order}")

    return find


SCENARIOS: dict[str, Any] = {
    "parallel": lambda _: {"turns": PARALLEL, "tools": [look]},
    "person": lambda _: {
        "turns": [
            _calls(
                ("look", {"place": "Rome"}),
                ("ask_manager", {"question": "May I?"}),
                ("look", {"place": "Oslo"}),
            ),
            Turn(text="settled"),
        ],
        "tools": [look, ask_manager],
    },
    "approval": lambda _: {
        "turns": [_calls(("transfer", {"amount": 90})), Turn(text="done")],
        "tools": [transfer],
    },
    "approval_by_name": lambda _: {
        "turns": [_calls(("look", {"place": "Rome"})), Turn(text="done")],
        "tools": [look],
        "tool_options": {"look": ToolOptions(approval=human_approval())},
    },
    "failing": lambda driver: {
        "turns": [_calls(("find", {"order": "17"})), Turn(text="no such order")],
        "tools": [_failing(driver)],
    },
    "once": lambda _: {
        "turns": [_calls(("refund", {"order": "17"})), Turn(text="refunded")],
        "tools": [refund],
    },
    "once_by_name": lambda _: {
        "turns": [_calls(("look", {"place": "Rome"})), Turn(text="done")],
        "tools": [look],
        "tool_options": {"look": ToolOptions(at_most_once=True)},
    },
    "rest": lambda _: {
        "turns": [
            _calls(("rest", {"days": 2}), ("look", {"place": "Rome"})),
            _calls(("plain_look", {"place": "Oslo"})),
            Turn(text="rested"),
        ],
        "tools": [rest, look, plain_look],
    },
    "long": lambda _: {
        "turns": [
            *(_calls(("look", {"place": f"place {number}"})) for number in range(49)),
            Turn(text="seen it all"),
        ],
        "tools": [look],
    },
    "structured": lambda _: {
        "turns": [
            _calls(("look", {"place": "Rome"})),
            Turn(text='{"city": "Rome", "degrees": 21}'),
        ],
        "tools": [look],
        "output": Report,
    },
    "streaming": lambda _: {
        "turns": [Turn(text="one two three")],
        "on_text": WORLD.texts.append,
    },
    "limited": lambda _: {"turns": PARALLEL, "tools": [look], "request_limit": 1},
    "limit_kept": lambda _: {"turns": PARALLEL, "tools": [look], "request_limit": 2},
    "unknown_tool": lambda _: {
        "turns": PARALLEL,
        "tools": [look],
        "tool_options": {"lok": ToolOptions(at_most_once=True)},
    },
}


def handler_of(adapter: str, scenario: str, *, pause: bool = False) -> DurableHandler[Any, Any]:
    """Return the handler that runs a scenario's agent; with ``pause`` it waits a day after the run."""
    driver = driver_of(adapter)

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> dict[str, Any]:
        spec = Spec(
            **SCENARIOS[scenario](driver),
            on_request=WORLD.look_at,
            prompt=WORLD.prompt,
            instructions=WORLD.instructions,
        )
        outcome = await driver.run(spec)
        if pause:
            await ctx.wait(Duration.from_days(1), name="pause")
        output = outcome.output
        return {
            "output": [output.city, output.degrees] if isinstance(output, Report) else output,
            "requests": outcome.requests,
            "tokens": [outcome.input_tokens, outcome.output_tokens],
        }

    return handler
