"""`durable list`, `show`, `history`, `stop`, and the help texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write

FLOW = """
    class BrokenError(Exception):
        pass

    def breaks() -> None:
        raise BrokenError("it " + "broke " * 50)

    def one() -> int:
        return 1

    async def inner(ctx: DurableContext) -> int:
        return await ctx.step(one)

    @durable_execution
    async def flow(event: object, ctx: DurableContext) -> int:
        await ctx.run_in_child_context(inner, name="child")
        try:
            await ctx.step(breaks, config=StepConfig(retry_strategy=NoRetry()))
        except BrokenError:
            pass
        late = ctx.wait(Duration.from_days(1), name="late")
        late.cancel()
        await late
        return await ctx.invoke("sub:$LATEST", name="sub_flow")

    @durable_execution
    async def sub(event: object, ctx: DurableContext) -> int:
        await ctx.wait(Duration.from_hours(5), name="sub_wait")
        return 5
"""


@pytest.fixture
def flow(durable: Durable, write: Write) -> str:
    """Start an execution that invokes another one, which waits."""
    assert durable("run", f"{write(FLOW)}:flow", "--name", "flow", "--no-wait").code == 3
    return "flow"


def test_the_list_has_the_newest_first(durable: Durable, write: Write) -> None:
    write(FLOW)
    durable("run", "app.py:sub", "--name", "old", "--skip-time")
    durable("run", "app.py:sub", "--name", "new", "--no-wait")
    lines = durable("list").out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["name", "function", "status"],
        ["new", "sub", "RUNNING"],
        ["old", "sub", "SUCCEEDED"],
    ]
    assert lines[2].split()[5:] == ["5", "h", "1", "0"]
    assert [
        execution["durable_execution_name"] for execution in durable("list", "--json").document
    ] == ["new", "old"]
    assert [
        execution["durable_execution_name"]
        for execution in durable("list", "--json", "--limit", "1").document
    ] == ["new"]


def test_the_tree_shows_contexts_errors_and_what_an_invoked_execution_waits_for(
    durable: Durable, flow: str
) -> None:
    output = durable("show", flow)
    assert output.code == 0
    lines = output.out.splitlines()
    assert lines[0] == "flow flow RUNNING"
    assert lines[1:3] == ["├── ✔ child  RunInChildContext  → 1", "│   └── ✔ one  Step  → 1"]
    assert lines[3].startswith("├── ✘ breaks  Step  BrokenError: it broke broke")
    assert "..." in lines[3]
    assert lines[4] == "├── - late  Wait"
    assert lines[5] == "└── ◌ sub_flow  ChainedInvoke  waits for sub:$LATEST"
    assert lines[6] == "    └── sub RUNNING"
    assert lines[7].startswith("        └── ◌ sub_wait  Wait  waits until")
    assert lines[8] == "input: {}"
    assert lines[9].startswith("RUNNING  flow  invocations: 1  operations: 5  checkpoints:")
    assert lines[10].startswith("sub_flow / sub_wait (Wait) waits until")


def test_an_execution_is_shown_to_programs_with_its_input_and_operations(
    durable: Durable, flow: str
) -> None:
    shown = durable("show", flow, "--json").document
    assert shown["input_payload"] == {}
    assert shown["waiting"][0]["path"] == ["sub_flow", "sub_wait"]
    operations = {operation["name"]: operation for operation in shown["operations"]}
    assert list(operations) == ["child", "one", "breaks", "late", "sub_flow"]
    assert operations["one"]["parent_id"] == operations["child"]["id"]
    assert operations["breaks"]["error"]["error_type"] == "BrokenError"
    assert operations["late"]["status"] == "CANCELLED"


def test_what_is_unfinished_when_an_execution_ends_is_not_shown_as_running(
    durable: Durable, flow: str
) -> None:
    durable("stop", flow)
    assert "└── - sub_flow  ChainedInvoke" in durable("show", flow).out.splitlines()


def test_a_history_tells_every_event_in_order(durable: Durable, flow: str) -> None:
    lines = durable("history", flow).out.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert "ExecutionStarted         flow" in lines[0]
    assert any("ContextStarted           child" in line for line in lines)
    assert "InvocationCompleted" in lines[-1]


ITEMS = """
    def price() -> int:
        return 1

    async def item(ctx, each, index):
        await ctx.step(price)
        await ctx.wait(Duration(seconds=60), name="pause")

    async def both(ctx):
        await ctx.map([1, 2], item, name="items")

    @durable_execution
    async def maps(event, ctx):
        await ctx.step(price)
        await ctx.parallel({"left": both, "right": both})
"""


def test_operations_of_one_name_are_told_apart_by_their_contexts(
    durable: Durable, write: Write
) -> None:
    file = write(ITEMS)
    first = durable("run", file, "--name", "n", "--no-wait").out
    # The second run shows events of operations, whose contexts the first run has started.
    second = durable("run", file, "--name", "n", "--skip-time").out
    told = durable("history", "n").out
    sides = [
        f"Parallel / {side} / items / map-item-{n}" for side in ("left", "right") for n in (0, 1)
    ]
    for path in sides:
        for out, event in (
            (first, f"StepSucceeded            {path} / price"),
            (second, f"WaitSucceeded            {path} / pause"),
        ):
            assert len(re.findall(rf"^.*  {event}$", out, re.MULTILINE)) == 1, out
            assert len(re.findall(rf"^.*  {event}(  result 1)?$", told, re.MULTILINE)) == 1, told
    assert re.search(r"  StepSucceeded            price  result 1$", told, re.MULTILINE)


def test_a_history_for_programs_is_what_the_api_answers(durable: Durable, flow: str) -> None:
    events = durable("history", flow, "--json").document["Events"]
    assert events[0]["EventType"] == "ExecutionStarted"
    assert events[0]["ExecutionStartedDetails"]["Input"]["Payload"] == "{}"
    assert [event["EventId"] for event in events] == list(range(1, len(events) + 1))


def test_a_long_history_is_told_to_its_end(durable: Durable, write: Write) -> None:
    file = write("""
        def one() -> int:
            return 1

        @durable_execution
        async def steps(event: object, ctx: DurableContext) -> int:
            return sum([await ctx.step(one) for _ in range(600)])
    """)
    assert durable("run", file, "--name", "long").result == 600
    assert len(durable("history", "long").out.splitlines()) == 2 * 600 + 3


def test_an_execution_that_has_ended_cannot_be_stopped_any_more(
    durable: Durable, write: Write
) -> None:
    durable("run", f"{write(FLOW)}:sub", "--name", "done", "--skip-time")
    output = durable("stop", "done")
    assert (output.code, output.out) == (0, "done has ended already: SUCCEEDED\n")


def test_looking_at_an_execution_changes_nothing(durable: Durable, flow: str) -> None:
    before = durable("history", flow).out
    for words in (["show", flow], ["list"], ["show", flow, "--json"]):
        durable(*words)
    assert durable("history", flow).out == before


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run"],
        ["list"],
        ["show"],
        ["history"],
        ["callback"],
        ["callback", "fail"],
        ["callback", "list"],
        ["completion"],
        ["stop"],
        ["delete"],
    ],
)
def test_every_command_has_help(durable: Durable, words: list[str]) -> None:
    output = durable(*words, "--help")
    assert output.code == 0
    assert output.out.startswith("Usage: durable")


def test_the_help_documents_the_exit_codes(durable: Durable) -> None:
    for words in ([], ["run"]):
        output = durable(*words, "--help").out
        assert "3  suspended, interrupted, or held because the code was edited" in output


def test_the_version_is_told(durable: Durable) -> None:
    assert durable("--version").out.startswith("durable, version ")


ASKING = """
    async def side(ctx):
        return await ctx.wait_for_callback(lambda cb: None, name="approval")

    @durable_execution
    async def asks(event, ctx):
        made = await ctx.create_callback(name="payment")
        both = [ctx.run_in_child_context(side, name=name) for name in ("left", "right")]
        return [await made, *[await each for each in both]]
"""


def test_callbacks_are_answered_by_names(durable: Durable, write: Write) -> None:
    file = write(ASKING)
    output = durable("run", file, "--name", "n", "--no-wait")
    for name in ("n/payment", "n/left/approval", "n/right/approval"):
        assert f"durable callback succeed {name} --data JSON" in output.out
    waiting = durable("show", "n", "--json").document["waiting"]
    ids = [each["callback_id"] for each in waiting]
    # Ids of callbacks are printed only by `durable callback id`.
    for shown in (output, durable("show", "n"), durable("history", "n")):
        assert not any(each in shown.out + shown.err for each in ids)
    assert durable("callback", "id", "n/payment").out.strip() in ids
    refused = durable("callback", "succeed", "n/approval")
    assert refused.code == 2
    assert "2 callbacks wait as 'n/approval'" in refused.err and "n/left/approval" in refused.err
    refused = durable("callback", "succeed", "n/aproval")
    assert (refused.code, "n/right/approval" in refused.err) == (2, True)
    assert durable("callback", "succeed", "n").code == 2
    assert durable("callback", "succeed", "other/approval").code == 2
    assert durable("callback", "heartbeat", "n/left/approval").code == 0
    (listed,) = durable("list", "--json").document
    assert (
        durable("callback", "heartbeat", f"{listed['durable_execution_arn']}/left/approval").code
        == 0
    )
    refused = durable("callback", "heartbeat", f"{listed['durable_execution_arn']}/aproval")
    assert (refused.code, "those of n that wait: n/payment" in refused.err) == (2, True)
    assert durable("callback", "succeed", "n/payment", "--data", "1").code == 0
    assert durable("callback", "succeed", "n/left/approval", "--data", "2").code == 0
    # The only callback that is left.
    assert durable("callback", "heartbeat", listed["durable_execution_arn"]).code == 0
    assert durable("callback", "succeed", "n", "--data", "3").code == 0
    assert durable("run", file, "--name", "n").result == [1, 2, 3]


def test_a_deleted_execution_is_gone_and_its_name_is_free(durable: Durable, write: Write) -> None:
    file = write("@durable_execution\nasync def wf(event, ctx): return event")
    for name in ("a", "b", "c"):
        durable("run", file, "--name", name, "--input", "1")
    output = durable("delete", "a", "c")
    assert (output.code, output.out) == (0, "deleted a\ndeleted c\n")
    assert [each["durable_execution_name"] for each in durable("list", "--json").document] == ["b"]
    assert "there is no execution 'a'" in durable("show", "a").err
    assert durable("run", file, "--name", "a", "--input", "2").result == 2


def test_an_execution_that_has_not_ended_is_deleted_only_by_force(
    durable: Durable, write: Write, flow: str
) -> None:
    durable("run", "app.py:sub", "--name", "done", "--skip-time")
    before = durable("list", "--json").out
    for names in (["done", flow], [flow, "done"], ["done", "nope"]):
        output = durable("delete", *names)
        assert (output.code, output.out) == (2, "")
        assert durable("list", "--json").out == before
    output = durable("delete", flow)
    assert output.err == (
        "durable: flow has not ended: it is RUNNING. Stop it first (`durable stop flow`), or delete"
        " it all the same with --force\n"
    )
    output = durable("delete", flow, "done", "--force")
    assert (output.code, output.out) == (
        0,
        "deleted flow and 1 that it invoked\ndeleted done\n",
    )
    assert durable("list", "--json").document == []


def test_an_execution_is_shown_after_the_one_that_it_invoked_was_deleted(
    durable: Durable, flow: str
) -> None:
    (invoked,) = [
        each["durable_execution_name"]
        for each in durable("list", "--json").document
        if each["function_name"] == "sub"
    ]
    # It has ended, and that is refused of the other, which waits for its end.
    assert durable("stop", invoked).code == 0
    assert durable("delete", invoked, flow).code == 2
    assert durable("delete", invoked).out == f"deleted {invoked}\n"
    shown = durable("show", flow)
    assert (shown.code, "sub_flow  ChainedInvoke" in shown.out) == (0, True)
    assert durable("run", "app.py:flow", "--name", flow).code == 1
    assert durable("delete", flow).out == f"deleted {flow}\n"


ENDING = """
    @durable_execution
    async def ends(event, ctx):
        paid, shipped, late, left = [
            await ctx.create_callback(name=name, config=CallbackConfig(timeout=timeout))
            for name, timeout in (
                ("paid", None), ("shipped", None), ("late", Duration(seconds=1)), ("left", None)
            )
        ]
        approved = ctx.wait_for_callback(lambda cb: None, name="approved")
        for each in (paid, shipped, late, approved):
            try:
                await each
            except CallbackError:
                pass
"""


def test_a_callback_that_takes_no_answer_is_told_by_its_end(durable: Durable, write: Write) -> None:
    file = write(ENDING)
    durable("run", file, "--name", "n", "--no-wait")
    (arn,) = [each["durable_execution_arn"] for each in durable("list", "--json").document]
    ids = {name: durable("callback", "id", f"n/{name}").out.strip() for name in ("paid", "left")}
    refused = durable("callback", "succeed", "n/nope")
    assert (
        "there is no callback 'n/nope'; n, which is RUNNING, has made these: n/paid, n/"
        in refused.err
    )
    durable("callback", "succeed", "n/paid", "--data", "1")
    durable("callback", "fail", "n/shipped", "--message", "lost", "--type", "Lost")
    durable("callback", "succeed", "n/approved", "--data", "1")
    assert durable("run", file, "--name", "n").code == 0

    ended = {
        "n/paid": "the callback 'n/paid' was answered at .*, with a result; it takes one answer",
        f"{arn}/paid": "the callback .* was answered at .*, with a result; it takes one answer",
        "n/shipped": r"was answered at .*, with a failure \(Lost: lost\); it takes one answer",
        "n/approved": "the callback 'n/approved' was answered at .*, with a result",
        "n/late": r"was never answered: it is TIMED_OUT at .* \(Callback.Timeout: .* 1 seconds",
        "n/left": "was never answered, and can no longer be: its execution is SUCCEEDED",
        "n/nope": "there is no callback 'n/nope'; n, which is SUCCEEDED, has made these: n/paid, ",
        "n": "no callback of 'n' waits for an answer",
        "nope": "no callback with the id 'nope', and no execution of that name",
        ids["paid"]: "Callback 'paid' .* 'n' is closed: it has SUCCEEDED, with an earlier answer",
        ids["left"]: "Callback 'left' .* 'n' is closed: its execution is SUCCEEDED",
    }
    for reference, message in ended.items():
        for words in (["succeed"], ["fail"], ["heartbeat"]):
            output = durable("callback", *words, reference)
            assert (output.code, output.out) == (2, "")
            assert re.search(message, output.err), (reference, output.err)

    missing = durable("callback", "succeed", ids["paid"], "--store", "other.db")
    assert "there is no store" in missing.err
    durable("run", file, "--name", "m", "--no-wait", "--store", "other.db")
    missing = durable("callback", "succeed", ids["paid"], "--store", "other.db")
    assert "which is not in other.db: it was deleted, or is in another store" in missing.err


def test_an_execution_is_found_by_its_arn(durable: Durable, write: Write) -> None:
    file = write("@durable_execution\nasync def wf(event, ctx): return 5")
    arn = durable("run", file, "--name", "n", "--json").document["durable_execution_arn"]
    for command in ("show", "history", "stop"):
        output = durable(command, arn)
        assert output.code == 0, output.err
    refused = durable("show", arn.replace("/n/", "/m/"))
    assert (refused.code, "there is no execution" in refused.err) == (2, True)


def test_an_unknown_function_says_how_to_name_it(durable: Durable, write: Write) -> None:
    file = write("""
        @durable_execution
        async def wf(event, ctx): return await ctx.invoke("ship:$LATEST", 1)
    """)
    output = durable("run", file)
    assert output.code == 1
    assert "ship is not here; name it in a new run: --function ship=FILE:ATTR" in output.err


DOCUMENTED = dict(
    re.findall(
        r"^\| (\w+) \| (`.*) \|$",
        (Path(__file__).parents[2] / "docs" / "command.md").read_text("utf-8"),
        re.MULTILINE,
    )
)


def documented(part: str) -> list[str]:
    """Return the members of a part of the documents, as the page lists them."""
    return re.findall(r"`(\w+)`", DOCUMENTED[part])


def test_the_page_lists_the_members_of_each_document(durable: Durable, flow: str) -> None:
    shown = durable("show", flow, "--json").document
    parts = ["input_payload", "processes", "held", "time", "forked_from"]
    parts += ["continues", "continued_as", "operations"]
    assert list(shown) == [*documented("outcome"), *parts]
    assert list(shown["time"]) == documented("time")
    assert list(shown["counts"]) == documented("counts")
    (listed, *_) = durable("list", "--json").document
    assert list(listed) == documented("execution")
    assert list(listed["waiting"][0]) == ["path", *documented("operation")]
    for operation in shown["operations"]:
        assert list(operation) == [*documented("operation"), "progress"]
        if operation["error"]:
            assert list(operation["error"]) == documented("error")
    assert any(operation["error"] for operation in shown["operations"])
    assert [list(waiting) for waiting in shown["waiting"]] == [
        ["path", *documented("operation")] for _ in shown["waiting"]
    ]
    assert shown["waiting"]
