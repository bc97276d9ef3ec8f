"""``durable show --cost``: the figures, the prices, and the options that go with it."""

from __future__ import annotations

import pytest
from tests.cli.command import Durable, Write

FLOW = """
    async def item(ctx, number, index):
        return await ctx.step(double, number)

    def double(number: int) -> int:
        return 2 * number

    @durable_execution
    async def flow(event, ctx):
        await ctx.map([1, 2, 3], item, name="items")
        await ctx.wait(Duration.from_seconds(1))
        return event
"""


@pytest.fixture
def flow(durable: Durable, write: Write) -> str:
    durable("run", write(FLOW), "--name", "flow", "--input", '"in"', "--skip-time")
    return "flow"


def test_the_cost_has_operations_bytes_invocations_calls_and_the_share_of_replay(
    durable: Durable, flow: str
) -> None:
    title, operations, written, kept, requests, time, calls, total, share, source = durable(
        "show", flow, "--cost"
    ).out.splitlines()
    assert title == "flow  SUCCEEDED"
    assert operations.split(None, 3) == [
        "operations",
        "9",
        "$0.00007200",
        "1 Execution, 1 Map, 3 MapIteration, 3 Step, 1 Wait",
    ]
    assert written.split()[:2] == ["bytes", "written"]
    assert kept.endswith(", and 14 days after that")
    assert requests.split()[:3] == ["invocations", "2", "$0.00000040"]
    assert "not priced" in time
    assert calls.split()[:2] == ["checkpoint", "calls"]
    assert total.startswith("in all")
    # The second invocation finds the map and the wait: what is in the map is left out.
    assert "20%  of 10 operations that code asked for, 2 were replayed" in share
    assert "September 2026" in source


def test_the_document_has_the_figures_the_amounts_and_the_prices(
    durable: Durable, flow: str
) -> None:
    document = durable("show", flow, "--cost", "--json").document
    assert document["durable_execution_name"] == "flow"
    assert document["operations"] == {
        "metered": 9,
        "by_type": {"Execution": 1, "Map": 1, "MapIteration": 3, "Step": 3, "Wait": 1},
        "retries": 0,
        "repeated_invocations": 0,
    }
    assert (document["invocations"], document["replay_share"]) == (2, 0.2)
    counts = durable("show", flow, "--json").document["counts"]
    assert document["checkpoints"] == counts["checkpoints"]
    assert document["dollars"]["time"] is None
    assert document["prices"]["operations_per_million"] == 8.0
    assert "September 2026" in document["prices"]["source"]


def test_other_prices_are_taken(durable: Durable, flow: str) -> None:
    words = ["--price", "operations=1000000", "--price", "gb-second=1000", "--memory", "1024"]
    document = durable("show", flow, "--cost", "--json", "--retention", "90", *words).document
    assert document["dollars"]["operations"] == 9.0
    assert document["dollars"]["time"] == pytest.approx(document["running_milliseconds"], rel=0.5)
    assert document["prices"]["retention_days"] == 90
    assert document["prices"]["source"] == "the command line"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--price", "operations=1"], "are for --cost"),
        (["--memory", "512"], "are for --cost"),
        (["--cost", "--price", "steps=1"], "--price takes one of operations, written"),
        (["--cost", "--price", "operations=many"], "--price takes one of"),
        (["--cost", "--price", "operations=-1"], "--price takes one of"),
        (["--cost", "--price", "gb-second=1"], "--memory"),
        (["--cost", "--full"], "leave out --full"),
        (["--cost", "--failed"], "leave out --full"),
        (["--cost", "--follow"], "leave out --full"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    durable: Durable, flow: str, words: list[str], message: str
) -> None:
    output = durable("show", flow, *words)
    assert output.code != 0
    assert message in output.err
