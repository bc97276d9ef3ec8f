"""A golden history fixes an execution's operations; a change is shown, and accepted by one option."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from durable_execution_sdk import (
    CallbackConfig,
    ConfigError,
    DurableContext,
    Duration,
    InvokeConfig,
    MapConfig,
    NestingType,
    NoRetry,
    StepConfig,
    StepContext,
    durable_execution,
)
from durable_execution_sdk.testing import (
    GoldenHistoryError,
    LocalDurableTestRunner,
    Returns,
    assert_history,
)
from durable_execution_sdk.testing.checks.golden import UPDATE_VARIABLE, history_text

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def no_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(UPDATE_VARIABLE, raising=False)


def same(value: Any) -> Any:
    return value


def flaky() -> int:
    if StepContext.current().attempt < 3:
        raise OSError("not yet")
    return 1


def refuse() -> None:
    raise ValueError("no\nway")


def flow(*, step: str = "charge", secret: str = "abc", twice: bool = False) -> Any:
    @durable_execution
    async def order(event: dict[str, int], ctx: DurableContext) -> dict[str, str]:
        async def item(inner: DurableContext, each: int, index: int) -> int:
            return await inner.step(same, each)

        await ctx.step(same, {"amount": 5}, name=step)
        if twice:
            await ctx.step(same, 1, name="again")
        await ctx.step(flaky)
        await ctx.wait(Duration.from_minutes(5), name="pause")
        try:
            await ctx.step(refuse, config=StepConfig(retry_strategy=NoRetry()))
        except ValueError:
            pass
        await ctx.map([1, 2], item, name="items")
        callback = await ctx.create_callback(
            name="answer", config=CallbackConfig(timeout=Duration.from_hours(1))
        )
        try:
            await callback
        except Exception:
            await ctx.invoke("mail:$LATEST", {"to": "Ada"}, config=InvokeConfig())
        return {"secret": secret}

    return order


def ran(workflow: Any) -> Any:
    functions = {"mail": Returns("sent")}
    return LocalDurableTestRunner(workflow, functions=functions).run_sync({"id": 7})


TEXT = """\
execution  SUCCEEDED  {"secret":"abc"}
  input  {"id":7}
step 'charge'  SUCCEEDED  {"amount":5}
step 'flaky'  SUCCEEDED  in attempt 3  1
wait 'pause'  300 s  SUCCEEDED
step 'refuse'  FAILED  ValueError: no\\nway
map 'items'  SUCCEEDED  2 branches  ALL_COMPLETED
  map item 'map-item-0'  SUCCEEDED  1
    step 'same'  SUCCEEDED  1
  map item 'map-item-1'  SUCCEEDED  2
    step 'same'  SUCCEEDED  2
callback 'answer'  timeout 3600 s  TIMED_OUT  Callback.Timeout: Callback timed out after 3600 seconds.
an unnamed invoke  of mail:$LATEST with {"to":"Ada"}  SUCCEEDED  "sent"
"""


def test_a_history_is_a_tree_of_what_replay_depends_on_and_nothing_that_varies() -> None:
    text = history_text(ran(flow()))
    assert text.splitlines() == TEXT.splitlines()
    assert history_text(ran(flow())) == text


def test_an_execution_that_does_what_its_golden_history_holds_passes(tmp_path: Path) -> None:
    (tmp_path / "order.txt").write_text(TEXT)
    assert_history(ran(flow()), "order", directory=tmp_path)


def test_a_golden_history_that_is_not_there_fails_and_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(GoldenHistoryError, match="pytest --update-histories") as raised:
        assert_history(ran(flow()), "order", directory=tmp_path)
    assert str(tmp_path / "order.txt") in str(raised.value)
    assert f"{UPDATE_VARIABLE}=1" in str(raised.value)
    assert TEXT in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_renamed_step_is_shown_as_a_difference(tmp_path: Path) -> None:
    (tmp_path / "order.txt").write_text(TEXT)
    with pytest.raises(GoldenHistoryError) as raised:
        assert_history(ran(flow(step="pay")), "order", directory=tmp_path)
    assert isinstance(raised.value, AssertionError)
    lines = str(raised.value).splitlines()
    assert [line for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++")] == [
        "-step 'charge'  SUCCEEDED  {\"amount\":5}",
        "+step 'pay'  SUCCEEDED  {\"amount\":5}",
    ]
    assert lines[-1].startswith("If it is right now, accept it with pytest --update-histories")


def test_another_step_result_or_status_is_a_difference_too(tmp_path: Path) -> None:
    (tmp_path / "order.txt").write_text(TEXT)
    for changed in (flow(twice=True), flow(secret="xyz")):
        with pytest.raises(GoldenHistoryError):
            assert_history(ran(changed), "order", directory=tmp_path)


def test_what_varies_is_replaced_before_it_is_compared(tmp_path: Path) -> None:
    (tmp_path / "order.txt").write_text(TEXT.replace('"abc"', '"..."'))
    for secret in ("abc", "xyz"):
        assert_history(
            ran(flow(secret=secret)),
            "order",
            replace={r'(?<="secret":)"\w+"': '"..."'},
            directory=tmp_path,
        )


def test_the_variable_writes_the_files_and_leaves_the_right_ones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "new" / "histories"
    monkeypatch.setenv(UPDATE_VARIABLE, "1")
    assert_history(ran(flow(step="pay")), "order", directory=place)
    assert_history(ran(flow()), "order", directory=place)
    path = place / "order.txt"
    assert path.read_text() == TEXT
    before = path.stat().st_mtime_ns
    assert_history(ran(flow()), "order", directory=place)
    assert path.stat().st_mtime_ns == before
    assert [each.name for each in place.iterdir()] == ["order.txt"]
    monkeypatch.setenv(UPDATE_VARIABLE, "0")
    with pytest.raises(GoldenHistoryError):
        assert_history(ran(flow(twice=True)), "order", directory=place)


@pytest.mark.parametrize("name", ["", "../order", "a/b", ".hidden", "x" * 101, "order 7"])
def test_a_name_that_is_none_of_a_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a golden history"):
        assert_history(ran(flow()), name)


@pytest.mark.parametrize("is_file", [True, False])
def test_a_golden_history_that_cannot_be_read_is_named(is_file: bool, tmp_path: Path) -> None:
    path = tmp_path / "order.txt"
    path.write_bytes(b"\xff\xfe") if is_file else path.mkdir()
    with pytest.raises(ConfigError, match=r"the golden history .*order\.txt cannot be read"):
        assert_history(ran(flow()), "order", directory=tmp_path)


def test_a_map_whose_items_have_no_line_of_their_own_shows_their_results() -> None:
    @durable_execution
    async def flow(event: Any, ctx: DurableContext) -> None:
        async def item(inner: DurableContext, each: int, index: int) -> int:
            return each * 2

        await ctx.map([1, 2], item, name="flat", config=MapConfig(nesting=NestingType.FLAT))
        await ctx.map([], item, name="empty")
        await ctx.parallel({"a": lambda inner: inner.step(same, 3)}, name="named")

    lines = history_text(LocalDurableTestRunner(flow).run_sync()).splitlines()
    assert lines[2].startswith('map \'flat\'  SUCCEEDED  {"all":[{"index":0')
    assert lines[3:] == [
        "map 'empty'  SUCCEEDED  0 branches  ALL_COMPLETED",
        "parallel 'named'  SUCCEEDED  1 branch  ALL_COMPLETED",
        "  parallel branch 'a'  SUCCEEDED  3",
        "    step 'same'  SUCCEEDED  3",
    ]


def test_long_payloads_are_cut_and_still_compared() -> None:
    texts = [history_text(ran(flow(secret=end * 3000))) for end in "ab"]
    assert all(len(text) < 3000 for text in texts)
    assert texts[0] != texts[1]
    assert "... 3013 characters, " in texts[0]


def test_an_execution_that_failed_or_still_runs_has_a_history_too() -> None:
    @durable_execution
    async def flow(event: Any, ctx: DurableContext) -> None:
        await ctx.create_callback(name="answer")
        await ctx.wait(Duration.from_seconds(5))
        raise LookupError("gone")

    runner = LocalDurableTestRunner(flow)
    runner.sync.start({})
    assert history_text(runner.sync.run_until_suspended()).splitlines() == [
        "execution  RUNNING",
        "  input  {}",
        "callback 'answer'  STARTED",
        "an unnamed wait  5 s  STARTED",
    ]
    assert history_text(runner.sync.complete()).startswith("execution  FAILED  LookupError: gone\n")


TESTS = """
from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.testing import assert_history

async def same(value: int) -> int:
    return value

@durable_execution
async def flow(event: int, ctx: DurableContext) -> int:
    return await ctx.step(same, event, name="NAME")

def test_flow(durable_runner):
    assert_history(durable_runner(flow).run_sync(1), "flow")
"""


def test_the_flag_of_pytest_accepts_what_executions_do_now(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(name: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_flow=TESTS.replace("NAME", name))
        sys.modules.pop("test_flow", None)
        return pytester.runpytest_inprocess("-p", "pytest_durable_execution", *options)

    run("charge").stdout.fnmatch_lines(["*there is no golden history*histories/flow.txt*"])
    run("charge", "--update-histories").assert_outcomes(passed=1)
    golden = pytester.path / "histories" / "flow.txt"
    assert (
        golden.read_text() == "execution  SUCCEEDED  1\n  input  1\nstep 'charge'  SUCCEEDED  1\n"
    )
    run("charge").assert_outcomes(passed=1)
    run("pay").stdout.fnmatch_lines(["*-step 'charge'*", "*+step 'pay'*"])
    run("pay", "--update-histories").assert_outcomes(passed=1)
    run("pay").assert_outcomes(passed=1)


def test_delays_that_are_spread_at_random_are_the_same_in_each_run() -> None:
    @durable_execution
    async def flow(event: Any, ctx: DurableContext) -> int:
        await ctx.step(flaky)
        return await ctx.step(flaky)

    runs = [LocalDurableTestRunner(flow).run_sync() for _ in range(3)]
    assert len({run.duration for run in runs}) == 1
    delays = [
        event.step_failed_details.retry_details.next_attempt_delay_seconds
        for event in runs[0].history
        if event.step_failed_details
    ]
    assert len(set(delays)) > 1


def test_the_plugin_and_the_check_speak_of_the_same_variable() -> None:
    # The plugin must not import the SDK, so it repeats the constant.
    plugin = importlib.import_module("pytest_durable_execution")
    assert plugin._UPDATE == UPDATE_VARIABLE


def test_what_is_no_result_and_what_is_no_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="what a runner returned"):
        assert_history(3, "order", directory=tmp_path)
    with pytest.raises(ConfigError, match="cannot name a golden history"):
        assert_history(ran(flow()), 3, directory=tmp_path)
