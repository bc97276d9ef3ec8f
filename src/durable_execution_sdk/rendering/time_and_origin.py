"""Describe the time of an execution, the one that it was forked from, and those before and after it in a chain."""

from __future__ import annotations

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.steering.execution_times import TimeReading
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.views.progress import ExecutionProgress
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import title
from durable_execution_sdk.rendering.origins import continued_as, name_in, origin_of
from durable_execution_sdk.rendering.times import at, span

_SHORT_ID = 12
_SMALLEST_OFFSET = 1_000


def is_special(time: TimeReading) -> bool:
    """Tell whether an execution's time is another than the clock's."""
    return time.mode is not TimeMode.REAL or abs(time.offset) >= _SMALLEST_OFFSET


def time_text(time: TimeReading, advances_to: int | None = None) -> str:
    """Describe an execution's time: its mode, its offset from the clock, and the time."""
    where = ""
    if abs(time.offset) >= _SMALLEST_OFFSET:
        relation = "ahead of" if time.offset > 0 else "behind"
        where = f", {span(abs(time.offset))} {relation} the clock"
    goal = "" if advances_to is None else f", going on to {at(advances_to, time.now)}"
    return f"time is {time.mode}{where}: {at(time.now)}{goal}"


def lineage(progress: ExecutionProgress, payload: str | None) -> str | None:
    """Describe the origin of a fork; ``None`` for another execution. ``payload`` is its input."""
    origin = origin_of(progress.arn, progress.forked_from, payload)
    if origin is None:
        return None
    name = name_in(origin.arn)
    if origin.before is None:
        return visible(f"forked from {name}")
    if origin.before_name is not None:
        return visible(f"forked from {name} before {origin.before_name}")
    # It had no name, or an earlier version made the fork.
    cut = next((each for each in progress.operations if each.operation.id == origin.before), None)
    operation = origin.before[:_SHORT_ID] if cut is None else title(cut.operation)
    return visible(f"forked from {name} before {operation}")


def chain_lines(emulator: Emulator, arn: str, before: str | None) -> list[str]:
    """Describe the executions before and after one; ``before`` is the ARN of the former, if there is one."""
    lines: list[str] = []
    if before is not None:
        lines.append(visible(f"continues {name_in(before)}"))
    continuation = continued_as(emulator, arn)
    if continuation is not None:
        lines.append(visible(f"goes on as {continuation.name}"))
    return lines
