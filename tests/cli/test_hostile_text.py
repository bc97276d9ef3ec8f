"""Untrusted text is escaped, so that it cannot control the terminal."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.command import Durable, Write
from tests.cli.process import running

from durable_execution_sdk.cli.output.tree import tree
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.outline import Drawing
from durable_execution_sdk.testing import LocalDurableTestRunner

HOSTILE = (
    "\x1b]0;title\x07\x1b[2J\x1b[8m hidden \x1b[0m\r\x08\x7f\x9b31m"
    "\u202e gnol \u2066\u2069\u200b\u200e\u2028\ufeff\xad\u061c \U000e0041"
)
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


def test_escapes_are_those_of_json_and_letters_stay() -> None:
    shown = visible(HOSTILE)
    assert not CONTROLS.search(shown)
    assert "\\u001b]0;title\\u0007" in shown and "\\u202e gnol" in shown
    assert json.loads(f'"{shown}"') == HOSTILE
    text = "a\tb\nÄ ß 漢字 שלום مرحبا 👩\u200d💻 می\u200cخواهم 🏳️\u200d🌈"  # noqa: RUF001
    assert visible(text) == text
    assert visible(shown) == shown


FAILING = f"""
import logging

HOSTILE = {HOSTILE!r}

class Broken(Exception):
    pass

Broken.__name__ = Broken.__qualname__ = "Broken" + HOSTILE

async def break_down(x):
    raise Broken(HOSTILE)

@durable_execution
async def wf(event, ctx):
    ctx.logger.warning("said: %s", HOSTILE)
    logging.getLogger("mine").warning(HOSTILE)
    if event == "result":
        return HOSTILE
    if event == "ask":
        await ctx.wait_for_callback(lambda cb: None, name="ask")
    await ctx.step(break_down, 1, config=StepConfig(retry_strategy=NoRetry()))
"""


@pytest.mark.parametrize("event", ["fail", "result"])
def test_a_run_and_all_that_looks_at_it_show_text(
    event: str, durable: Durable, write: Write
) -> None:
    file = write(FAILING)
    output = [
        durable("run", file, "--input", json.dumps(event), "--name", "n"),
        durable("show", "n"),
        durable("history", "n"),
        durable("list"),
        durable("show", "n", "--json"),
        durable("history", "n", "--json"),
        durable("run", file, "--name", "n", "--json"),
    ]
    for command in output:
        assert not CONTROLS.search(command.out), command.out
        assert not CONTROLS.search(command.err), command.err
    # Nothing is removed, and JSON documents hold the original text.
    assert "\\u001b]0;title" in output[0].out
    if event == "result":
        assert output[4].document["result"] == HOSTILE
    else:
        assert HOSTILE in output[4].document["error"]["error_message"]


def test_an_outsiders_answer_shows_text(durable: Durable, write: Write, place: Path) -> None:
    file = write(FAILING)
    durable("run", file, "--input", '"ask"', "--name", "n", "--no-wait")
    waiting = durable("show", "n", "--json").document["waiting"]
    answered = durable(
        "callback",
        "fail",
        waiting[0]["callback_id"],
        "--message",
        HOSTILE,
        "--type",
        HOSTILE,
        "--data",
        HOSTILE,
    )
    assert answered.code == 0
    ended = durable("run", file, "--name", "n")
    for output in (ended, durable("show", "n"), durable("history", "n"), durable("list")):
        assert not CONTROLS.search(output.out + output.err)
    assert "\\u202e gnol" in durable("history", "n").out
    # The live tree draws the same text on a real terminal.
    store = SqliteStore(place / ".durable" / "executions.db")
    emulator = Emulator(store, RealClock(), Functions())
    arn = emulator.find_name("n")
    assert arn is not None
    console = Console(force_terminal=False, width=400, record=True, file=io.StringIO())
    console.print(tree(Drawing(now=0).outline(family(emulator, arn))))
    drawn = console.export_text()
    assert "\\u001b]0;title" in drawn and not CONTROLS.search(drawn)
    emulator.close()


def test_log_lines_show_text(write: Write, place: Path) -> None:
    with running(place, "run", write(FAILING), "--input", '"result"') as process:
        assert process.end() == 0
    assert not CONTROLS.search(process.text)
    assert "said: \\u001b]0;title" in process.text


def test_refusals_show_text(durable: Durable) -> None:
    for words in (("show", HOSTILE), ("run", f"{HOSTILE}.py"), ("callback", "heartbeat", HOSTILE)):
        output = durable(*words)
        assert output.code == 2
        assert not CONTROLS.search(output.out + output.err)


def test_a_test_result_shows_text() -> None:
    from durable_execution_sdk import DurableContext, NoRetry, StepConfig, durable_execution

    @durable_execution
    async def wf(event: None, ctx: DurableContext) -> None:
        async def fail() -> None:
            raise ValueError(HOSTILE)

        await ctx.step(fail, config=StepConfig(retry_strategy=NoRetry()))

    shown = str(LocalDurableTestRunner(wf).run_sync(None))
    assert "\\u001b]0;title" in shown and not CONTROLS.search(shown)
