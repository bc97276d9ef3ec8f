"""Every example is on its page, says what it shows, has a test, a golden history and a check for crashes, and runs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.examples.catalogue import EXAMPLES, OPERATIONS, PAGE, ROOT, Example, examples, page
from tests.sampling import thinned

from durable_execution_sdk import DurableContext
from durable_execution_sdk.cli.main import main

ALL = examples()
each_example = pytest.mark.parametrize("example", ALL, ids=lambda example: example.path)
# Those that are run by processes of their own, elsewhere.
SERVICES = {"examples/callbacks/approval_service"}
# Those that never end by themselves, so that their time must not be skipped.
ENDLESS = {"examples/patterns/membership"}


def test_the_page_lists_every_example_as_it_is() -> None:
    how = "write it anew: .venv/bin/python -m tests.examples.catalogue"
    assert PAGE.read_text(encoding="utf-8") == page(), how


def test_every_operation_has_an_example() -> None:
    shown = {name for example in ALL for name in example.operations}
    assert {name for name in OPERATIONS if not name.startswith("log_")} == shown


def test_the_operations_of_the_page_are_all_that_a_context_has() -> None:
    facts = {"execution_arn", "is_replaying", "lambda_context", "original_input", "started_at"}
    facts.add("current")  # StepContext has one too, and it is no operation
    # Attributes, and random numbers, which are used as ctx.uuid4() is.
    not_called = {"budget", "logger", "random"}
    public = {name for name in dir(DurableContext) if not name.startswith("_")}
    assert set(OPERATIONS) - {"log"} == public - facts - not_called


def test_every_example_has_a_name_of_its_own() -> None:
    names = [example.folder.name for example in ALL]
    assert len(set(names)) == len(names) >= 40


@each_example
def test_an_example_says_what_it_shows_and_how_it_is_run(example: Example) -> None:
    assert re.fullmatch(r"[A-Z].{20,118}\.", example.shows), example.shows
    assert example.command[2].startswith(f"{example.path}/")


@each_example
def test_an_example_has_a_test_a_golden_history_and_a_check_for_crashes(example: Example) -> None:
    assert [path.name for path in example.tests] == [f"test_{example.folder.name}.py"]
    source = example.tests[0].read_text(encoding="utf-8")
    assert "check_crash_safety" in source
    assert example.histories
    for history in example.histories:
        assert f'"{history.stem}"' in source, f"no test names {history.name}"
    # A fault of the example itself would be a golden history too.
    ends = [history.read_text(encoding="utf-8") for history in example.histories]
    assert example.topic == "errors" or any(text.startswith("execution  S") for text in ends)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory; what an example loads is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "app", raising=False)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(EXAMPLES)):
            del sys.modules[name]


AGENTS = [example for example in ALL if example.topic == "agents"]
RUNNABLE = [example for example in ALL if example.path not in SERVICES and example not in AGENTS]


@pytest.mark.parametrize("example", thinned(RUNNABLE, every=6), ids=lambda example: example.path)
def test_an_example_runs_from_the_command_line(
    example: Example, alone: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(example, capfd)


@pytest.mark.agents
@pytest.mark.parametrize("example", AGENTS, ids=lambda example: example.path)
def test_an_agent_runs_from_the_command_line(
    example: Example, alone: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(example, capfd)


def run(example: Example, capfd: pytest.CaptureFixture[str]) -> None:
    words = [
        re.sub("(^@?|=)examples/", rf"\1{ROOT}/examples/", word) for word in example.command[1:]
    ]
    flags = {"--skip-time", "--no-wait", "--json"} - set(words)
    if example.path in ENDLESS:
        flags.remove("--skip-time")
    status = main([*words, *flags])
    out, err = capfd.readouterr()
    document = json.loads(out.strip().splitlines()[-1] if not out.startswith("{") else out)
    # 3: it waits for an answer from outside.
    assert (status, document["status"]) in {(0, "SUCCEEDED"), (3, "RUNNING")}, err or out
