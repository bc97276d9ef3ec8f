"""Every row of the tables on asyncio and determinism is true: a program runs for each."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from tests.docs import asyncio_rows, unrecorded_rows
from tests.docs.tables import Row, rows_of
from tests.replay.prove import prove
from tests.rig import run_workflow
from tests.sampling import thinned, whole_or_sample

from durable_execution_sdk import DurableContext, Duration, NoRetry, StepConfig
from durable_execution_sdk.lint import check_source
from durable_execution_sdk.runtime.tasks import spinning

CONCURRENCY = rows_of("concurrency.md", "## asyncio and anyio, row by row")
DETERMINISM = rows_of("determinism.md", "## Row by row")


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limits for spinning code, as each row runs very often."""
    monkeypatch.setattr(spinning, "_LONG_MOVES", 2_000)


def rows(table: list[Row], verdict: str) -> list[Any]:
    return [pytest.param(row, id=row.code) for row in table if row.verdict == verdict]


def test_each_row_has_a_program_and_each_program_a_row() -> None:
    programs = {
        "replays exactly": asyncio_rows.EXACT,
        "use a list": unrecorded_rows.UNORDERED,
        "refused": asyncio_rows.REFUSED,
        "put it into a step": unrecorded_rows.STEPS,
    }
    assert {row.verdict for row in CONCURRENCY} == programs.keys()
    for verdict, of_verdict in programs.items():
        assert [row.code for row in CONCURRENCY if row.verdict == verdict] == [*of_verdict]
    of_determinism = [
        *unrecorded_rows.RECORDED,
        *unrecorded_rows.UNRECORDED,
        *unrecorded_rows.LOST,
    ]
    assert [row.code for row in DETERMINISM] == of_determinism


@whole_or_sample
@pytest.mark.parametrize("row", thinned(rows(CONCURRENCY, "replays exactly")))
def test_it_replays_exactly(row: Row, *, whole: bool) -> None:
    # A crash may change the winner of a race, but then the winner is the same on each replay.
    prove(asyncio_rows.EXACT[row.code], seeds=2, same_log=False, same_result=False, whole=whole)


@pytest.mark.parametrize("row", rows(CONCURRENCY, "refused"))
def test_it_is_refused_with_this_message(row: Row) -> None:
    ran = run_workflow(asyncio_rows.REFUSED[row.code])
    assert ran.status == "FAILED"
    assert row.note.strip("`") in f"{ran.error.error_type}: {ran.error.error_message}"


# Rows that lint cannot find; only a run shows them.
UNREAD = {
    "a step that cancels or awaits the workflow's tasks",
    "a step that awaits an operation",
    "an async generator that is left unfinished, with operations in `finally`",
    "a future, a lock or an event that nothing sets",
}


@pytest.mark.parametrize("row", rows(CONCURRENCY, "refused"))
def test_lint_finds_what_is_refused_as_far_as_reading_can_tell(row: Row) -> None:
    program = inspect.getsource(asyncio_rows.REFUSED[row.code])
    head = "import asyncio\nfrom durable_execution_sdk import DurableContext\n"
    assert bool(check_source(head + program)) is (row.code not in UNREAD)


@pytest.mark.parametrize("row", rows(CONCURRENCY, "replays exactly"))
def test_lint_passes_over_what_replays_exactly(row: Row) -> None:
    program = asyncio_rows.EXACT[row.code].__closure__
    assert program is not None
    source = inspect.getsource(program[0].cell_contents)
    findings = check_source(
        "import asyncio\nfrom durable_execution_sdk import DurableContext\n" + source
    )
    codes = {each.rule.code for each in findings}
    assert codes == ADVISED.get(row.code, set()), [str(each) for each in findings]


# Rows that replay exactly, but that lint finds because there is a better way.
ADVISED = {
    "`asyncio.wait([...])` of gathers and shields": {"DUR014"},
    "`loop.create_future()`": {"DUR014"},
    "`asyncio.current_task()`, `asyncio.all_tasks()`": {"DUR012"},
    "`while not handle.done(): await asyncio.sleep(0)`": {"DUR013"},
}


@pytest.mark.parametrize("row", rows(CONCURRENCY, "put it into a step"))
def test_it_runs_again_on_replay_and_once_in_a_step(row: Row) -> None:
    act, source = unrecorded_rows.STEPS[row.code]
    runs: list[int] = []

    async def outside(event: Any, ctx: DurableContext) -> int:
        await act(runs)
        await ctx.wait(Duration.from_seconds(5))
        return len(runs)

    async def inside(event: Any, ctx: DurableContext) -> int:
        await ctx.step(act, runs, config=StepConfig(retry_strategy=NoRetry()))
        await ctx.wait(Duration.from_seconds(5))
        return len(runs)

    for workflow, expected in ((inside, 1), (outside, 2)):
        runs.clear()
        ran = run_workflow(workflow)
        assert ran.result == expected, ran.error
    assert_found(source)


@pytest.mark.parametrize("row", rows(DETERMINISM, "replays exactly"))
def test_it_gives_the_same_on_replay(row: Row) -> None:
    assert len(set(observed(unrecorded_rows.RECORDED[row.code]))) == 1


@pytest.mark.parametrize("row", rows(DETERMINISM, "put it into a step"))
def test_it_gives_something_else_on_replay_and_the_same_from_a_step(row: Row) -> None:
    look, source = unrecorded_rows.UNRECORDED[row.code]

    async def in_a_step(ctx: DurableContext) -> Any:
        async def body() -> Any:
            return await look(ctx)

        return await ctx.step(body)

    assert len(set(observed(look))) > 1
    assert len(set(observed(in_a_step))) == 1
    assert_found(source)


@pytest.mark.parametrize("row", rows(DETERMINISM, "return the value"))
def test_the_change_is_missing_on_replay_and_lint_finds_it(row: Row) -> None:
    look = unrecorded_rows.LOST[row.code]
    first, *replays = observed(look)
    assert all(each != first for each in replays)
    head = "from durable_execution_sdk import DurableContext\n"
    found = check_source(head + inspect.getsource(look))
    assert [each.rule.code for each in found] == ["DUR021", "DUR021"]


@pytest.mark.parametrize("row", rows(CONCURRENCY, "use a list"))
def test_it_gives_results_to_others_on_replay(row: Row) -> None:
    look, source = unrecorded_rows.UNORDERED[row.code]
    first, *replays = observed(look)
    assert any(sorted(eval(each)) != sorted(eval(first)) for each in replays)
    assert_found(source)


def observed(look: Any) -> list[str]:
    """Return the texts that workflow code observes in each of three invocations."""
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> int:
        unrecorded_rows.WORLD.move_on(len(seen))
        seen.append(repr(await look(ctx)))
        await ctx.wait(Duration.from_seconds(5))
        await ctx.wait(Duration.from_seconds(5))
        return 1

    with unrecorded_rows.WORLD:
        ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert len(seen) == 3
    return seen


def assert_found(source: str) -> None:
    """Assert that lint finds the code in a workflow, and not in a step."""
    head = "from durable_execution_sdk import DurableContext\n" + unrecorded_rows.IMPORTS
    outside = f"async def workflow(event, ctx: DurableContext):\n    {source}\n"
    assert check_source(head + outside), source
    body = f"    async def body():\n        {source}\n    await ctx.step(body)\n"
    inside = f"async def workflow(event, ctx: DurableContext):\n{body}"
    assert not check_source(head + inside), source
