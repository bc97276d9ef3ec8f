"""The status that code sets, in the views of the command."""

from __future__ import annotations

import pytest
from tests.cli.command import Durable, Write

FLOWS = """
    @durable_execution
    async def phases(event, ctx):
        ctx.set_status("replaced")
        await ctx.step(lambda: 1, name="read")
        ctx.set_status(event)
        await ctx.wait(Duration.from_hours(5), name="nap")
        ctx.set_status(["over"])
        return 1

    @durable_execution
    async def silent(event, ctx):
        await ctx.wait(Duration.from_hours(5), name="nap")
"""


@pytest.fixture
def file(write: Write) -> str:
    return write(FLOWS)


def nap(durable: Durable, file: str, status: str, function: str = "phases") -> None:
    durable("run", f"{file}:{function}", "--input", status, "--name", function, "--no-wait")


@pytest.mark.parametrize(
    ("status", "line", "cell"),
    [
        ('"reads the file"', "reads the file", "reads the file"),
        ('{"phase": 2}', '{"phase":2}', '{"phase":2}'),
        (
            '{"done": 1200, "total": 5000, "label": "rows"}',
            "rows: 1,200 of 5,000 (24 %) ██░░░░░░░░",
            "rows: 1,200 of 5,000 (24 %)",
        ),
        ('{"done": 3, "total": null}', "3 done", "3 done"),
        ('{"done": 3, "total": 0}', "3 of 0 (100 %) ██████████", "3 of 0 (100 %)"),
        ('{"done": 12, "total": 10}', "12 of 10 (100 %) ██████████", "12 of 10 (100 %)"),
        ('{"done": 3}', '{"done":3}', '{"done":3}'),
        ('{"done": "3", "total": 4}', '{"done":"3","total":4}', '{"done":"3","total":4}'),
        ('{"done": 3, "total": 4, "more": 5}', '"more":5', '"more":5'),
        ('"\\u001b[31mred"', "[31mred", "[31mred"),
    ],
)
def test_the_last_status_is_shown(
    durable: Durable, file: str, status: str, line: str, cell: str
) -> None:
    nap(durable, file, status)
    shown = durable("show", "phases")
    (told,) = [each for each in shown.out.splitlines() if "status: " in each]
    assert line in told
    assert "\x1b[31m" not in shown.out
    listed = durable("list", "--full").out.splitlines()
    assert "set status" in listed[0]
    assert cell in listed[1]


def test_it_is_no_operation_in_any_view(durable: Durable, file: str) -> None:
    nap(durable, file, '"x"')
    document = durable("show", "phases", "--json").document
    assert [each["name"] for each in document["operations"]] == ["read", "nap"]
    assert document["custom_status"] == "x"
    assert document["custom_status_timestamp"] is not None
    assert document["counts"]["operations"] == 4
    (row,) = durable("list", "--json").document
    assert (row["custom_status"], row["operations"]) == ("x", 4)
    events = durable("history", "phases").out.splitlines()
    assert [line.split()[-1] for line in events if "StatusSet" in line] == ['"replaced"', '"x"']
    assert not [line for line in events if "status" in line]
    full = durable("history", "phases", "--full").out
    assert 'result: "x"' in full


def test_one_that_has_ended_keeps_its_last_status(durable: Durable, file: str) -> None:
    output = durable("run", f"{file}:phases", "--input", '"x"', "--name", "phases", "--skip-time")
    assert output.code == 0, output.err
    assert 'status: ["over"]' in durable("show", "phases").out
    assert durable("show", "phases", "--json").document["custom_status"] == ["over"]
    listed = durable("list", "--full").out.splitlines()
    assert '["over"]' in listed[1]
    (row,) = durable("list", "--json").document
    assert row["custom_status"] == ["over"]


def test_without_a_status_nothing_is_shown(durable: Durable, file: str) -> None:
    nap(durable, file, "1", "silent")
    assert "status:" not in durable("show", "silent").out
    assert "set status" not in durable("list", "--full").out
    assert durable("show", "silent", "--json").document["custom_status"] is None
