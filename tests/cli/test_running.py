"""The exit codes, the output and the store of `durable run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Durable, Write
from tests.cli.process import running

ADDS = """
    def add(one: int, other: int) -> int:
        with open("calls", "a") as file:
            file.write("add\\n")
        return one + other

    @durable_execution
    async def adds(event: dict[str, int], ctx: DurableContext) -> int:
        return await ctx.step(add, event.get("one", 0), event.get("other", 0))
"""
FAILS = """
    class OutOfPaperError(Exception):
        pass

    @durable_execution
    async def fails(event: object, ctx: DurableContext) -> int:
        raise OutOfPaperError("the printer is empty")
"""
WAITS = """
    @durable_execution
    async def waits(event: object, ctx: DurableContext) -> str:
        await ctx.wait(Duration.from_days(3), name="cool_down")
        return "waited"
"""
ASKS = """
    @durable_execution
    async def asks(event: object, ctx: DurableContext) -> object:
        return await ctx.wait_for_callback(lambda callback_id: None, name="approval")
"""
INVOKES = """
    @durable_execution
    async def invokes(event: object, ctx: DurableContext) -> int:
        return await ctx.invoke("doubles:$LATEST", 21, name="twice")

    @durable_execution
    async def doubles(event: int, ctx: DurableContext) -> int:
        await ctx.wait(Duration.from_hours(1))
        return 2 * event
"""


def test_a_workflow_runs_to_its_result(durable: Durable, write: Write) -> None:
    output = durable("run", write(ADDS), "--input", '{"one": 1, "other": 2}', "--name", "sum")
    assert (output.code, output.result) == (0, 3)
    assert "StepSucceeded            add" in output.out
    assert "SUCCEEDED  sum  invocations: 1  operations: 1  checkpoints: 1" in output.out


def test_without_a_name_the_run_makes_one_and_says_it_first(durable: Durable, write: Write) -> None:
    output = durable("run", write(ADDS))
    name = output.out.splitlines()[0].split()[1]
    assert name.startswith("adds-")
    assert durable("show", name).code == 0
    assert durable("run", write(ADDS)).out.splitlines()[0].split()[1] != name


def test_without_an_input_the_event_is_an_empty_object(durable: Durable, write: Write) -> None:
    assert durable("run", write(ADDS)).result == 0


def test_the_input_can_be_a_file(durable: Durable, write: Write, place: Path) -> None:
    (place / "event.json").write_text('{"one": 4}')
    assert durable("run", write(ADDS), "--input", "@event.json").result == 4


def test_the_input_can_come_from_stdin(
    durable: Durable, write: Write, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    (place / "stdin").write_text('{"other": 5}')
    with (place / "stdin").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert durable("run", write(ADDS), "--input", "-").result == 5


def test_the_same_name_again_shows_the_result_and_runs_nothing(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(ADDS)
    durable("run", file, "--name", "sum", "--input", '{"one": 1}')
    for again in ((), ("--input", '{ "one":1 }')):
        assert durable("run", file, "--name", "sum", *again).result == 1
    assert (place / "calls").read_text() == "add\n"


def test_a_failed_execution_is_told_with_the_users_traceback(
    durable: Durable, write: Write
) -> None:
    output = durable("run", write(FAILS), "--name", "print")
    assert output.code == 1
    assert "FAILED  print" in output.out
    assert "OutOfPaperError: the printer is empty" in output.out
    assert "app.py" in output.out
    assert durable("run", "app.py", "--name", "print").code == 1


def test_a_stopped_execution_counts_as_failed(durable: Durable, write: Write) -> None:
    file = write(WAITS)
    durable("run", file, "--name", "w", "--no-wait")
    assert durable("stop", "w", "--reason", "enough").out == "w is STOPPED\n"
    output = durable("run", file, "--name", "w")
    assert output.code == 1
    assert "STOPPED  w" in output.out
    assert "enough" in output.out


def test_time_is_skipped_when_asked_and_the_log_tells_the_time_that_was_reached(
    durable: Durable, write: Write
) -> None:
    output = durable("run", write(WAITS), "--skip-time", "--json")
    assert (output.code, output.document["result"]) == (0, "waited")
    assert output.document["end_timestamp"] > output.document["start_timestamp"]
    assert "time: 3 d" in durable("show", output.document["durable_execution_name"]).out


def test_without_waiting_a_run_does_what_is_due_and_says_what_comes_when(
    durable: Durable, write: Write
) -> None:
    output = durable("run", write(WAITS), "--name", "w", "--no-wait")
    assert output.code == 3
    assert "cool_down (Wait) waits until" in output.out
    assert "(in 3 d)" in output.out or "(in 2 d 23 h)" in output.out
    assert "go on with: durable run app.py --name w" in output.err


def test_a_later_run_goes_on_at_the_time_that_an_earlier_one_skipped_to(
    durable: Durable, write: Write
) -> None:
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            await ctx.wait(Duration.from_days(30))
            await ctx.wait_for_callback(lambda callback_id: None)
            await ctx.wait(Duration.from_seconds(1))
            return 1
    """)
    output = durable("run", file, "--name", "f", "--skip-time", "--no-wait", "--json")
    durable("callback", "succeed", output.document["waiting"][0]["callback_id"])
    assert durable("run", file, "--name", "f", "--no-wait").code == 3
    output = durable("run", file, "--name", "f", "--json")
    assert output.document["result"] == 1
    times = [event["EventTimestamp"] for event in _events(durable, "f")]
    assert times == sorted(times)
    # The run skipped thirty days, and then waited for one second of real time.
    assert 30 * 86_400 + 1 <= times[-1] - times[0] < 30 * 86_400 + 600


def test_skipping_time_for_one_execution_leaves_the_others_where_they_are(
    durable: Durable, write: Write
) -> None:
    file = write(WAITS)
    durable("run", file, "--name", "patient", "--no-wait")
    before = durable("history", "patient").out
    assert durable("run", file, "--name", "hasty", "--skip-time").result == "waited"
    assert durable("history", "patient").out == before


def test_skipping_time_waits_for_an_answer_instead_of_for_its_timeout(
    durable: Durable, write: Write
) -> None:
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> object:
            config = WaitForCallbackConfig(timeout=Duration.from_minutes(5))
            return await ctx.wait_for_callback(lambda callback_id: None, config=config)
    """)
    output = durable("run", file, "--name", "f", "--skip-time", "--no-wait")
    assert output.code == 3
    assert "waits for an answer until" in output.out


def test_a_callback_is_answered_from_elsewhere_and_the_run_goes_on(
    durable: Durable, write: Write
) -> None:
    file = write(ASKS)
    output = durable("run", file, "--name", "ask", "--no-wait", "--json")
    assert (output.code, output.document["status"]) == (3, "RUNNING")
    [waiting] = output.document["waiting"]
    assert waiting["path"] == ["approval", "approval create callback id"]
    assert waiting["waits_for"] == "answer"
    callback_id = waiting["callback_id"]
    assert durable("callback", "heartbeat", callback_id).code == 0
    assert durable("callback", "succeed", callback_id, "--data", '{"ok": true}').code == 0
    assert durable("run", file, "--name", "ask").result == {"ok": True}


def test_a_callback_that_failed_fails_what_waits_for_it(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(ASKS)
    output = durable("run", file, "--name", "ask", "--no-wait", "--json")
    (place / "why").write_text("no stamp")
    callback_id = output.document["waiting"][0]["callback_id"]
    options = ("--message", "denied", "--type", "Denied", "--data", "@why")
    assert durable("callback", "fail", callback_id, *options).code == 0
    output = durable("run", file, "--name", "ask", "--json")
    assert output.code == 1
    assert output.document["error"]["error_message"] == "denied"


def test_workflows_of_the_file_can_be_invoked_by_name(durable: Durable, write: Write) -> None:
    output = durable("run", f"{write(INVOKES)}:invokes", "--skip-time", "--name", "i")
    assert output.result == 42
    assert "doubles: WaitStarted" in output.out
    assert "ChainedInvokeStarted     twice  of doubles:$LATEST" in output.out


def test_functions_of_other_files_can_be_invoked_when_they_are_named(
    durable: Durable, write: Write
) -> None:
    write("def handler(event, context):\n    return event + 1\n", "plain.py")
    write(
        """
        @durable_execution
        async def inner(event: int, ctx: DurableContext) -> int:
            return event * 10
        """,
        "other.py",
    )
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            return await ctx.invoke("plus", await ctx.invoke("times:$LATEST", 4))
    """)
    functions = ("--function", "plus=plain.py:handler", "--function", "times=other.py:inner")
    assert durable("run", file, *functions).result == 41


def test_a_run_that_lacks_a_function_which_was_invoked_before_says_which(
    durable: Durable, write: Write
) -> None:
    durable("run", f"{write(INVOKES)}:invokes", "--name", "i", "--no-wait")
    write(INVOKES.split("@durable_execution\n    async def doubles", maxsplit=1)[0])
    output = durable("run", "app.py:invokes", "--name", "i")
    assert output.code == 2
    assert "the execution waits for doubles" in output.err
    assert "--function doubles=FILE:ATTR" in output.err


def test_json_is_all_that_stdout_gets_whatever_user_code_prints(
    durable: Durable, write: Write
) -> None:
    file = write("""
        print("while it is imported")

        def shout(n: int) -> int:
            print("from a step")
            return n

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            return await ctx.step(shout, 7)
    """)
    output = durable("run", file, "--name", "f", "--json")
    assert list(output.document) == [
        "durable_execution_name",
        "function_name",
        "durable_execution_arn",
        "status",
        "result",
        "error",
        "start_timestamp",
        "end_timestamp",
        "counts",
        "waiting",
        "custom_status",
        "custom_status_timestamp",
        "held",
    ]
    assert output.document["result"] == 7
    assert output.document["counts"] == {"invocations": 1, "operations": 1, "checkpoints": 1}
    assert "while it is imported" in output.err
    assert "from a step" in output.err


def test_attempts_errors_and_delays_are_shown_as_they_happen(
    durable: Durable, write: Write
) -> None:
    file = write("""
        def flaky() -> int:
            if StepContext.current().attempt < 3:
                raise ConnectionError("busy")
            return 1

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            config = StepConfig(retry_strategy=FixedDelay(delay=Duration.from_minutes(2)))
            return await ctx.step(flaky, config=config)
    """)
    output = durable("run", file, "--skip-time")
    assert "StepFailed               flaky  attempt 1  ConnectionError: busy  again in 2 min" in (
        output.out
    )
    assert "flaky (Step) waits attempt 3 at" in output.out
    assert "StepSucceeded            flaky  attempt 3" in output.out


def test_an_invocation_that_fails_is_made_again_and_the_reader_is_told(
    durable: Durable, write: Write
) -> None:
    file = write("""
        from pathlib import Path

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            with open("tries", "a+") as file:
                file.write("x")
            if Path("tries").stat().st_size == 1:
                raise DurableError.invocation("the database is away")
            return 1
    """)
    output = durable("run", file, "--skip-time")
    assert output.result == 1
    assert "InvocationError: the database is away" in output.out
    assert "the last invocation failed; the next one comes at" in output.out


def test_what_user_code_logs_goes_to_stderr_once_and_never_from_replay(
    durable: Durable, write: Write
) -> None:
    file = write("""
        import logging
        import sys

        logging.basicConfig(stream=sys.stderr, format="%(message)s", level="INFO", force=True)

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            ctx.log_info("before")
            await ctx.wait(Duration.from_hours(1))
            ctx.log_info("after")
            return 1
    """)
    output = durable("run", file, "--skip-time")
    assert output.err == "before\nafter\n"


def test_a_file_in_a_package_is_loaded_as_its_module(
    durable: Durable, write: Write, place: Path
) -> None:
    (place / "shop").mkdir()
    (place / "shop" / "__init__.py").write_text("")
    (place / "shop" / "prices.py").write_text("PRICE = 3\n")
    (place / "shop" / "flow.py").write_text(
        "from durable_execution_sdk import *\n"
        "from .prices import PRICE\n"
        "@durable_execution\n"
        "async def f(event: object, ctx: DurableContext) -> list:\n"
        "    return [PRICE, __name__]\n"
    )
    assert durable("run", "shop/flow.py").result == [3, "shop.flow"]


def test_a_file_may_have_the_name_of_a_module_that_is_loaded_already(
    durable: Durable, write: Write
) -> None:
    assert durable("run", write(ADDS, "json.py"), "--input", '{"one": 2}').result == 2


def test_the_default_store_keeps_itself_out_of_version_control(
    durable: Durable, write: Write, place: Path
) -> None:
    durable("run", write(ADDS))
    assert (place / ".durable" / "executions.db").exists()
    assert (place / ".durable" / ".gitignore").read_text().endswith("*\n")


@pytest.mark.parametrize("given", ["elsewhere/x.db", "."])
def test_the_store_can_be_elsewhere(
    durable: Durable, write: Write, place: Path, given: str
) -> None:
    output = durable("run", write(WAITS), "--name", "w", "--store", given, "--no-wait")
    assert f"durable run app.py --name w --store {given}" in output.err
    assert not (place / ".durable").exists()
    assert durable("show", "w", "--store", given).code == 0


def test_the_store_can_be_named_by_the_environment(
    durable: Durable, write: Write, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURABLE_STORE", "mine.db")
    durable("run", write(ADDS))
    assert (place / "mine.db").exists()


def _events(durable: Durable, name: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = durable("history", name, "--json").document["Events"]
    return events


ASKS_FOR_BOOL = """
    @durable_execution
    async def ask(event: object, ctx: DurableContext) -> bool:
        config = WaitForCallbackConfig(result_type=bool)
        return await ctx.wait_for_callback(lambda callback_id: None, name="approval", config=config)
"""


@pytest.mark.parametrize("data", ["yes", "", "{'ok': true}", "NaN", "@answer"])
def test_an_answer_that_is_not_json_is_refused_and_the_callback_stays_open(
    durable: Durable, write: Write, place: Path, data: str
) -> None:
    file = write(ASKS_FOR_BOOL)
    (place / "answer").write_text("yes")
    durable("run", file, "--name", "ask", "--no-wait")
    refused = durable("callback", "succeed", "ask", "--data", data)
    assert (refused.code, refused.out) == (2, "")
    assert "--data is not JSON" in refused.err
    if data != "NaN":
        assert "--data true, --data '\"yes\"' or --data @file.json" in refused.err
        assert "--text sends the text as it is" in refused.err
    assert durable("callback", "succeed", "ask", "--data", "true").out == "answered\n"
    assert durable("run", file, "--name", "ask").result is True


def test_an_answer_is_sent_as_text_when_that_is_asked_for(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(ASKS)
    (place / "answer").write_text("no stamp")
    for name, data, result in (("word", "yes", "yes"), ("file", "@answer", "no stamp")):
        durable("run", file, "--name", name, "--no-wait")
        answered = durable("callback", "succeed", name, "--data", data, "--text")
        assert answered.out == "answered\n"
        assert durable("run", file, "--name", name).result == result
    refused = durable("callback", "succeed", "word", "--text")
    assert (refused.code, "give --data, too" in refused.err) == (2, True)


def test_an_answer_without_a_result_says_so(durable: Durable, write: Write) -> None:
    file = write(ASKS)
    durable("run", file, "--name", "ask", "--no-wait")
    assert durable("callback", "succeed", "ask").out == "answered, without a result\n"
    assert durable("run", file, "--name", "ask").result is None


def test_the_fields_of_a_log_line_follow_its_message(write: Write, place: Path) -> None:
    file = write("""
        import logging

        def body() -> None:
            StepContext.current().logger.warning("in a step", extra={"left": None})

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            logging.getLogger("any").warning("plain")
            ctx.log_info("charged", order="A 7", amount=2.5, tags=["a"], name="n", empty="")
            try:
                raise ValueError("broken")
            except ValueError:
                ctx.logger.exception("failed", extra={"step": "pay"})
            await ctx.step(body)
            return 1
    """)
    with running(place, "run", file) as process:
        assert process.end() == 0
    lines = process.text.splitlines()
    assert any(line.endswith(" any: plain") for line in lines)
    fields = "order='A 7' amount=2.5 tags=['a'] name_=n empty=''"
    assert any(line.endswith(f" durable_execution: charged {fields}") for line in lines)
    at = next(
        i for i, line in enumerate(lines) if line.endswith("durable_execution: failed step=pay")
    )
    assert lines[at + 1].startswith("Traceback")
    assert any(line.endswith("durable_execution: in a step left=None") for line in lines)
