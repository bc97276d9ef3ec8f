"""The commands that steer an execution: time, pause, resume, fork and rerun."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write
from tests.cli.process import running
from tests.cli.test_executions import documented
from tests.rig import rig_of
from tests.virtual_time import virtual_time

from durable_execution_sdk import DurableContext, NoRetry, StepConfig
from durable_execution_sdk.cli.arguments.durations import milliseconds
from durable_execution_sdk.cli.output.outcome import tell_recovery
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place

SHOP = """
    from pathlib import Path

    async def charge(order):
        with Path("notes").open("a") as notes:
            notes.write(f"charged {order}\\n")
        return 10

    async def ship(price):
        if Path("broken").exists():
            raise RuntimeError("no truck")
        return f"shipped for {price}"

    @durable_execution
    async def shop(event: dict, ctx: DurableContext) -> str:
        price = await ctx.step(charge, event["id"])
        await ctx.wait(Duration.from_days(30), name="payment")
        return await ctx.step(ship, price, config=StepConfig(retry_strategy=NoRetry()))
"""

ASKS = """
    async def submit(callback_id):
        pass

    @durable_execution
    async def asks(event: object, ctx: DurableContext) -> str:
        answer = await ctx.wait_for_callback(
            submit,
            name="approval",
            config=WaitForCallbackConfig(timeout=Duration.from_hours(5)),
        )
        return answer
"""


def charges(place: Path) -> int:
    return (place / "notes").read_text().count("charged")


def test_a_failed_execution_is_forked_before_the_step_that_failed(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(SHOP)
    (place / "broken").touch()
    assert durable("run", file, "--name", "one", "--input", '{"id": 1}', "--skip-time").code == 1
    (place / "broken").unlink()
    output = durable("fork", "one", "--before", "ship", "--as", "two")
    assert (output.code, output.out) == (0, "two is a fork of one\n")
    assert "goes on too" not in output.err
    assert "go on with: durable run FILE:shop --name two" in output.err
    assert durable("run", file, "--name", "two", "--skip-time").result == "shipped for 10"
    assert charges(place) == 1
    assert "forked from one before ship" in durable("show", "two").out
    document = durable("show", "two", "--json").document
    assert document["forked_from"]["durable_execution_arn"].endswith(
        durable("show", "one", "--json").document["durable_execution_arn"].rpartition("/")[2]
    )
    assert list(document["forked_from"]) == documented("origin")
    assert durable("show", "one", "--json").document["forked_from"] is None


def test_a_fork_has_another_input_and_other_results(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(SHOP)
    durable("run", file, "--name", "one", "--input", '{"id": 1}', "--skip-time")
    (place / "price.json").write_text("99")
    forked = durable(
        "fork", "one", "--before", "ship", "--result", "charge=@price.json", "--json"
    ).document
    assert forked["durable_execution_name"].startswith("one-fork-")
    name = forked["durable_execution_name"]
    assert durable("run", file, "--name", name).result == "shipped for 99"
    other = durable("fork", "one", "--before", "charge", "--input", '{"id": 7}', "--as", "other")
    assert other.code == 0
    assert durable("run", file, "--name", "other", "--skip-time").result == "shipped for 10"
    assert "charged 7" in (place / "notes").read_text()


def test_the_history_of_a_fork_is_replayed_with_the_random_values_of_its_origin(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        async def work(name):
            return name

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> str:
            number = str(ctx.uuid4())
            await ctx.step(work, number, name=number)
            await ctx.wait(Duration.from_seconds(1), name="pause")
            return await ctx.step(work, number)
    """)
    first = durable("run", file, "--name", "one", "--skip-time").result
    for origin, name in (("one", "two"), ("two", "three")):
        assert durable("fork", origin, "--before", "pause", "--as", name).code == 0
        assert durable("run", file, "--name", name, "--skip-time").result == first
        (place / f"{name}.json").write_text(durable("history", name, "--json").out)
        replayed = durable("replay", file, f"{name}.json")
        assert replayed.code == 0, replayed.out


def test_an_open_callback_is_submitted_again_by_a_fork(durable: Durable, write: Write) -> None:
    file = write(ASKS)
    durable("run", file, "--name", "one", "--no-wait")
    forked = durable("fork", "one", "--as", "two")
    assert forked.code == 0
    assert "one goes on too: end it with durable stop one if two replaces it" in forked.err
    durable("run", file, "--name", "two", "--no-wait")
    assert durable("callback", "succeed", "two/approval", "--data", '"yes"').code == 0
    assert durable("run", file, "--name", "two", "--no-wait").result == "yes"
    assert durable("show", "one", "--json").document["status"] == "RUNNING"
    submitted = [
        event
        for event in durable("history", "two", "--json").document["Events"]
        if event["EventType"] == "StepSucceeded"
    ]
    assert len(submitted) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--before", "nothing"),
            "there is no operation 'nothing'; those of the execution: charge",
        ),
        (("--before", "charge#2"), "there is no operation 'charge#2'"),
        (("--result", "charge"), "write it as OPERATION=JSON"),
        (("--result", "charge=x"), "is not JSON"),
        (("--result", "payment=1"), "a wait has no result"),
        (("--input", "{"), "--input is not JSON"),
        (("--as", "one"), "use another name"),
    ],
)
def test_a_fork_that_is_not_possible_is_refused_in_words(
    durable: Durable, write: Write, words: tuple[str, ...], message: str
) -> None:
    file = write(SHOP)
    durable("run", file, "--name", "one", "--input", '{"id": 1}', "--no-wait")
    output = durable("fork", "one", *words)
    assert output.code == 2
    assert message in output.err
    assert len(durable("list", "--json").document) == 1


MAPPED = """
    def price(item):
        return len(item)

    async def one(ctx, item, index):
        return await ctx.step(price, item)

    async def of_shop(ctx, name):
        return (await ctx.map(["a", "bb"], one, name="items")).results()

    @durable_execution
    async def shop(event, ctx):
        shops = [ctx.run_in_child_context(of_shop, n, name=f"shop-{n}") for n in range(3)]
        prices = [await each for each in shops]
        await ctx.wait(Duration.from_days(1), name="settle")
        return prices
"""
HASH = re.compile("[0-9a-f]{12,}")


def test_the_refusals_of_forks_name_operations_by_their_paths(
    durable: Durable, write: Write
) -> None:
    durable("run", write(MAPPED), "--name", "one", "--no-wait")

    def refused(*words: str) -> str:
        output = durable("fork", "one", *words)
        assert (output.code, output.out) == (2, "")
        assert not HASH.search(output.err)
        return output.err

    ambiguous = refused("--before", "shop-1/items/map-item-1/price#3")
    assert "there is no operation" in ambiguous
    ambiguous = refused("--before", "map-item-1/price")
    assert "3 operations are named 'map-item-1/price'" in ambiguous
    assert "shop-1/items/map-item-1/price" in ambiguous
    unknown = refused("--before", "shop-1/items/1/price")
    assert "the nearest of 19: shop-1/items/map-item-" in unknown
    assert "a path where that is ambiguous (items/map-item-1/price)" in unknown
    # The outermost context is named at once: changing the map inside it would be refused as well.
    inside = refused("--result", "shop-1/items/map-item-0/price=5")
    assert "step 'shop-1/items/map-item-0/price' cannot be changed" in inside
    assert "it is inside child context 'shop-1', which has ended" in inside
    assert "--result OPERATION=JSON changes" in inside
    later = refused("--before", "shop-0", "--result", "settle=1")
    assert "There is no operation 'settle' in the part of the log" in later
    assert durable("fork", "one", "--result", "shop-1=[7]", "--as", "two").code == 0
    assert durable("run", "app.py", "--name", "two", "--skip-time").result == [[1, 2], [7], [1, 2]]


def test_a_fork_names_the_operation_of_its_origin_after_a_rename(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(SHOP)
    durable("run", file, "--name", "one", "--input", '{"id": 1}', "--skip-time")
    assert durable("fork", "one", "--before", "payment", "--as", "two").code == 0
    write(SHOP.replace('name="payment"', 'name="settlement"'))
    assert durable("run", file, "--name", "two", "--skip-time").code == 0
    shown = durable("show", "two").out
    assert "settlement" in shown
    assert "forked from one before payment\n" in shown
    # Also when the origin is gone.
    assert durable("delete", "one").code == 0
    assert "forked from one before payment\n" in durable("show", "two").out


FAILS = """
    from pathlib import Path

    ONCE = StepConfig(retry_strategy=NoRetry())

    def work(n):
        if n == 2 and not Path("mended").exists():
            raise RuntimeError(f"no {n}")
        return n

    async def group(ctx, n):
        return await ctx.step(work, n, name="inner", config=ONCE)

    def handled():
        raise ValueError("handled")

    @durable_execution
    async def f(event: str, ctx: DurableContext) -> object:
        try:
            await ctx.step(handled, config=ONCE)
        except ValueError:
            pass
        if event == "code":
            raise KeyError("in the workflow")
        if event == "context":
            return await ctx.run_in_child_context(group, 2)
        return [await ctx.step(work, n, config=ONCE) for n in (1, 2)]
"""


@pytest.mark.parametrize(("event", "operation"), [("step", "work#2"), ("context", "group")])
def test_a_failure_names_the_fork_that_goes_on_from_there(
    durable: Durable, write: Write, place: Path, event: str, operation: str
) -> None:
    file = write(FAILS)
    hint = f"to try it again from there, once the cause is mended: durable fork n --before '{operation}'"
    hint = hint if "#" in operation else hint.replace("'", "")
    failed = durable("run", file, "--name", "n", "--input", f'"{event}"')
    assert (failed.code, hint in failed.err) == (1, True)
    assert hint in durable("show", "n").err
    (place / "mended").touch()
    assert durable("fork", "n", "--before", operation, "--as", "again").code == 0
    mended = durable("run", file, "--name", "again")
    assert mended.code == 0
    assert "to try it again" not in mended.err


CUT_OFF = """
    import os
    import signal
    from pathlib import Path

    AT_MOST_ONCE = StepConfig(
        semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry()
    )

    def charge() -> str:
        with open("charges", "a") as file:
            file.write("charged ")
        os.kill(os.getpid(), signal.SIGKILL)
        return "paid"

    async def payment(ctx: DurableContext) -> str:
        return await ctx.step(charge, config=AT_MOST_ONCE)

    @durable_execution
    async def f(event: str, ctx: DurableContext) -> str:
        if event == "in a context":
            return await ctx.run_in_child_context(payment)
        return await ctx.step(charge, config=AT_MOST_ONCE)
"""


@pytest.mark.parametrize("event", ["at the top", "in a context"])
def test_a_step_that_may_have_had_its_effect_is_not_named_as_one_to_try_again(
    durable: Durable, write: Write, place: Path, event: str
) -> None:
    file = write(CUT_OFF)
    with running(place, "run", file, "--name", "n", "--input", f'"{event}"') as process:
        assert process.end() == -signal.SIGKILL
    failed = durable("run", file, "--name", "n")
    assert failed.code == 1
    assert "charge was cut off, and may have had its effect" in failed.err
    assert "to try it again from there" not in failed.err
    within = event == "in a context"
    again = f"durable fork n --before {'payment' if within else 'charge'}"
    assert f"only if it had not, try it again from there: {again}" in failed.err
    assert ("durable fork n --result charge=JSON" in failed.err) is not within
    if not within:
        assert durable("fork", "n", "--result", 'charge="paid"', "--as", "known").code == 0
        assert durable("run", file, "--name", "known").result == "paid"
    assert (place / "charges").read_text() == "charged "


def test_a_step_that_the_function_s_time_cut_off_is_to_get_more_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def slow() -> None:
        await asyncio.Event().wait()

    async def workflow(event: object, ctx: DurableContext) -> None:
        await ctx.step(slow, config=StepConfig(retry_strategy=NoRetry()))

    with virtual_time():
        rig = rig_of(workflow, timeout=10)
        arn = rig.start(name="n")
        assert rig.drive(arn).status == "FAILED"
    tell_recovery(rig.emulator, arn, Place(None))
    advice, *others = capsys.readouterr().err.splitlines()
    assert advice.startswith("slow was cut off by the function's time, and may have had its effect")
    assert advice.endswith("raise the function's timeout, or divide the step")
    assert others == [
        "if it had, go on with its result: durable fork n --result slow=JSON",
        "if it had not, or may have it twice, try it again from there: durable fork n --before slow",
    ]


def test_a_failure_of_the_workflow_itself_names_no_fork(durable: Durable, write: Write) -> None:
    failed = durable("run", write(FAILS), "--name", "n", "--input", '"code"')
    assert (failed.code, "to try it again" in failed.err) == (1, False)
    assert durable("run", "app.py", "--name", "n", "--json").err.count("to try it") == 0


def test_operations_are_named_by_their_contexts_and_by_number(
    durable: Durable, write: Write
) -> None:
    file = write("""
        async def price(item):
            return item

        async def each(ctx, item, index):
            return await ctx.step(price, item)

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            batch = await ctx.map([1, 2, 3], each, name="items")
            return sum(batch.values)
    """)
    durable("run", file, "--name", "one")
    ambiguous = durable("fork", "one", "--before", "price")
    assert ambiguous.code == 2
    assert "3 operations are named 'price'" in ambiguous.err
    items = durable("show", "one", "--json").document["operations"]
    contexts = {entry["id"]: entry["name"] for entry in items if entry["kind"] == "MapIteration"}
    second = [entry["id"] for entry in items if entry["name"] == "price"][1]
    parent = next(entry["parent_id"] for entry in items if entry["id"] == second)
    for reference in ("price#2", f"{contexts[parent]}/price", second):
        forked = durable("fork", "one", "--before", reference, "--json").document
        document = durable("show", forked["durable_execution_name"], "--json").document
        assert document["forked_from"]["before"] == second


def test_an_execution_is_run_again(durable: Durable, write: Write, place: Path) -> None:
    file = write(SHOP)
    durable("run", file, "--name", "one", "--input", '{"id": 1}', "--skip-time")
    output = durable("rerun", "one", "--as", "two")
    assert output.out == "two is another run of one\n"
    durable("run", file, "--name", "two", "--skip-time")
    name = durable("rerun", "one", "--input", '{"id": 5}', "--json").document[
        "durable_execution_name"
    ]
    durable("run", file, "--name", name, "--skip-time")
    notes = (place / "notes").read_text().splitlines()
    assert notes == ["charged 1", "charged 1", "charged 5"]


def test_time_is_shown_skipped_and_advanced(durable: Durable, write: Write) -> None:
    file = write(SHOP)
    durable("run", file, "--name", "one", "--input", '{"id": 1}', "--no-wait")
    assert durable("time", "one").out.startswith("one: time is real: ")
    output = durable("time", "one", "advance", "29d12h")
    assert "29 d 12 h ahead of the clock" in output.out
    assert "go on with: durable run FILE:shop --name one" in output.err
    document = durable("time", "one", "--json").document
    assert document["mode"] == "real"
    # The clock goes on while time advances, so a slow machine sees a little less than what was asked for.
    asked = (29 * 24 + 12) * 3_600_000
    assert asked - 60_000 < document["offset_milliseconds"] <= asked
    assert document["advances_to"] is None
    assert "payment (Wait) waits until" in durable("show", "one").out
    assert "29 d 12 h ahead of the clock" in durable("show", "one").out
    durable("time", "one", "skip")
    assert durable("run", file, "--name", "one").result == "shipped for 10"


def test_a_callback_times_out_when_time_advances_to_its_timer(
    durable: Durable, write: Write
) -> None:
    file = write(ASKS)
    durable("run", file, "--name", "one", "--no-wait")
    assert durable("time", "one", "skip").code == 0
    assert durable("run", file, "--name", "one", "--no-wait").code == 3
    assert durable("time", "one", "advance", "next").code == 0
    assert durable("run", file, "--name", "one", "--no-wait").code == 1
    assert "Callback.Timeout" in durable("show", "one").out


def test_paused_time_stands_still_until_it_is_real_again(durable: Durable, write: Write) -> None:
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> str:
            await ctx.wait(Duration.from_seconds(1))
            return "waited"
    """)
    durable("run", file, "--name", "one", "--no-wait")
    assert "time is paused" in durable("time", "one", "paused").out
    now = durable("time", "one", "--json").document["now"]
    assert durable("time", "one", "--json").document["now"] == now
    assert "time is paused" in durable("show", "one").out
    assert "time is paused" in durable("run", file, "--name", "one", "--no-wait").out
    durable("time", "one", "real")
    assert durable("run", file, "--name", "one").result == "waited"


def test_the_time_of_an_execution_that_another_process_runs_is_changed(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(SHOP)
    with running(place, "run", file, "--name", "one", "--input", '{"id": 1}') as run:
        run.until("payment (Wait) waits until")
        assert "process" in durable("time", "one", "skip").err
        assert run.end() == 0
        assert "shipped for 10" in run.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("advance",), "advance DURATION"),
        (("skip", "3h"), "advance DURATION"),
        (("advance", "soon"), "a duration such as"),
        (("advance", "0s"), "a duration such as"),
        (("faster",), "faster"),
    ],
)
def test_a_wrong_time_is_refused(
    durable: Durable, write: Write, words: tuple[str, ...], message: str
) -> None:
    durable("run", write(SHOP), "--name", "one", "--input", '{"id": 1}', "--no-wait")
    output = durable("time", "one", *words)
    assert output.code == 2
    assert message in output.err


def test_the_time_of_an_execution_that_has_ended_is_not_changed(
    durable: Durable, write: Write
) -> None:
    durable("run", write(SHOP), "--name", "one", "--input", '{"id": 1}', "--skip-time")
    for words in (("skip",), ("advance", "next"), ("advance", "1h")):
        output = durable("time", "one", *words)
        assert output.code == 2
        assert "one has ended: it is SUCCEEDED, so there is nothing to wait for" in output.err
        assert "durable fork one --before OPERATION" in output.err
        assert "arn:" not in output.err
    for command in ("pause", "resume", "crash"):
        output = durable(command, "one")
        assert (output.code, f"there is nothing to {command}." in output.err) == (2, True)
    assert durable("time", "one").code == 0


def test_an_execution_is_paused_and_resumed(durable: Durable, write: Write) -> None:
    file = write(SHOP)
    durable("run", file, "--name", "one", "--input", '{"id": 1}', "--no-wait")
    assert durable("pause", "one", "--reason", "audit").out == "one is PAUSED\n"
    assert durable("pause", "one").code == 2
    durable("time", "one", "advance", "31d")
    assert durable("run", file, "--name", "one", "--no-wait").code == 3
    output = durable("resume", "one")
    assert output.out == "one is RUNNING\n"
    assert "go on with" in output.err
    assert durable("run", file, "--name", "one", "--no-wait").result == "shipped for 10"
    assert durable("resume", "one").code == 2


def test_an_execution_that_does_not_exist_cannot_be_steered(durable: Durable, write: Write) -> None:
    durable("run", write(SHOP), "--name", "one", "--input", '{"id": 1}', "--no-wait")
    for command in ("fork", "rerun", "time", "pause", "resume"):
        output = durable(command, "two")
        assert output.code == 2
        assert "there is no execution 'two'" in output.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no server runs over"),
        (("--before", "1"), "no server runs over"),
        (("--after", "charge"), "no server runs over"),
        (("--throttle", "1", "--times", "3"), "no server runs over"),
        (("--before", "1", "--after", "1"), "give one of"),
        (("--lose", "1", "--times", "2"), "--times is for --throttle"),
    ],
)
def test_a_worker_is_crashed_by_a_server_only(
    durable: Durable, write: Write, words: tuple[str, ...], message: str
) -> None:
    durable("run", write(SHOP), "--name", "one", "--input", '{"id": 1}', "--no-wait")
    output = durable("crash", "one", *words)
    assert (output.code, output.out) == (2, "")
    assert message in output.err


def test_a_crash_names_the_process_that_runs_the_execution(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(SHOP)
    with running(place, "run", file, "--name", "one", "--input", '{"id": 1}') as run:
        run.until("payment (Wait) waits until")
        assert f"kill it with: kill -9 {run.process.pid}" in durable("crash", "one").err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90_000),
        ("1.5h", 5_400_000),
        ("1d12h", 129_600_000),
        ("5m", 300_000),
        ("5min", 300_000),
        ("250ms", 250),
        ("1h 30m", 5_400_000),
    ],
)
def test_a_duration_is_read(text: str, expected: int) -> None:
    assert milliseconds(text, "it") == expected


@pytest.mark.parametrize("text", ["", "3", "h", "-3h", "3h4", "3 hours", "0s", "3h,4m"])
def test_a_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="a duration such as"):
        milliseconds(text, "it")
