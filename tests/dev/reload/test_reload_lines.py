"""The lines of a development server about executions that it holds."""

from __future__ import annotations

from pathlib import Path

from durable_execution_sdk.cli.output.background_lines import BackgroundLines
from durable_execution_sdk.cli.output.reload_lines import ReloadLines
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.protocol.ids import ExecutionArn

RENAMED = Finding(kind="another operation", expected="step 'a'", actual="step 'b' (another name)")
FAILS = Finding(kind="a failure", expected="no end", actual="it fails with ValueError: no")


def arn(name: str) -> str:
    return str(ExecutionArn("aws", "us-east-1", "123456789012", "f", "$LATEST", name, "id"))


def test_executions_with_one_finding_are_told_together(tmp_path: Path) -> None:
    emulator = Emulator(MemoryStore(), VirtualClock(), Functions())
    told: list[str] = []
    background = BackgroundLines(lambda line, _: told.append(line))
    lines = ReloadLines(Place(str(tmp_path / "x.db")), emulator, background)
    lines.held({arn("n"): RENAMED, arn("o"): FAILS, arn("m"): RENAMED})
    lines.released([arn("n")])
    lines.released([arn("n"), arn("m")])
    background.close()
    edited = "the code was edited since"
    assert [line for line in told if line.startswith("HELD")] == [
        f"HELD  n, m: {edited} these 2 executions ran, and does not fit their logs (another operation)",
        f"HELD  o: {edited} it ran, and does not fit its log (a failure)",
    ]
    assert "  they go on once an edit of the code fits. Or, as for n:" in told
    fork = f"durable fork o --input JSON --store {tmp_path / 'x.db'}"
    assert f"    fork with other input:   {fork}" in told
    assert [line.split("stop ")[1][0] for line in told if "stop " in line] == ["n", "o"]
    assert told[-2:] == ["n is not held any more", "n, m are not held any more"]


def test_of_many_executions_the_first_are_named(tmp_path: Path) -> None:
    emulator = Emulator(MemoryStore(), VirtualClock(), Functions())
    told: list[str] = []
    background = BackgroundLines(lambda line, _: told.append(line))
    lines = ReloadLines(Place(str(tmp_path / "x.db")), emulator, background)
    many = [arn(f"n{number}") for number in range(1_200)]
    names = f"{', '.join(f'n{number}' for number in range(10))} and 1,190 more"
    lines.held(dict.fromkeys(many, RENAMED))
    lines.released(many)
    lines.unrehearsed(many, "no")
    background.close()
    assert told[0].startswith(f"HELD  {names}: the code was edited since these 1200 executions ran")
    assert told[-2:] == [
        f"{names} are not held any more",
        f"{names} go on with edited code that was not rehearsed: no",
    ]
