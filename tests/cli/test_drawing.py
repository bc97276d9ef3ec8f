"""Trees fit small terminals, times are readable, and output that is no terminal gets lines."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from tests.rig import Rig

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.cli.interrupts import ASKED, Interrupts
from durable_execution_sdk.cli.output.progress import LiveTree, drawing
from durable_execution_sdk.cli.output.tree import tree
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.protocol.control_plane import PauseRequest
from durable_execution_sdk.rendering import outline
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.outline import Drawing
from durable_execution_sdk.rendering.times import at, iso, span
from durable_execution_sdk.rendering.wording import waits


def one() -> int:
    return 1


@durable_execution
async def many(event: object, ctx: DurableContext) -> int:
    for _ in range(30):
        await ctx.step(one)
    await ctx.wait(Duration.from_hours(1), name="last")
    return 1


def drawn(drawing: Drawing, rig: Rig, arn: str) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    console.print(tree(drawing.outline(family(rig.emulator, arn))))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.fixture
def waiting() -> tuple[Rig, str]:
    rig = Rig(many)
    arn = rig.start()
    rig.drive(arn, until=rig.clock.now() + 1)
    return rig, arn


def test_what_is_done_makes_room_for_what_is_not(waiting: tuple[Rig, str]) -> None:
    rig, arn = waiting
    now = rig.clock.now()
    assert len(drawn(Drawing(now=now), rig, arn)) == 32
    assert len(drawn(Drawing(now=now, rows=32), rig, arn)) == 32
    assert len(drawn(Drawing(now=now, rows=20), rig, arn)) == 11
    lines = drawn(Drawing(now=now, rows=3), rig, arn)
    assert lines[1] == "├── … 30 more done"
    assert lines[2].startswith("└── ◌ last  Wait  waits until")


def test_a_terminal_without_unicode_gets_letters(waiting: tuple[Rig, str]) -> None:
    rig, arn = waiting
    lines = drawn(Drawing(now=rig.clock.now(), rows=3, plain=True), rig, arn)
    assert lines[1].endswith("... 30 more done")
    assert "~ last" in lines[2]
    latin = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert drawing(latin, 0).plain


def test_a_live_picture_is_drawn_and_taken_away_again(waiting: tuple[Rig, str]) -> None:
    rig, arn = waiting
    out = io.StringIO()
    console = Console(file=out, width=100, height=30, force_terminal=True, color_system=None)
    interrupts = Interrupts()
    with LiveTree(console, interrupts.footnote)(rig.emulator, arn, Place(None)):
        pass
    assert "◌ last  Wait  waits until" in out.getvalue()
    assert "invocation 1" in out.getvalue()
    interrupts.asked.set()
    with LiveTree(console, interrupts.footnote)(rig.emulator, arn, Place(None)):
        pass
    assert ASKED in out.getvalue()


def test_an_execution_that_is_paused_says_so(waiting: tuple[Rig, str]) -> None:
    rig, arn = waiting
    rig.emulator.pause(arn, PauseRequest())
    lines = waits(family(rig.emulator, arn), rig.clock.now())
    assert lines[-1] == "the execution is paused"
    assert lines[0].startswith("last (Wait) waits until")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-5, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (4_210, "4.2 s"),
        (60_000, "1 min"),
        (3_599_999, "1 h"),
        (3_725_000, "1 h 2 min"),
        (3 * 86_400_000 + 5_000, "3 d 5 s"),
    ],
)
def test_a_span_of_time_is_told_in_its_two_largest_units(milliseconds: int, text: str) -> None:
    assert span(milliseconds) == text


def test_a_time_has_its_date_unless_it_is_today() -> None:
    noon = 1_767_268_800_000
    assert len(at(noon, noon)) == len("12:00:00")
    assert len(at(noon, noon + 3 * 86_400_000)) == len("2026-01-01 12:00:00")
    assert iso(noon) == "2026-01-01T12:00:00.000Z"
    assert iso(None) is None


def test_the_page_about_the_command_explains_each_mark() -> None:
    page = (Path(__file__).parents[2] / "docs" / "command.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `(.)` `(.)` \|", page, re.MULTILINE))
    assert explained == {(mark, letter) for mark, letter, _ in outline._MARKS.values()}
