"""Draw replay, from executions that really run, for docs/how-replay-works.md and the README.

    python tools/replay_pictures.py

Each picture brings its own background, and has colours for light and for dark surroundings.
"""

from __future__ import annotations

import asyncio
import inspect
import textwrap
from collections.abc import Callable
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from durable_execution_sdk import DurableContext, StepContext, durable_execution
from durable_execution_sdk.testing import DurableTestResult, LocalDurableTestRunner

IMAGES = Path(__file__).parents[1] / "docs" / "images"

# The fill and the text of each kind of cell, for light and for dark surroundings.
LIGHT = {
    "page": ("#ffffff", "#1f2937"),
    "runs": ("#dbeafe", "#1e3a8a"),
    "log": ("#e5e7eb", "#374151"),
    "suspends": ("#fef3c7", "#78350f"),
    "killed": ("#fee2e2", "#7f1d1d"),
    "ended": ("#dcfce7", "#14532d"),
}
DARK = {
    "page": ("#111827", "#e5e7eb"),
    "runs": ("#1e3a8a", "#dbeafe"),
    "log": ("#374151", "#e5e7eb"),
    "suspends": ("#78350f", "#fef3c7"),
    "killed": ("#7f1d1d", "#fee2e2"),
    "ended": ("#14532d", "#dcfce7"),
}
_ROW, _MARGIN, _CHARACTER, _CELL, _GAP = 26, 14, 7.25, 150, 8

bodies: set[tuple[str, str]] = set()


class Cell(NamedTuple):
    """A box of the picture: its kind, which decides its colours, and its text."""

    kind: str
    text: str


def _note_the_body() -> None:
    step = StepContext.current()
    bodies.add((step.request_id, step.operation_name or ""))


def charge(order: str) -> str:
    """Take the money."""
    _note_the_body()
    return f"payment of {order}"


def pack(order: str) -> str:
    """Pack the parcel."""
    _note_the_body()
    return f"parcel of {order}"


def ship(parcel: str) -> str:
    """Hand the parcel over."""
    _note_the_body()
    return f"{parcel} shipped"


@durable_execution
async def buy(order: str, ctx: DurableContext) -> str:
    """Sell something; the pictures show the lines of this function."""
    payment = await ctx.step(charge, order)
    parcel = await ctx.step(pack, order)
    await ctx.wait(timedelta(days=1), name="truck")
    shipped = await ctx.step(ship, parcel)
    return f"{payment}, {shipped}"


def lines_of(function: Callable[..., object]) -> list[str]:
    """Return the lines of a function, without its decorator and its docstring."""
    lines = textwrap.dedent(inspect.getsource(inspect.unwrap(function))).splitlines()
    return [line for line in lines if not line.strip().startswith(("@", '"""'))]


def run(crash_in: str | None = None) -> DurableTestResult[str]:
    """Run the order; ``crash_in`` names the step in which the process dies once."""
    bodies.clear()
    runner = LocalDurableTestRunner(buy)
    if crash_in is not None:
        runner.faults.crash_in(crash_in)
    return runner.run_sync("A-1")


def cell_of(name: str, invocation: Any) -> Cell | None:
    """Return the cell of an operation in an invocation; ``None`` if the code did not come so far."""
    executed = {each.name: each for each in invocation.executed}
    if name in {each.name for each in invocation.replayed}:
        return Cell("log", "from the log")
    if name in executed:
        if executed[name].type == "WAIT":
            return Cell("suspends", "recorded, suspends")
        return Cell("runs", "runs, recorded")
    if (invocation.request_id, name) in bodies:
        return Cell("killed", "runs, killed")
    return None


def end_of(invocation: Any) -> Cell:
    """Return the cell with the end of an invocation."""
    match invocation.status:
        case "PENDING":
            return Cell("suspends", "PENDING")
        case "SUCCEEDED":
            return Cell("ended", "SUCCEEDED")
        case status:
            return Cell("killed", "process is gone" if invocation.error else str(status))


def picture_of_code(result: DurableTestResult[str], title: str) -> str:
    """Draw the lines of the code, and what each invocation does at them."""
    lines = lines_of(buy)
    # Each operation stands at the line that has its name in it.
    places = {
        number: name
        for number, line in enumerate(lines)
        for name in (operation.name or "" for operation in result.operations)
        if f"({name}," in line or f'"{name}"' in line
    }
    columns = [
        [
            Cell("page", f"invocation {number}"),
            *(
                cell_of(places[line], invocation) if line in places else None
                for line in range(len(lines))
            ),
            end_of(invocation),
        ]
        for number, invocation in enumerate(result.invocations, 1)
    ]
    code = ["", *lines, ""]
    return _drawn(title, code, columns)


def orders() -> tuple[list[str], list[list[str]]]:
    """Run two steps at once, and return their ends in the log and those that each invocation saw."""
    seen: dict[str, list[str]] = {}

    async def ask(carrier: str) -> str:
        if carrier == "north" and StepContext.current().attempt == 1:
            raise ConnectionError("busy")
        return f"offer of {carrier}"

    async def offer(ctx: DurableContext, carrier: str, lines: list[str]) -> None:
        lines.append(await ctx.step(ask, carrier, name=carrier))

    @durable_execution
    async def offers(_event: str, ctx: DurableContext) -> None:
        lines = seen.setdefault(ctx.lambda_context.aws_request_id, [])
        await asyncio.gather(offer(ctx, "north", lines), offer(ctx, "south", lines))
        await ctx.wait(timedelta(days=1), name="truck")

    result = LocalDurableTestRunner(offers).run_sync("A-1")
    ends = [
        f"{event.event_type} {event.name}"
        for event in result.history
        if event.event_type == "StepSucceeded"
    ]
    return ends, list(seen.values())


def picture_of_order() -> str:
    """Draw the order of completions in the log, and in the code of each invocation."""
    ends, seen = orders()
    columns: list[list[Cell | None]] = [
        [Cell("page", "the log"), *(Cell("ended", line) for line in ends)]
    ]
    before: list[str] = []
    for number, lines in enumerate(seen, 1):
        cells = (Cell("log" if line in before else "runs", line) for line in lines)
        columns.append([Cell("page", f"invocation {number} sees"), *cells])
        before = lines
    code = ["", *(f"{number}." for number in range(1, len(ends) + 1))]
    return _drawn("Two steps at once: the code sees their ends in the log's order", code, columns)


def _drawn(title: str, code: list[str], columns: list[list[Cell | None]]) -> str:
    left = _MARGIN + max(map(len, code)) * _CHARACTER + 2 * _GAP
    width = int(left + len(columns) * (_CELL + _GAP) + _MARGIN)
    height = 2 * _MARGIN + _ROW * len(code)
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_style(LIGHT)} @media (prefers-color-scheme: dark) {{ {_style(DARK)} }}</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
    ]
    for row, line in enumerate(code):
        y = _MARGIN + row * _ROW + 17
        indent = (len(line) - len(line.lstrip())) * _CHARACTER
        if line:
            parts.append(
                f'<text class="code" x="{_MARGIN + indent:.1f}" y="{y}">{escape(line.strip())}</text>'
            )
    for number, column in enumerate(columns):
        x = left + number * (_CELL + _GAP)
        for row, cell in enumerate(column):
            if cell is not None:
                y = _MARGIN + row * _ROW
                parts.append(
                    f'<rect class="{cell.kind}" x="{x:.1f}" y="{y + 2}" width="{_CELL}" height="{_ROW - 4}" rx="4"/>'
                    f'<text class="{cell.kind}" x="{x + _CELL / 2:.1f}" y="{y + 17}" text-anchor="middle">'
                    f"{escape(cell.text)}</text>"
                )
    return "\n".join([*parts, "</svg>", ""])


def _style(colours: dict[str, tuple[str, str]]) -> str:
    rules = [
        f"rect.{kind} {{ fill: {fill} }} text.{kind} {{ fill: {text} }}"
        for kind, (fill, text) in colours.items()
    ]
    fonts = (
        "text { font: 13px system-ui, sans-serif }"
        " text.code { font: 12px ui-monospace, Menlo, Consolas, monospace }"
    )
    return " ".join([fonts, *rules, f"text.code {{ fill: {colours['page'][1]} }}"])


PICTURES: dict[str, Callable[[], str]] = {
    "replay-wait.svg": lambda: picture_of_code(run(), "An order that waits for a day"),
    "replay-crash.svg": lambda: picture_of_code(
        run(crash_in="pack"), "An order whose process is killed while it packs"
    ),
    "replay-order.svg": picture_of_order,
}


if __name__ == "__main__":
    for file, draw in PICTURES.items():
        (IMAGES / file).write_text(draw(), encoding="utf-8")
