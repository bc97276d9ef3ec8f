"""The installed pytest plugin works in plain and async tests, and in their reports."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import durable_execution_sdk.testing  # noqa: F401 - once, and not in each of the runs below

pytest_plugins = ["pytester"]

WORKFLOW = """
import pytest
from durable_execution_sdk import Duration, durable_execution

def greet(name: str) -> str:
    if name == "nobody":
        raise LookupError("nobody is here")
    return f"Hello, {name}!"

@durable_execution
async def greeting(name: str, ctx) -> str:
    text = await ctx.step(greet, name)
    await ctx.wait(Duration.from_hours(1), name="breath")
    return text
"""


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(WORKFLOW + tests)
    return pytester.runpytest_inprocess("-p", "pytest_durable_execution", *options)


def test_it_is_there_wherever_the_sdk_is_installed():
    [plugin] = entry_points(group="pytest11", name="durable_execution")
    assert plugin.load().durable_runner is not None


def test_a_plain_test_runs_a_workflow(pytester):
    result = run(
        pytester,
        """
def test_it(durable_runner):
    assert durable_runner(greeting).run_sync("Ada").result == "Hello, Ada!"
""",
    )
    result.assert_outcomes(passed=1)


def test_an_async_test_runs_it_under_pytest_asyncio_and_under_anyio(pytester):
    result = run(
        pytester,
        """
@pytest.mark.asyncio
async def test_asyncio(durable_runner):
    assert (await durable_runner(greeting).run("Ada")).result == "Hello, Ada!"

@pytest.mark.anyio
async def test_anyio(durable_runner, anyio_backend_name):
    assert anyio_backend_name == "asyncio"
    assert (await durable_runner(greeting).run("Ada")).result == "Hello, Ada!"

@pytest.fixture
def anyio_backend():
    return "asyncio"
""",
        "-p",
        "pytest_asyncio.plugin",
        "-p",
        "anyio.pytest_plugin",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
        "--strict-markers",
        "-W",
        "error",
        "-W",
        "ignore:Module already imported",  # a warning of pytest before 9.1 for editable installs
    )
    result.assert_outcomes(passed=2)


def test_a_failed_test_shows_its_executions_and_keeps_their_histories(pytester):
    result = run(
        pytester,
        """
@pytest.mark.parametrize("name", ["Ada/Grace"])
def test_it(durable_runner, name):
    runner = durable_runner(greeting)
    runner.run_sync("Ada", name="first")
    runner.sync.start("nobody", name="second")
    assert runner.sync.run_until_suspended().succeeded

def test_fine(durable_runner):
    durable_runner(greeting).run_sync("Ada")
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- durable execution first -*",
            "greeting first SUCCEEDED",
            "├── ✔ greet  Step",
            "└── ✔ breath  Wait  1 h",
            "1  * PENDING * greet, breath",
            "*- durable execution second -*",
            "greeting second RUNNING",
            "└── ◌ greet  Step  waits attempt 2 at *  LookupError: nobody is here",
        ]
    )
    directory = pytester.path / ".pytest_cache" / "d" / "durable-histories"
    first, second = sorted(directory.iterdir())
    assert f"history: {second}" in result.stdout.str()
    assert json.loads(first.read_text())["Events"][-1]["EventType"] == "ExecutionSucceeded"
    assert json.loads(second.read_text())["Events"][1]["Name"] == "greet"


def test_without_a_cache_the_report_does_without_files(pytester):
    result = run(
        pytester,
        """
def test_it(durable_runner):
    durable_runner(greeting).run_sync("Ada")
    assert False
""",
        "-p",
        "no:cacheprovider",
    )
    result.assert_outcomes(failed=1)
    assert "└── ✔ breath  Wait" in result.stdout.str()
    assert "history:" not in result.stdout.str()


def test_what_goes_wrong_in_a_runner_is_shown_where_the_test_asked_for_it(pytester):
    result = run(
        pytester,
        """
@durable_execution
async def asks(event, ctx):
    return await (await ctx.create_callback(name="approval"))

def test_it(durable_runner):
    durable_runner(asks).run_sync()
""",
    )
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    result.stdout.fnmatch_lines([">*durable_runner(asks).run_sync()", "E*StuckError: nothing*"])
    assert "approval (Callback) waits for an answer" in text
    assert "worker.py" not in text


def test_an_execution_that_is_gone_does_not_hide_what_failed(pytester):
    result = run(
        pytester,
        """
def test_it(durable_runner):
    runner = durable_runner(greeting).sync
    runner.run("Ada", name="once")
    runner.advance(days=15)
    runner.run("Grace", name="once")
    assert "the test" == "failed here"
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*failed here*"])


def test_a_marker_gives_options_and_the_closest_one_wins(pytester):
    result = run(
        pytester,
        """
from datetime import UTC, datetime

@pytest.mark.durable(start_time=datetime(2030, 1, 1, tzinfo=UTC), function_name="outer")
class TestIt:
    @pytest.mark.durable(function_name="inner")
    def test_it(self, durable_runner):
        runner = durable_runner(greeting)
        assert runner.now.year == 2030
        assert ":inner:" in runner.run_sync("Ada").arn
        assert ":own:" in durable_runner(greeting, function_name="own").run_sync("Ada").arn
""",
        "--strict-markers",
    )
    result.assert_outcomes(passed=1)


def test_a_marker_without_the_names_of_its_options_is_refused(pytester):
    result = run(
        pytester,
        """
@pytest.mark.durable(False)
def test_it(durable_runner):
    durable_runner(greeting)
""",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*takes options by name, as in durable(skip_time=False), not False"]
    )


def test_pytest_loads_nothing_of_the_sdk_before_a_test_wants_a_runner():
    script = (
        "import sys, pytest, pytest_durable_execution\n"
        "print([name for name in sys.modules if name.startswith('durable_execution_sdk')])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
