"""The statements on the page about operations are true: what becomes of an execution, names and limits."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.docs.command_lines import parsed
from tests.docs.tables import DOCS, rows_of
from tests.rig import Ran, Rig, rig_of

from durable_execution_sdk import (
    DurableContext,
    DurableError,
    Duration,
    OnDivergence,
    ServiceError,
)
from durable_execution_sdk.protocol.control_plane import (
    ExecutionStatus,
    InvocationType,
    InvokeRequest,
    PauseRequest,
    ResumeRequest,
)

PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")
HOUR = 3_600_000


async def pause_for_an_hour(event: Any, ctx: DurableContext) -> str:
    await ctx.wait(Duration.from_hours(1), name="pause")
    return "done"


async def ask(event: Any, ctx: DurableContext) -> Any:
    return await (await ctx.create_callback(name="approve"))


def waiting(workflow: Any, **rig: Any) -> tuple[Rig, str]:
    """Start an execution, and run it until it waits."""
    instance = rig_of(workflow, **rig)
    arn = instance.start({})
    instance.drive(arn, until=instance.clock.now() + 60_000)
    return instance, arn


def later(rig: Rig, arn: str, milliseconds: int = 2 * HOUR) -> Ran:
    return rig.drive(arn, until=rig.clock.now() + milliseconds)


def stopped() -> str:
    rig, arn = waiting(pause_for_an_hour)
    rig.emulator.stop(arn)
    ran = later(rig, arn)
    assert "WaitSucceeded" not in ran.types()
    return str(ran.status)


def paused() -> str:
    rig, arn = waiting(pause_for_an_hour)
    rig.emulator.pause(arn, PauseRequest(reason="the bank is down"))
    ran = later(rig, arn)
    assert "WaitSucceeded" in ran.types()
    assert ran.invocations == 1
    return str(ran.status)


def resumed() -> str:
    rig, arn = waiting(pause_for_an_hour)
    rig.emulator.pause(arn, PauseRequest())
    later(rig, arn)
    rig.emulator.resume(arn, ResumeRequest())
    return str(later(rig, arn).status)


def raises() -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        raise ValueError("no stock")

    rig, arn = waiting(workflow)
    ran = later(rig, arn)
    assert ran.invocations == 1
    return str(ran.status)


def dies() -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        raise DurableError.invocation("the database is away")

    rig, arn = waiting(workflow)
    ran = later(rig, arn, 5_000)
    assert ran.invocations > 1
    return str(ran.status)


def never_answered() -> str:
    rig, arn = waiting(ask, execution_timeout=3_600)
    return str(later(rig, arn).status)


def answered_twice() -> str:
    rig, arn = waiting(ask)
    [started] = [event for event in rig.events(arn) if event.callback_started_details]
    assert started.callback_started_details is not None
    callback = started.callback_started_details.callback_id
    rig.emulator.callback_success(callback, b'"yes"')
    with pytest.raises(ServiceError) as refused:
        rig.emulator.callback_success(callback, b'"no"')
    assert later(rig, arn).result == "yes"
    return refused.value.code


def other_input() -> str:
    rig = rig_of(pause_for_an_hour)
    rig.start({"id": "A"}, name="order-2041")
    with pytest.raises(ServiceError) as refused:
        rig.emulator.start(
            InvokeRequest(
                function_name="workflow:$LATEST",
                payload=json.dumps({"id": "B"}).encode(),
                invocation_type=InvocationType.EVENT,
                durable_execution_name="order-2041",
            )
        )
    return refused.value.code


def edited(on_divergence: OnDivergence) -> str:
    names = ["charge"]

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: None, name=names[0])
        await ctx.wait(Duration.from_hours(1))

    rig, arn = waiting(workflow, options={"on_divergence": on_divergence})
    names[0] = "check"
    return str(later(rig, arn, HOUR).status)


def does_not_fit() -> str:
    assert edited(OnDivergence.RETRY) == "RUNNING"
    return edited(OnDivergence.FAIL)


def too_many() -> str:
    async def number(n: int) -> int:
        return n

    async def workflow(event: Any, ctx: DurableContext) -> None:
        steps = (ctx.step(number, n) for n in range(3_001))
        await asyncio.gather(*steps)

    rig, arn = waiting(workflow)
    return str(later(rig, arn).status)


ROWS: dict[str, Callable[[], str]] = {
    "stopped while it waits": stopped,
    "paused while it waits": paused,
    "resumed, after its wait has ended": resumed,
    "an exception outside of steps": raises,
    "an invocation that raises, dies or runs out of time": dies,
    "a callback without a timeout that gets no answer": never_answered,
    "an answer after the callback's timeout, or a second one": answered_twice,
    "a name that is taken, with another input": other_input,
    "code that does not fit the log": does_not_fit,
    "an operation beyond the 3,000th": too_many,
}
TABLE = {row.code: row.verdict for row in rows_of("operations.md", "## Steer")}


def test_each_row_has_a_program() -> None:
    assert list(TABLE) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_what_becomes_of_an_execution(row: str) -> None:
    assert ROWS[row]() == TABLE[row]


def test_the_pattern_names_statuses() -> None:
    [block] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert set(json.loads(block)["detail"]["status"]) <= {str(status) for status in ExecutionStatus}


IN_BLOCKS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("durable ")
]
IN_PROSE = [line for line in re.findall(r"`(durable [^`]+)`", PAGE) if "--" in line]


def test_there_are_commands() -> None:
    assert len(IN_BLOCKS) == 7
    assert len(IN_PROSE) == 6


@pytest.mark.parametrize("line", [*IN_BLOCKS, *IN_PROSE])
def test_a_command_has_the_options_that_the_page_gives_it(line: str) -> None:
    with parsed(line) as context:
        assert context.params
