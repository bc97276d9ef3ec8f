"""The code and the commands of the README work as it says."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from durable_execution_sdk import DurableContext
from durable_execution_sdk.cli.main import main
from durable_execution_sdk.testing import LocalDurableTestRunner
from tools import replay_pictures

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_quick_start_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _, workflow, _ = blocks("python")
    (tmp_path / "greeting.py").write_text(workflow)
    [commands] = [block for block in blocks("sh") if block.startswith("durable run greeting.py")]
    outputs: list[str] = []
    for command in commands.splitlines():
        assert main(shlex.split(command)[1:]) == 0
        outputs.append(capfd.readouterr().out)
    assert outputs[0].endswith('"HELLO, ADA!"\n')
    assert "take_a_breath" in outputs[1]


def test_the_test_of_the_quick_start_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, workflow, test = blocks("python")
    (tmp_path / "readme_greeting.py").write_text(f"{workflow}\n\n{test}")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("readme_greeting").test_greeting()


def test_the_first_workflow_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = blocks("python")
    shop = ModuleType("shop")
    vars(shop).update({name: getattr(replay_pictures, name) for name in ("charge", "pack", "ship")})
    monkeypatch.setitem(sys.modules, "shop", shop)
    (tmp_path / "readme_buy.py").write_text(first)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("readme_buy")
    result = LocalDurableTestRunner(module.buy).run_sync("A-1")
    assert result.result == "payment of A-1, parcel of A-1 shipped"


def test_the_first_workflow_is_that_of_the_picture() -> None:
    first, *_ = blocks("python")
    lines = [line for line in first.splitlines() if line.startswith(("    ", "async def"))]
    assert lines == replay_pictures.lines_of(replay_pictures.buy)


def test_the_first_screen_has_about_ten_lines_of_code() -> None:
    first, *_ = blocks("python")
    assert len([line for line in first.splitlines() if line]) <= 10
    assert README.index("replay-crash.svg") < README.index("## The two commands")


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [line.split()[1] for line in blocks("sh")[0].splitlines()] == ["demo", "test"]
    assert {"demo", "test"} <= set(targets)
    assert "make test-all" in (ROOT / ".ci" / "run").read_text()


def test_every_operation_of_the_context_is_in_the_table() -> None:
    public = {name for name in dir(DurableContext) if not name.startswith("_")}
    seen = set(re.findall(r"ctx\.([a-z_0-9]+)", README))
    told_together = {"log_debug", "log_warn", "log_error", "complete_execution_failure"}
    facts = {"execution_arn", "is_replaying", "lambda_context", "original_input", "started_at"}
    assert "`DurableContext.current()`" in README
    assert public - seen - told_together - facts == {"current"}
    assert seen <= public


@pytest.mark.parametrize("page", ["README.md", "docs/command.md"])
def test_every_command_of_a_synopsis_is_there(
    page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / page).read_text("utf-8")
    [synopsis] = re.findall(r"^```sh\n(durable run FILE.*?)^```", text, re.DOTALL | re.MULTILINE)
    for line in synopsis.splitlines():
        words = [word for word in line.split()[1:3] if word.islower() and "|" not in word]
        assert main([*words, "--help"]) == 0
    assert capsys.readouterr().err == ""
