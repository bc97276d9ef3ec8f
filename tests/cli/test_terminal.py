"""In a terminal, a tree is drawn while the execution runs, and user code writes above it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from tests.cli.command import Durable, Write


def screen(written: str) -> list[str]:
    """Return the final lines of a terminal, with those scrolled away."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


def run_in_terminal(place: Path, *words: str, columns: int = 120) -> tuple[int, str]:
    """Run the command on a pseudo-terminal; return the raw output with control sequences."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "40"}
    with subprocess.Popen(
        [sys.executable, "-m", "durable_execution_sdk.cli.main", *words],
        cwd=place,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    return process.returncode, shown.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        # The process has ended, so the terminal is closed.
        return b""


def test_prints_and_logs_stand_on_lines_of_their_own_and_the_last_tree_stays(
    write: Write, place: Path
) -> None:
    file = write("""
        import logging
        import time

        def shout(n: int) -> int:
            print(f"printed {n}")
            logging.getLogger("mine").info("logged %s", n)
            time.sleep(0.2)
            return n

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            await ctx.step(shout, 1)
            await ctx.wait(Duration.from_seconds(1), name="breath")
            return await ctx.step(shout, 2)
    """)
    code, text = run_in_terminal(place, "run", file, "--name", "f")
    assert code == 0
    assert "◌ breath  Wait  waits until" in re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = [re.sub(r"^[-\d]+ [:,\d]+ INFO", "INFO", line) for line in screen(text)]
    summary = lines.pop(-2)
    assert summary.startswith("SUCCEEDED  f  invocations: 2  operations: 3  checkpoints:")
    assert lines == [
        "f  f  .durable/executions.db",
        "printed 1",
        "INFO mine: logged 1",
        "printed 2",
        "INFO mine: logged 2",
        "f f SUCCEEDED",
        "├── ✔ shout  Step",
        "├── ✔ breath  Wait",
        "└── ✔ shout  Step",
        "2",
    ]


def test_what_waits_for_an_answer_is_still_told_when_the_tree_is_gone(
    write: Write, place: Path
) -> None:
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> object:
            return await ctx.wait_for_callback(lambda callback_id: None, name="approval")
    """)
    code, text = run_in_terminal(place, "run", file, "--name", "f", "--no-wait")
    assert code == 3
    end = "\n".join(screen(text))
    assert "approval / approval create callback id (Callback) waits" in end
    assert "answer with: durable callback succeed " in end
    assert "go on with: durable run app.py --name f" in end


def test_a_list_has_a_line_for_each_execution(place: Path, write: Write, durable: Durable) -> None:
    long = "order-of-the-customer-with-a-long-name"
    file = write("""
        @durable_execution
        async def order_of_a_long_name(event, ctx):
            return await (await ctx.create_callback(name="approval-of-the-manager"))
    """)
    for number in (1, 2):
        durable("run", file, "--name", f"{long}-{number}", "--no-wait")
    code, output = run_in_terminal(place, "list", columns=80)
    title, *rows = (line.rstrip() for line in screen(output))
    titles = ["name", "function", "status", "started", "took", "now", "process"]
    assert (code, title.split()) == (0, titles)
    assert [len(line) <= 80 for line in rows[:2]] == [True, True]
    for number, row in zip((2, 1), rows[:2], strict=True):
        assert re.match(rf"order-\S*…\S*-{number}  order\S*…\S+  RUNNING  ", row)
        assert re.search(r"  asking: app\S*…  none$", row)
    assert rows[2].startswith("no process runs those marked 'none'; go on with: durable run")
    _, output = run_in_terminal(place, "list", columns=60)
    title, *rows = (line.rstrip() for line in screen(output))
    assert title.split() == ["name", "function", "status", "now"]
    assert rows[2].startswith("no process runs 2 of them; go on with: durable run")
    for words, columns in ((("list", "--full"), 80), (("list",), 200)):
        _, output = run_in_terminal(place, *words, columns=columns)
        assert f"{long}-1" in output
        assert "approval-of-the-manager" in output
        assert "  none" in output
