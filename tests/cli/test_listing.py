"""`durable list`: its filters, and what each execution does and waits for."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write
from tests.cli.process import running

from durable_execution_sdk.cli.arguments.moments import read_moment
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import ExecutionRecord, Search, Store
from durable_execution_sdk.protocol.control_plane import PauseRequest

FLOWS = """
    def fails() -> None:
        raise ValueError("no")

    def read_gate() -> str:
        with open("gate") as gate:
            return gate.read()

    @durable_execution
    async def quick(event, ctx):
        return 1

    @durable_execution
    async def broken(event, ctx):
        await ctx.step(fails, config=StepConfig(retry_strategy=NoRetry()))

    @durable_execution
    async def naps(event, ctx):
        await ctx.wait(Duration.from_hours(5), name="nap")

    @durable_execution
    async def asks(event, ctx):
        pause = ctx.wait(Duration.from_minutes(1), name="pause")
        answer = await ctx.create_callback(
            name="approval", config=CallbackConfig(timeout=Duration.from_hours(2))
        )
        return await answer

    @durable_execution
    async def submits(event, ctx):
        await ctx.wait_for_callback(lambda callback_id: None, name="review")

    @durable_execution
    async def retries(event, ctx):
        await ctx.step(
            fails, config=StepConfig(retry_strategy=FixedDelay(delay=Duration.from_hours(1)))
        )

    @durable_execution
    async def works(event, ctx):
        return await ctx.step(read_gate)
"""


def listed(durable: Durable, *words: str) -> list[str]:
    return [each["durable_execution_name"] for each in durable("list", "--json", *words).document]


def now_of(durable: Durable, name: str) -> str:
    """Return the cell of the table that says what an execution does."""
    lines = durable("list").out.splitlines()
    start, end = lines[0].index("now"), lines[0].index("process")
    (line,) = [line for line in lines if line.startswith(f"{name} ")]
    return line[start:end].strip()


def activity(durable: Durable, name: str) -> str:
    (each,) = [
        each
        for each in durable("list", "--json").document
        if each["durable_execution_name"] == name
    ]
    told: str = each["activity"]
    if told != "ended":
        assert now_of(durable, name).partition(":")[0] == told
    return told


@pytest.fixture
def file(write: Write) -> str:
    return write(FLOWS)


def test_the_list_is_filtered_by_text_status_function_and_time(durable: Durable, file: str) -> None:
    durable("run", f"{file}:quick", "--name", "Order-1")
    durable("run", f"{file}:broken", "--name", "order-2")
    durable("run", f"{file}:naps", "--name", "other", "--no-wait")
    assert listed(durable) == ["other", "order-2", "Order-1"]
    assert listed(durable, "ORDER") == ["order-2", "Order-1"]
    assert listed(durable, "quic") == ["Order-1"]
    assert listed(durable, "%") == []
    assert listed(durable, "--status", "failed", "--status", "RUNNING") == ["other", "order-2"]
    assert listed(durable, "--function", "broken") == ["order-2"]
    assert listed(durable, "order", "--function", "naps") == []
    assert listed(durable, "--function", "broken:$LATEST") == ["order-2"]
    assert listed(durable, "--function", "broken:1") == []
    none = durable("list", "--function", "borken")
    assert (none.code, "no such executions of borken" in none.err) == (0, True)
    alias = durable("list", "--function", "broken:live")
    assert (alias.code, "no alias" in alias.err) == (2, True)
    assert listed(durable, "--since", "1h") == ["other", "order-2", "Order-1"]
    assert listed(durable, "--since", "2999-01-01") == []
    refused = durable("list", "--since", "yesterday")
    assert (refused.code, "--since 'yesterday' is no moment" in refused.err) == (2, True)
    assert durable("list", "--status", "sleeping").code == 2


def test_the_list_counts_operations_and_attempts_also_of_an_older_store(
    durable: Durable, file: str
) -> None:
    durable("run", f"{file}:quick", "--name", "quick")
    durable("run", f"{file}:broken", "--name", "broken")
    durable("run", f"{file}:retries", "--name", "retries", "--no-wait")

    def counts() -> dict[str, tuple[int, int]]:
        return {
            each["durable_execution_name"]: (each["operations"], each["attempts"])
            for each in durable("list", "--json").document
        }

    first = {"quick": (0, 0), "broken": (1, 1), "retries": (1, 1)}
    assert counts() == first
    store = sqlite3.connect(".durable/executions.db")
    store.execute("UPDATE executions SET operations = NULL, attempts = NULL")
    store.commit()
    assert counts() == first
    kept = "SELECT name, operations, attempts FROM executions"
    assert {name: tuple(numbers) for name, *numbers in store.execute(kept)} == first
    store.close()
    header, *lines = durable("list").out.splitlines()
    place = header.index("operations")
    [broken] = [line for line in lines if line.startswith("broken")]
    assert broken[place:].split()[:2] == ["1", "1"]


def test_the_list_says_when_there_are_more(durable: Durable, file: str) -> None:
    for name in ("a", "b", "c"):
        durable("run", f"{file}:quick", "--name", name)
    output = durable("list", "--limit", "2")
    assert [line.split()[0] for line in output.out.splitlines()] == ["name", "c", "b"]
    assert output.err == "there are more than these 2; --limit shows them\n"
    assert durable("list", "--limit", "3").err == ""
    assert len(durable("list", "--limit", "2", "--json").document) == 2


def test_what_each_execution_waits_for_is_told_with_its_end(durable: Durable, file: str) -> None:
    for function in ("naps", "asks", "submits", "retries"):
        durable("run", f"{file}:{function}", "--name", function, "--no-wait")
    naps = now_of(durable, "naps")
    assert naps.startswith("suspended: nap waits until ")
    assert "(in 4 h 59 min)" in naps or "(in 5 h)" in naps
    # The callback comes before the wait that ends earlier.
    assert now_of(durable, "asks").startswith("asking: approval until ")
    assert now_of(durable, "asks").endswith(", and 1 more")
    # The callback inside wait_for_callback is called as the answer is; it has no timeout.
    assert now_of(durable, "submits") == "asking: review"
    assert now_of(durable, "retries").startswith("suspended: fails waits attempt 2 at ")
    documents = {
        each["durable_execution_name"]: each for each in durable("list", "--json").document
    }
    assert [each["path"] for each in documents["asks"]["waiting"]] == [["pause"], ["approval"]]
    assert documents["asks"]["waiting"][1]["waits_for"] == "answer"
    assert documents["naps"]["waiting"][0]["until"] is not None


def test_running_killed_and_due_are_told_apart(durable: Durable, file: str, place: Path) -> None:
    os.mkfifo(place / "gate")
    with running(place, "run", f"{file}:works", "--name", "works") as process:
        with open(place / "gate", "w"):  # opens when the body has opened it
            assert activity(durable, "works") == "running"
            process.kill()
    assert activity(durable, "works") == "killed"
    durable("run", f"{file}:asks", "--name", "asks", "--no-wait")
    durable("callback", "succeed", "asks", "--data", "1")
    assert activity(durable, "asks") == "due"
    assert durable("run", f"{file}:asks", "--name", "asks").code == 0
    assert activity(durable, "asks") == "ended"


def test_the_list_is_filtered_by_what_executions_do_now(durable: Durable, file: str) -> None:
    for name in ("a", "b", "c"):
        durable("run", f"{file}:naps", "--name", name, "--no-wait")
    durable("run", f"{file}:asks", "--name", "d", "--no-wait")
    durable("run", f"{file}:quick", "--name", "e")
    durable("pause", "b")
    assert listed(durable, "--now", "paused") == ["b"]
    assert listed(durable, "--now", "suspended") == ["c", "a"]
    assert listed(durable, "--now", "suspended", "--now", "asking") == ["d", "c", "a"]
    assert listed(durable, "--now", "suspended", "--status", "paused") == []
    assert listed(durable, "--now", "suspended", "--limit", "1") == ["c"]
    assert (
        "there are more than these 1" in durable("list", "--now", "suspended", "--limit", "1").err
    )
    assert "there are more" not in durable("list", "--now", "suspended", "--limit", "2").err
    assert listed(durable, "--now", "held") == []
    refused = durable("list", "--now", "held", "--endpoint", "http://127.0.0.1:1")
    assert (refused.code, "at an endpoint use --status" in refused.err) == (2, True)


def test_a_paused_execution_is_told(durable: Durable, file: str) -> None:
    durable("run", f"{file}:naps", "--name", "naps", "--no-wait")
    assert activity(durable, "naps") == "suspended"
    place = Place(None)
    with place.existing() as emulator:
        emulator.pause(place.arn(emulator, "naps"), PauseRequest())
    assert activity(durable, "naps") == "paused"
    assert listed(durable, "--status", "paused") == ["naps"]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("90s", 90_000),
        ("30min", 1_800_000),
        ("2h", 7_200_000),
        ("3 d", 259_200_000),
        ("1w", 604_800_000),
    ],
)
def test_a_duration_is_a_moment_before_now(text: str, milliseconds: int) -> None:
    assert read_moment(text, "--since", 1_000_000_000_000) == 1_000_000_000_000 - milliseconds


def test_a_date_is_a_moment() -> None:
    assert read_moment("2026-01-01T00:00:00Z", "--since", 0) == 1_767_225_600_000
    assert read_moment("2026-01-01T01:00+01:00", "--since", 0) == 1_767_225_600_000
    for text in ("", "h", "-1h", "2 hours", "2026-13-01", "1m"):
        with pytest.raises(Refusal, match="is no moment"):
            read_moment(text, "--since", 0)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "x.db")


def test_stores_search_texts_and_ids_alike(store: Store) -> None:
    for number, (name, function) in enumerate([("Abc", "pay"), ("d_e", "ship"), ("dxe", "PayIt")]):
        arn = (
            f"arn:aws:lambda:us-east-1:123456789012:function:{function}:1"
            f"/durable-execution/{name}/{number}f-abc"
        )
        store.create(
            ExecutionRecord(
                arn=arn,
                name=name,
                function=function,
                version="1",
                status="RUNNING",
                started_at=number,
            ),
            [],
        )

    def names(**words: str) -> list[str]:
        return [record.name for record in store.search(Search(**words, oldest_first=True))]

    assert names(text="ABC") == ["Abc"]
    assert names(text="pay") == ["Abc", "dxe"]
    assert names(text="_") == ["d_e"]
    assert names(text="lambda") == []
    assert names(run_id="1f") == ["d_e"]
    assert names(run_id="f-") == []
    assert names(run_id="1f-abcd") == []
    store.close()
