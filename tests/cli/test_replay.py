"""The output and exit codes of `durable replay`, which runs no step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write

from durable_execution_sdk.cli.remote import rehearsal_process

FLOW = """
    from pathlib import Path

    def charge(order: str) -> str:
        with open("charges", "a") as file:
            file.write(order)
        return "charge-" + order

    @durable_execution
    async def order(event: dict[str, str], ctx: DurableContext) -> str:
        print("running")
        done = await ctx.step(charge, event["id"]{name})
        await ctx.wait(Duration.from_hours(1), name="pause")
        return f"{done} {ctx.uuid4()}"
"""


@pytest.fixture
def history(durable: Durable, write: Write, place: Path) -> str:
    """Run an execution and save its history with the command."""
    write(FLOW.replace("{name}", ""))
    output = durable("run", "app.py", "--input", '{"id": "7"}', "--name", "one", "--skip-time")
    assert output.code == 0
    (place / "history.json").write_text(durable("history", "one", "--json").out)
    return "history.json"


def charges(place: Path) -> str:
    return (place / "charges").read_text()


def test_code_that_does_what_the_history_holds_is_fine_and_nothing_runs(
    durable: Durable, history: str, place: Path
) -> None:
    output = durable("replay", "app.py:order", history)
    assert output.code == 0
    line = "history.json: order replays its history: 2 operations, from 2 states of the log\n"
    assert (output.out, output.err) == (line, "running\n" * 2)
    assert charges(place) == "7"
    document = durable("replay", "app.py", history, "--json").document
    assert document == [
        {
            "history": "history.json",
            "function": "order",
            "recorded_as": "order",
            "ok": True,
            "operations": 2,
            "moments": 2,
            "skipped": 0,
            "notes": [],
            "patches": [],
            "patches_gone": [],
        }
    ]


def test_a_divergence_is_shown_with_its_line_and_the_exit_code_is_1(
    durable: Durable, history: str, write: Write, place: Path
) -> None:
    write(FLOW.replace("{name}", ', name="pay"'), "other.py")
    output = durable("replay", "other.py", history)
    assert output.code == 1
    assert "replay found another operation in invocation 1" in output.out
    assert "history:  step 'charge'" in output.out
    assert "code:     step 'pay' (another name)" in output.out
    for way in ("ctx.patched", "their function version", "durable fork", "docs/changing-code.md"):
        assert way in output.out
    assert "other.py:13, in order" in output.out
    document = durable("replay", "other.py", history, "--json").document[0]["divergence"]
    assert (document["kind"], document["line"]) == ("another operation", 13)
    assert charges(place) == "7"


def test_the_history_of_another_function_is_said_to_be_one(
    durable: Durable, history: str, write: Write
) -> None:
    write(FLOW.replace("async def order", "async def refund").replace("{name}", ', name="pay"'))
    output = durable("replay", "app.py", history)
    assert output.code == 1
    assert "The history is one of the function 'order'." in output.out
    write(FLOW.replace("{name}", ', name="pay"'), "same.py")
    assert "The history is one of" not in durable("replay", "same.py", history).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["app.py", "none.json"], "cannot read the history none.json: No such file"),
        (["app.py", "."], "cannot read the history .: Is a directory"),
        (["app.py", "app.py"], "app.py is not JSON"),
        (["app.py", "list.json"], "list.json is not the history of an execution"),
        (["app.py:other", "history.json"], "app.py has no workflow other. Its workflows: order"),
        (["app.py:charge", "history.json"], "charge in app.py is no workflow"),
        (["none.py", "history.json"], "there is no file none.py"),
        (["broken.py", "history.json"], "broken.py cannot be imported"),
        (
            ["app.py", "history.json", "--arn", "x"],
            "the execution's ARN: not a durable execution ARN",
        ),
        (["app.py"], "Missing argument 'HISTORY...'"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_exit_code_2(
    durable: Durable, history: str, write: Write, place: Path, words: list[str], message: str
) -> None:
    (place / "list.json").write_text(json.dumps([{"Executions": []}]))
    write("1 / 0", "broken.py")
    output = durable("replay", *words)
    assert output.code == 2
    assert message in output.err
    assert "Traceback" not in output.err.split("cannot be imported")[0]


def test_a_history_without_the_details_of_an_event_cannot_be_replayed(
    durable: Durable, history: str, place: Path
) -> None:
    document = json.loads((place / history).read_text())
    counts: list[int] = []
    for event in document["Events"]:
        lacking = {key: value for key, value in event.items() if not key.endswith("Details")}
        if lacking == event or event["EventType"] not in {"ExecutionStarted", "StepSucceeded"}:
            continue
        events = [lacking if each is event else each for each in document["Events"]]
        (place / "lacking.json").write_text(json.dumps({**document, "Events": events}))
        output = durable("replay", "app.py", "lacking.json")
        assert (output.code, output.out) == (2, "")
        assert f"lacks the details of event {event['EventId']}, {event['EventType']}" in output.err
        counts.append(event["EventId"])
    assert len(counts) >= 2


@pytest.mark.parametrize("json_option", [[], ["--json"]])
@pytest.mark.parametrize("end", ["os._exit(0)", "os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_code_that_ends_its_process_is_told(
    end: str, json_option: list[str], durable: Durable, history: str, write: Write, place: Path
) -> None:
    write(f"import os\n@durable_execution\nasync def order(event, ctx):\n    {end}\n", "ends.py")
    (place / "none.json").write_text("{}")
    output = durable("replay", "ends.py", history, "none.json", *json_option)
    assert output.code == 2
    told = output.out if json_option else output.err
    assert "the process that replayed it with ends.py ended (" in told
    assert "none.json is not the history of an execution" in told
    if json_option:
        assert [each["history"] for each in output.document] == [history, "none.json"]


def test_code_that_ends_its_process_at_import_is_told(
    durable: Durable, history: str, write: Write
) -> None:
    write("import os\nos._exit(0)\n", "ends.py")
    output = durable("replay", "ends.py", history)
    assert (output.code, output.out) == (2, "")
    assert "with ends.py ended (exit code 0)" in output.err


def test_code_that_never_comes_to_rest_is_told_and_given_up(
    durable: Durable, history: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal_process, "SECONDS", 0.5)
    write(
        "import threading\n@durable_execution\nasync def order(event, ctx):\n    threading.Event().wait()\n",
        "hangs.py",
    )
    output = durable("replay", "hangs.py", history, history, history)
    assert (output.code, output.out) == (2, "")
    assert output.err.count("did not come to rest in 0 seconds") == 2
    assert (
        output.err.count("not tried: the code in hangs.py did not come to rest with 2 others") == 1
    )


def test_the_help_tells_the_exit_codes(durable: Durable) -> None:
    output = durable("replay", "--help")
    assert "1  the code diverges from a recorded history" in output.out
