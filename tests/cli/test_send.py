"""``durable send``: messages to the executions of a store."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import Durable, Write

DESK = """
    @durable_execution
    async def desk(event: object, ctx: DurableContext) -> list:
        inbox, seen = ctx.inbox("tickets", int, window=2), []
        async for ticket in inbox:
            seen.append(ticket)
            if ticket == 0:
                return seen
"""


def test_messages_are_taken_by_the_next_run(durable: Durable, write: Write, place: Path) -> None:
    file = write(DESK)
    begun = durable("run", file, "--name", "one", "--no-wait")
    assert begun.code == 3, begun.err
    assert "inbox:tickets:1 (Callback) waits for a message" in begun.out
    assert "answer with: durable send one tickets JSON" in begun.out
    assert "inbox:tickets:2 (Callback) waits" not in begun.out  # one line for the inbox
    sent = durable("send", "one", "tickets", "7", "--id", "seven")
    assert (sent.code, sent.out) == (0, "accepted: seven\n")
    assert "durable run FILE:desk --name one" in sent.err
    assert durable("send", "one", "tickets", "7", "--id", "seven").code == 0
    full = durable("send", "one", "tickets", "8", "--timeout", "0")
    assert full.code == 2
    assert "one did not accept the message: the inbox 'tickets' is full" in full.err
    assert durable("run", file, "--name", "one", "--no-wait").code == 3
    (place / "end.json").write_text("0")
    assert durable("send", "one", "tickets", "@end.json").code == 0
    assert durable("run", file, "--name", "one", "--no-wait").result == [7, 0]
    late = durable("send", "one", "tickets", "9")
    assert late.code == 2
    assert "the execution has ended: it is SUCCEEDED" in late.err


def test_what_is_no_message_is_refused(durable: Durable, write: Write) -> None:
    durable("run", write(DESK), "--name", "one", "--no-wait")
    for words, problem in [
        (("one", "tickets", "seven"), "the message is not JSON"),
        (("one", "ticket", "7", "--timeout", "0"), "those that it has opened: 'tickets'"),
        (("two", "tickets", "7"), "there is no execution 'two'"),
        (("one", "tickets", "7", "--id", ""), "1 to 256 characters"),
    ]:
        refused = durable("send", *words)
        assert refused.code == 2, words
        assert problem in refused.err, refused.err


def test_the_callbacks_of_an_inbox_are_no_questions(durable: Durable, write: Write) -> None:
    durable("run", write(DESK), "--name", "one", "--no-wait")
    assert durable("callback", "list", "--json").document == []
    refused = durable("callback", "succeed", "one", "--data", "1")
    assert refused.code == 2
    assert "no callback" in refused.err
    listed = durable("list").out
    assert "inbox:tickets:1 waits for a message" in listed, listed
    shown = durable("show", "one").out
    assert "waits for a message" in shown


def test_an_inbox_does_not_hold_up_time_that_is_skipped(durable: Durable, write: Write) -> None:
    file = write("""
        @durable_execution
        async def bills(event: object, ctx: DurableContext) -> int:
            inbox, months = ctx.inbox("commands"), 0
            while months < 12:
                try:
                    await inbox.get(timeout=Duration.from_days(30))
                except TimeoutError:
                    months += 1
            return months
    """)
    assert durable("run", file, "--name", "one", "--skip-time").result == 12


CHAIN = """
    from durable_execution_sdk import Duration

    @durable_execution
    async def chain(event: int, ctx: DurableContext) -> list:
        inbox, seen = ctx.inbox("tickets", int), []
        try:
            seen.append(await inbox.get(timeout=Duration.from_days(30)))
        except TimeoutError:
            pass
        if event == 1:
            await ctx.continue_as_new(2)
        await (await ctx.create_callback(name="approval"))
        seen.append(await inbox.get())
        return seen
"""


def test_skipped_time_passes_over_an_inbox_and_a_message_to_a_predecessor_names_the_next(
    durable: Durable, write: Write
) -> None:
    file = write(CHAIN)
    run = ("run", file, "--name", "one", "--skip-time", "--no-wait")
    begun = durable(*run, "--input", "1")
    assert begun.code == 3, begun.err
    assert "approval (Callback) waits for an answer" in begun.out
    late = durable("send", "one", "tickets", "7")
    assert late.code == 2
    [following] = [
        each["durable_execution_name"]
        for each in durable("list", "--json").document
        if each["durable_execution_name"] != "one"
    ]
    assert f"it went on as {following}, send there" in late.err
    assert durable("callback", "succeed", f"{following}/approval").code == 0
    # Now there is nothing but a message to wait for, and no time to skip.
    assert durable(*run).code == 3
    assert durable("send", following, "tickets", "7").code == 0
    assert durable(*run).result == [7]
