"""The cost of an execution in ``durable show --cost``, and the options for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import click

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol.limits import DEFAULT_MEMORY_MB, LONGEST_RETENTION_DAYS
from durable_execution_sdk.rendering.cost.metering import ExecutionCost, cost_of
from durable_execution_sdk.rendering.cost.prices import Prices
from durable_execution_sdk.rendering.cost.report import cost_document, cost_lines

__all__ = ["CostOptions", "cost_options", "tell_cost"]

_PRICES = ("operations", "written", "kept", "requests", "gb-second")


class CostOptions(NamedTuple):
    """The options of ``durable show`` for costs."""

    is_asked: bool = False
    prices: tuple[str, ...] = ()
    memory_mb: int | None = None
    retention_days: float | None = None

    def chosen(self) -> Prices:
        """Return the prices; raise ``Refusal`` for one that is none, and for options without ``--cost``."""
        if not self.is_asked and self != CostOptions():
            raise Refusal("--price, --memory and --retention are for --cost")
        options: dict[str, Any] = dict(map(_price, self.prices))
        if self.memory_mb is not None:
            options["memory_mb"] = self.memory_mb
        if self.retention_days is not None:
            options["retention_days"] = self.retention_days
        if ("gb_second" in options) != (self.memory_mb is not None):
            raise Refusal("a price of gb-second and --memory MB go together: time costs by both")
        return Prices(**options)


def _price(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    try:
        value = float(amount)
    except ValueError:
        value = -1.0
    if name not in _PRICES or not 0 <= value < float("inf"):
        raise Refusal(
            f"--price takes one of {', '.join(_PRICES)} and US dollars, as in operations=8.00 (a million of them),"
            f" not {text!r}"
        )
    return name.replace("-", "_"), value


def cost_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options ``--cost``, ``--price``, ``--memory`` and ``--retention``."""
    for option in (
        click.option(
            "--retention",
            metavar="DAYS",
            type=click.FloatRange(1, LONGEST_RETENTION_DAYS),
            help="With --cost: the days for which ended executions are kept.  [default: 14]",
        ),
        click.option(
            "--memory",
            metavar="MB",
            type=click.IntRange(DEFAULT_MEMORY_MB),
            help="With --cost and a price of gb-second: the memory of the function.",
        ),
        click.option(
            "--price",
            "prices",
            metavar="NAME=USD",
            multiple=True,
            help="With --cost: another price of operations, written, kept, requests or gb-second.",
        ),
        click.option(
            "--cost", is_flag=True, help="Show what it costs on AWS, estimated from its history."
        ),
    ):
        command = option(command)
    return command


def tell_cost(
    emulator: Emulator, arn: str, options: CostOptions, *, as_json: bool, has_log: bool = True
) -> None:
    """Print the cost of an execution; ``has_log`` if checkpoint calls are known."""
    prices = options.chosen()
    cost = _cost(emulator, arn, has_log=has_log)
    described = emulator.describe(arn)
    if as_json:
        say(json.dumps(cost_document(described, cost, prices), indent=2, ensure_ascii=False))
        return
    say(f"{described.durable_execution_name}  {described.status}")
    for line in cost_lines(cost, prices):
        say(line)


def _cost(emulator: Emulator, arn: str, *, has_log: bool) -> ExecutionCost:
    events = history(emulator.recording(arn)())
    checkpoints = emulator.tally(arn).checkpoints if has_log else None
    return cost_of(events, checkpoints=checkpoints, now=emulator.now(arn))
