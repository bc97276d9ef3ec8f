"""Executions that go on as new ones: how run, list, show and watch follow and show them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Durable, Write
from tests.cli.process import running

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.server.http_server import serve

CODE = """
    @durable_execution
    async def monthly(month: int, ctx: DurableContext) -> str:
        await ctx.step(lambda: month, name="bill")
        await ctx.wait(Duration.from_days(30), name="a_month")
        if month < 3:
            await ctx.continue_as_new(month + 1)
        return "paid"
"""
ASKS = """
    @durable_execution
    async def asks(round: int, ctx: DurableContext) -> str:
        if round == 1:
            await ctx.continue_as_new(2)
        return await (await ctx.create_callback(name="approve"))
"""


def names(durable: Durable) -> list[str]:
    """Return the names of the executions, the first first."""
    return [each["durable_execution_name"] for each in durable("list", "--json").document][::-1]


def billed(durable: Durable, write: Write, *words: str) -> tuple[str, list[str]]:
    output = durable("run", write(CODE), "--input", "1", "--name", "ada", "--skip-time", *words)
    assert output.code == 0, output.err
    return output.out, names(durable)


def test_run_follows_the_chain_to_its_end(durable: Durable, write: Write) -> None:
    out, (first, second, third) = billed(durable, write)
    assert f"{first} goes on as {second}\n" in out
    assert f"{second} goes on as {third}\n" in out
    assert out.endswith('"paid"\n')
    assert f"SUCCEEDED  {third}" in out
    # Time went on from one to the next: the third month began after sixty days.
    shown = [durable("show", name, "--json").document for name in (first, second, third)]
    assert [each["time"]["offset_milliseconds"] // 86_400_000 for each in shown] == [29, 59, 89]
    assert shown[1]["start_timestamp"] >= shown[0]["time"]["now"][:10]


def test_a_run_by_the_name_of_the_first_shows_the_last(durable: Durable, write: Write) -> None:
    _, (*_, third) = billed(durable, write)
    again = durable("run", write(CODE), "--name", "ada", "--json")
    assert again.code == 0
    assert again.document["durable_execution_name"] == third
    assert again.document["result"] == "paid"
    assert len(names(durable)) == 3


def test_a_run_by_the_name_of_the_first_goes_on_with_the_last(
    durable: Durable, write: Write
) -> None:
    file = write(ASKS)
    waits = durable("run", file, "--input", "1", "--name", "ask", "--no-wait")
    assert waits.code == 3
    first, second = names(durable)
    assert first == "ask"
    assert f"ask goes on as {second}" in waits.out
    answered = durable("callback", "succeed", f"{second}/approve", "--data", '"yes"')
    assert answered.code == 0, answered.err
    done = durable("run", file, "--name", "ask")
    assert (done.code, done.result) == (0, "yes")
    assert names(durable) == [first, second]


def test_one_that_went_on_is_not_stopped_in_place_of_the_last(
    durable: Durable, write: Write
) -> None:
    assert durable("run", write(ASKS), "--input", "1", "--name", "ask", "--no-wait").code == 3
    _, second = names(durable)
    for words in (["stop", "ask"], ["pause", "ask"], ["time", "ask", "advance", "1d"]):
        refused = durable(*words)
        assert refused.code == 2, words
        assert f"went on as {second}" in refused.err, words
        assert "fork" not in refused.err, words
    assert f"durable stop {second}" in durable("stop", "ask").err
    assert durable("stop", second).code == 0
    again = durable("stop", "ask")
    assert (again.code, again.out) == (0, "ask has ended already: SUCCEEDED\n")


def test_list_shows_the_lineage(durable: Durable, write: Write) -> None:
    _, (first, second, third) = billed(durable, write)
    lines = durable("list", "--full").out.splitlines()
    assert f"went on as {second}" in next(line for line in lines if line.startswith(f"{first} "))
    assert f"went on as {third}" in next(line for line in lines if line.startswith(second))
    listed = durable("list", "--json").document
    assert [each["continued_as"] for each in listed] == [None, third, second]


def test_show_names_the_executions_before_and_after(durable: Durable, write: Write) -> None:
    _, (first, second, third) = billed(durable, write)
    out = durable("show", second).out
    assert f"\ncontinues {first}\ngoes on as {third}\n" in out
    assert "durable_continued_as" not in out.splitlines()[-3:]
    middle = durable("show", second, "--json").document
    assert middle["continues"]["durable_execution_name"] == first
    assert middle["continued_as"]["durable_execution_name"] == third
    assert middle["continued_as"]["durable_execution_arn"].split("/")[-2] == third
    assert "continues" not in durable("show", first).out
    assert "goes on as" not in durable("show", third).out


def test_a_name_that_looks_like_one_of_a_chain_continues_nothing(
    durable: Durable, write: Write
) -> None:
    name = "ada-run2-0123456789ab"
    durable("run", write(CODE), "--input", "3", "--name", name, "--skip-time")
    assert durable("show", name, "--json").document["continues"] is None


def test_watch_follows_the_chain(durable: Durable, write: Write) -> None:
    _, (first, second, third) = billed(durable, write)
    output = durable("watch", first)
    assert output.code == 0
    assert f"{first} goes on as {second}" in output.out
    assert output.out.endswith(f'"paid"\ncontinues {second}\n')
    assert durable("watch", first, "--json").document["durable_execution_name"] == third


def test_a_fork_of_one_that_went_on_goes_on_as_another(durable: Durable, write: Write) -> None:
    _, (first, second, third) = billed(durable, write)
    assert durable("fork", first, "--as", "again").code == 0
    # The fork itself starts nothing.
    assert sorted(names(durable)) == sorted([first, second, third, "again"])
    output = durable("run", write(CODE), "--name", "again", "--skip-time")
    assert (output.code, output.result) == (0, "paid")
    added = {*names(durable)} - {first, second, third}
    assert [name.partition("-run")[0] for name in added] == ["again"] * 3


def test_a_replay_of_one_that_went_on_starts_nothing(
    durable: Durable, write: Write, tmp_path: Path
) -> None:
    _, (first, second, third) = billed(durable, write)
    history = tmp_path / "ada.json"
    history.write_text(durable("history", first, "--json").out)
    output = durable("replay", write(CODE), str(history))
    assert output.code == 0, output.out + output.err
    changed = durable("replay", write(CODE.replace("month + 1", "month + 2")), str(history))
    assert changed.code == 0
    assert "step 'continue_as_new input' returned 2, and its function returns 3 now" in changed.out
    assert names(durable) == [first, second, third]


@durable_execution
async def counts(event: int, ctx: DurableContext) -> int:
    if event < 3:
        await ctx.continue_as_new(event + 1)
    await ctx.wait(Duration.from_seconds(1))
    return event


@durable_execution
async def waits(event: int, ctx: DurableContext) -> int:
    if event < 3:
        await ctx.continue_as_new(event + 1)
    return int(await (await ctx.create_callback(name="answer")))


def begun(handler: Any) -> Driver:
    """Return a driver of a handler, as the function ``counts``, with an execution ``n`` that has yet to run."""
    functions = Functions()
    functions.add_durable("counts", handler.bind)
    emulator = Emulator(MemoryStore(), RealClock(), functions)
    emulator.start(
        InvokeRequest(
            function_name="counts:$LATEST",
            payload=b"1",
            invocation_type=InvocationType.EVENT,
            durable_execution_name="n",
        )
    )
    return Driver(emulator)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an endpoint with a chain of three, which begins with counts/n."""
    with serve(begun(counts), workers=1) as server:
        monkeypatch.setenv("COLUMNS", "200")
        yield server.url


@pytest.fixture
def open_chain() -> Iterator[str]:
    """The URL of an endpoint with a chain of three, of which the last waits for an answer."""
    driver = begun(waits)
    driver.run_until(lambda: False, wait=False)
    with serve(driver, workers=1) as server:
        yield server.url


def test_an_endpoint_shows_and_follows_the_chain(durable: Durable, chain: str) -> None:
    def at(*words: str) -> str:
        output = durable("--endpoint", chain, *words)
        assert output.code == 0, output.err
        return output.out

    watched = at("watch", "counts/n")
    assert "n goes on as n-run2-" in watched
    assert "\n3\ncontinues n-run2-" in watched
    listed = durable("--endpoint", chain, "list", "counts", "--json").document
    third, second, first = (each["durable_execution_name"] for each in listed)
    assert first == "n"
    assert [each["continued_as"] for each in listed] == [None, third, second]
    assert f"went on as {second}" in at("list", "counts")
    shown = at("show", f"counts/{second}")
    assert f"\ncontinues {first}\ngoes on as {third}\n" in shown
    document = durable("--endpoint", chain, "show", f"counts/{second}", "--json").document
    assert document["continues"]["durable_execution_name"] == first
    assert document["continued_as"]["durable_execution_name"] == third


def test_an_endpoint_stops_no_execution_in_place_of_the_last(
    durable: Durable, open_chain: str
) -> None:
    listed = durable("--endpoint", open_chain, "list", "counts", "--json").document
    third = listed[0]["durable_execution_name"]
    assert [each["status"] for each in listed] == ["RUNNING", "SUCCEEDED", "SUCCEEDED"]
    for verb in ("stop", "pause", "resume"):
        refused = durable("--endpoint", open_chain, verb, "counts/n")
        assert refused.code == 2, verb
        assert f"went on as {third}, which is RUNNING: {verb} that with" in refused.err, verb
        assert f"{verb} counts/{third}" in refused.err, verb
    assert durable("--endpoint", open_chain, "stop", f"counts/{third}").code == 0
    again = durable("--endpoint", open_chain, "stop", "counts/n")
    assert (again.code, again.out) == (0, "n has ended already: SUCCEEDED\n")


def test_a_run_that_is_killed_between_two_goes_on(
    durable: Durable, write: Write, tmp_path: Path
) -> None:
    file = write(CODE)
    with running(tmp_path, "run", file, "--input", "1", "--name", "ada") as process:
        process.until("waits until")
        process.kill()
    billed(durable, write)
    assert len(names(durable)) == 3
