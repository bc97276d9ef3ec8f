"""After any interruption at any moment, the next run continues from the recorded state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write
from tests.cli.process import running

SHOP = """
    from pathlib import Path
    import time

    def note(what: str) -> None:
        with open("notes", "a") as file:
            file.write(what + "\\n")

    def pause_at(place: str) -> None:
        # The test asks for the place at which it wants to be quick enough.
        while Path(place).exists():
            note(f"at {place}")
            print(f"at {place}", flush=True)
            time.sleep(60)

    def validate(amount: int) -> int:
        pause_at("validate")
        note("validated")
        return amount

    @durable_step(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())
    def charge(amount: int) -> str:
        note("charged")
        pause_at("charge")
        return f"paid {amount}"

    def look_up() -> str:
        return "paid 7"

    def ship(paid: str) -> str:
        pause_at("ship")
        note("shipped")
        return f"shipped, {paid}"

    @durable_execution
    async def order(event: int, ctx: DurableContext) -> str:
        amount = await ctx.step(validate, event)
        try:
            paid = await ctx.step(charge, amount)
        except StepInterruptedError:
            paid = await ctx.step(look_up)
        await ctx.wait(Duration.from_seconds(1), name="settle")
        return await ctx.step(ship, paid)
"""


@pytest.mark.parametrize(
    "place_of_death", [pytest.param("validate", marks=pytest.mark.slow), "charge", "ship"]
)
def test_a_run_that_is_killed_in_a_step_goes_on_to_the_same_result_and_charges_once(
    durable: Durable, write: Write, place: Path, place_of_death: str
) -> None:
    file = write(SHOP)
    (place / place_of_death).touch()
    with running(place, "run", file, "--input", "7", "--name", "o") as run:
        run.until(f"at {place_of_death}")
        run.kill()
    (place / place_of_death).unlink()
    output = durable("run", file, "--name", "o")
    assert (output.code, output.result) == (0, "shipped, paid 7")
    assert (place / "notes").read_text().split("\n").count("charged") == 1
    gone = (
        "Runtime.ExitError: the process ended during the invocation (killed, crashed or restarted);"
        " what was recorded is kept"
    )
    assert gone in output.out
    assert gone in durable("history", "o").out
    assert "RequestId" not in output.out + durable("history", "o").out


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("StepSucceeded            validate", marks=pytest.mark.slow),
        "StepStarted              charge",
        pytest.param("StepSucceeded            charge", marks=pytest.mark.slow),
        pytest.param("WaitStarted              settle", marks=pytest.mark.slow),
        "settle (Wait) waits until",
        pytest.param("WaitSucceeded            settle", marks=pytest.mark.slow),
        "StepSucceeded            ship",
    ],
)
def test_a_run_that_is_killed_after_any_event_goes_on_to_the_same_result(
    durable: Durable, write: Write, place: Path, line: str
) -> None:
    file = write(SHOP)
    with running(place, "run", file, "--input", "7", "--name", "o") as run:
        run.until(line)
        run.kill()
    output = durable("run", file, "--name", "o", "--input", "7")
    assert (output.code, output.result) == (0, "shipped, paid 7")
    # The bank is called at most once; never, if the process was killed before the body began.
    assert (place / "notes").read_text().split("\n").count("charged") <= 1


def test_ctrl_c_during_a_wait_leaves_an_execution_that_goes_on(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            await ctx.wait(Duration.from_hours(9), name="long")
            return 1
    """)
    with running(place, "run", file, "--name", "f") as run:
        run.until("long (Wait) waits until")
        run.interrupt()
        assert run.end() == 3
        assert "RUNNING  f" in run.text
        assert "not finished; go on with: durable run app.py --name f" in run.text
        assert "Traceback" not in run.text
    assert "Runtime.ExitError" not in durable("history", "f").out
    assert durable("run", file, "--name", "f", "--skip-time").result == 1


def test_ctrl_c_lets_the_running_step_end_and_starts_no_other(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        import asyncio
        from pathlib import Path

        async def one() -> int:
            print("in one", flush=True)
            while not Path("go").exists():
                await asyncio.sleep(0.01)
            return 1

        def two() -> int:
            Path("two").touch()
            return 2

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> int:
            return await ctx.step(one) + await ctx.step(two)
    """)
    with running(place, "run", file, "--name", "f") as run:
        run.until("in one")
        run.interrupt()
        run.until("stopping after the step that runs now")
        (place / "go").touch()
        assert run.end() == 3
        assert "StepSucceeded            one" in run.text
        assert "go on with" in run.text
        assert "Traceback" not in run.text
        assert "KeyboardInterrupt" not in run.text
    assert not (place / "two").exists()
    [listed] = durable("list", "--json").document
    assert (listed["status"], listed["activity"]) == ("RUNNING", "due")
    output = durable("run", file, "--name", "f")
    # It goes on at once: the invocation ended, and did not fail.
    assert "the last invocation failed" not in output.out
    assert "Error" not in durable("history", "f").out
    assert "invocations: 2 " in output.out
    assert output.result == 3
    assert "StepStarted              two" in output.out
    assert "StepStarted              one" not in output.out


def test_ctrl_c_does_not_let_an_at_most_once_step_begin_only_to_cut_it_off(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        import asyncio
        from pathlib import Path

        @durable_step(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())
        def charge() -> str:
            return "charged"

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> str:
            print("thinking", flush=True)
            while not Path("go").exists():
                await asyncio.sleep(0.01)
            return await ctx.step(charge)
    """)
    with running(place, "run", file, "--name", "f") as run:
        run.until("thinking")
        run.interrupt()
        run.until("stopping after the step that runs now")
        (place / "go").touch()
        assert run.end() == 3
    assert durable("run", file, "--name", "f").result == "charged"


def test_an_at_most_once_step_that_ctrl_c_cuts_off_stays_cut_off(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        import asyncio
        from pathlib import Path

        async def until(path: str) -> None:
            while not Path(path).exists():
                await asyncio.sleep(0.01)

        async def other() -> str:
            print("in other", flush=True)
            await until("go")
            return "other"

        @durable_step(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())
        async def charge() -> str:
            with open("notes", "a") as file:
                file.write("charged\\n")
            print("in charge", flush=True)
            await until("never")
            return "charged"

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> str:
            charging = ctx.step(charge)
            await ctx.step(other)
            try:
                return await charging
            except StepInterruptedError:
                return "look it up"
    """)
    with running(place, "run", file, "--name", "f") as run:
        run.until("in charge")
        run.interrupt()
        run.until("stopping after the step that runs now")
        (place / "go").touch()
        assert run.end() == 3
    (place / "never").touch()
    assert durable("run", file, "--name", "f").result == "look it up"
    assert (place / "notes").read_text() == "charged\n"


def test_ctrl_c_leaves_an_execution_that_was_invoked_to_go_on_too(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        import asyncio
        from pathlib import Path

        async def one() -> int:
            print("in one", flush=True)
            while not Path("go").exists():
                await asyncio.sleep(0.01)
            return 1

        @durable_execution
        async def inner(event: object, ctx: DurableContext) -> int:
            return await ctx.step(one) + await ctx.step(one)

        @durable_execution
        async def outer(event: object, ctx: DurableContext) -> int:
            return await ctx.invoke("inner:$LATEST", {})
    """)
    with running(place, "run", f"{file}:outer", "--name", "o") as run:
        run.until("in one")
        run.interrupt()
        run.until("stopping after the step that runs now")
        (place / "go").touch()
        assert run.end() == 3
    assert {each["activity"] for each in durable("list", "--json").document} == {"due"}
    output = durable("run", f"{file}:outer", "--name", "o")
    assert (output.code, output.result) == (0, 2)
    assert "the last invocation failed" not in output.out


def test_ctrl_c_twice_cuts_off_a_step_that_would_never_end(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(SHOP)
    (place / "charge").touch()
    with running(place, "run", file, "--input", "7", "--name", "o", "--json") as run:
        run.until("at charge")
        run.interrupt()
        run.until("stopping after the step that runs now")
        run.interrupt()
        assert run.end() == 3
        assert '"status": "RUNNING"' in run.text
        assert "Traceback" not in run.text
    (place / "charge").unlink()
    assert durable("run", file, "--name", "o").result == "shipped, paid 7"
    assert (place / "notes").read_text().split("\n").count("charged") == 1


def test_ctrl_c_before_anything_has_begun_is_no_error_of_ours(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with running(place, "run", file) as run:
        run.until("importing")
        run.interrupt()
        assert run.end() == 3
        assert "durable: interrupted; nothing that was recorded is lost" in run.text


def test_a_run_that_waits_notices_an_answer_from_another_process(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> object:
            return await ctx.wait_for_callback(lambda callback_id: None, name="approval")
    """)
    with running(place, "run", file, "--name", "f") as run:
        answer = run.until("answer with: ").split("answer with: durable ")[1].split()
        assert durable(*answer[:-1], '"yes"').code == 0
        run.until("CallbackSucceeded")
        assert run.end() == 0
        assert run.text.endswith('"yes"\n')


def test_a_run_that_waits_notices_that_it_was_stopped(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> None:
            await ctx.wait(Duration.from_hours(9), name="long")
    """)
    with running(place, "run", file, "--name", "f") as run:
        run.until("long (Wait) waits until")
        assert durable("stop", "f").code == 0
        assert run.end() == 1
        assert "STOPPED  f" in run.text


def test_two_runs_of_one_execution_do_the_work_once_and_tell_the_same(
    write: Write, place: Path
) -> None:
    file = write(SHOP)
    (place / "ship").touch()
    with running(place, "run", file, "--input", "7", "--name", "o") as first:
        first.until("at ship")
        with running(place, "run", file, "--name", "o") as second:
            second.until("order  o")
            (place / "ship").unlink()
            first.kill()
            assert second.end() == 0
            assert second.text.endswith('"shipped, paid 7"\n')
    notes = (place / "notes").read_text().split("\n")
    assert (notes.count("charged"), notes.count("shipped")) == (1, 1)


@pytest.mark.parametrize(
    "words", [["history", "o"], ["run", "app.py", "--input", "7", "--name", "p"]]
)
def test_a_reader_who_has_seen_enough_is_no_error(
    write: Write, place: Path, durable: Durable, words: list[str]
) -> None:
    durable("run", write(SHOP), "--input", "7", "--name", "o")
    with subprocess.Popen(
        [sys.executable, "-m", "durable_execution_sdk.cli.main", *words],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert durable("show", words[-1]).result == "shipped, paid 7"


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_closed_output_is_no_error(
    write: Write, place: Path, durable: Durable, closed: str
) -> None:
    line = f"{sys.executable} -m durable_execution_sdk.cli.main run {write(SHOP)} --input 7 --name o {closed}"
    ran = subprocess.run(line, shell=True, cwd=place, capture_output=True, text=True, check=False)
    assert (ran.returncode, "error" in ran.stderr) == (0, False)
    assert durable("show", "o").result == "shipped, paid 7"
