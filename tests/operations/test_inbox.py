"""Inboxes: order, window, duplicates, types, timeouts, cancellation, closing, replay after changes, and misuse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.inboxes import room, run_now, send
from tests.rig import Rig, rig_of

from durable_execution_sdk import (
    CheckpointingMode,
    ConfigError,
    ContextMisuseError,
    DurableContext,
    Duration,
    InboxClosedError,
    InboxError,
    InboxMessageError,
    InboxTimeoutError,
    durable_execution,
)
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.inboxes import message_payload, place_of, row_text
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.runtime.log.ids import root_operation_id

SECOND = Duration.from_seconds(1)
Workflow = Callable[[Any, DurableContext], Awaitable[Any]]


@dataclass
class Order:
    id: int


async def takes_three(event: Any, ctx: DurableContext) -> list[int]:
    inbox = ctx.inbox("orders", Order)
    return [(await inbox.get()).id for _ in range(3)]


def started(workflow: Workflow, **rig: Any) -> tuple[Rig, str]:
    made = rig_of(workflow, **rig)
    arn = made.start()
    run_now(made, arn)
    return made, arn


def numbers(ran: Any, event_type: str = "CallbackStarted") -> list[int]:
    places = [
        place_of(event.id, event.name) for event in ran.events if event.event_type == event_type
    ]
    return [place.number for place in places if place is not None and place.number is not None]


@pytest.mark.parametrize("mode", list(CheckpointingMode))
@pytest.mark.parametrize("limits", [Limits(), Limits(page_items=1, first_page_items=1)])
def test_messages_come_in_the_order_in_which_they_were_accepted(
    mode: CheckpointingMode, limits: Limits
) -> None:
    rig, arn = started(takes_three, options={"checkpointing": mode}, limits=limits)
    assert [send(rig, arn, "orders", {"id": n}) for n in (7, 8)] == [1, 2]
    run_now(rig, arn)
    assert send(rig, arn, "orders", {"id": 9}) == 3
    assert run_now(rig, arn).result == [7, 8, 9]


def test_a_window_is_open_from_the_start_and_again_as_messages_are_taken() -> None:
    rig, arn = started(takes_three)
    assert sorted(room(rig, arn, "orders")) == [1, 2, 3, 4]
    for n in range(4):
        send(rig, arn, "orders", {"id": n})
    assert room(rig, arn, "orders") == {}
    ran = run_now(rig, arn)
    assert ran.result == [0, 1, 2]
    assert numbers(ran) == [1, 2, 3, 4, 5, 6, 7]
    # Opening costs no call of its own: all START with the first call, and the others with what follows.
    assert ran.invocations == 2


def test_a_burst_of_the_window_is_kept_while_no_invocation_runs() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox = ctx.inbox("words", str, window=10)
        await ctx.wait(Duration.from_days(30))
        return [await inbox.get() for _ in range(10)]

    rig, arn = started(workflow)
    for n in range(10):
        send(rig, arn, "words", f"word {n}")
    assert rig.drive(arn).result == [f"word {n}" for n in range(10)]


def test_a_message_that_is_sent_again_is_taken_once() -> None:
    rig, arn = started(takes_three)
    send(rig, arn, "orders", {"id": 1}, "one")
    send(rig, arn, "orders", {"id": 1}, "one")
    run_now(rig, arn)
    assert sorted(room(rig, arn, "orders")) == [3, 4, 5, 6]  # the dropped one makes room too
    send(rig, arn, "orders", {"id": 2}, "two")
    send(rig, arn, "orders", {"id": 1}, "one")
    send(rig, arn, "orders", {"id": 3}, "three")
    assert run_now(rig, arn).result == [1, 2, 3]


def test_messages_that_come_while_a_step_runs_are_kept_in_order() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox = ctx.inbox("words", str)
        await ctx.wait(SECOND)

        async def work() -> None:
            send(rig, arn, "words", "a")
            send(rig, arn, "words", "b")

        await ctx.step(work)
        await ctx.step(lambda: None, name="more")
        return [await inbox.get(), await inbox.get()]

    rig = rig_of(workflow)
    arn = rig.start()
    ran = rig.drive(arn)
    assert ran.result == ["a", "b"]
    assert ran.invocations == 2  # none was waited for: the answer to a checkpoint had them


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b'{"id": "x", "value": {"id": "one"}}', "Expected `int`, got `str` - at `$.id`"),
        (b'{"id": "x", "value": 5}', "Expected `object`, got `int`"),
        (b"5", 'expected a message, {"id": ..., "value": ...}'),
        (b"approved", "found something else"),
        (b'{"value": {"id": 1}}', "missing required field `id`"),
        (b'{"id": "x"}', "missing required field `value`"),
        (None, "found an answer without a result"),
        (ErrorObject(error_type="Gone", error_message="away"), "is FAILED (Gone: away)"),
    ],
)
def test_a_message_that_does_not_fit_is_caught_and_the_next_one_follows(
    payload: Any, found: str
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox, seen = ctx.inbox("orders", Order), list[Any]()
        while len(seen) < 2:
            try:
                seen.append((await inbox.get()).id)
            except InboxMessageError as error:
                seen.append([str(error), error.inbox, error.number, error.operation_name])
        await ctx.wait(SECOND)
        return seen

    rig, arn = started(workflow)
    callback = room(rig, arn, "orders")[1]
    if isinstance(payload, ErrorObject):
        rig.emulator.callback_failure(callback, payload)
    else:
        rig.emulator.callback_success(callback, payload)
    send(rig, arn, "orders", {"id": 2})
    [[text, *facts], second] = rig.drive(arn).result
    assert found in text
    assert "message 1 of the inbox 'orders'" in text
    assert facts == ["orders", 1, "inbox:orders:1"]
    assert second == 2


def test_a_message_that_does_not_fit_and_is_not_caught_fails_the_execution() -> None:
    rig, arn = started(takes_three)
    send(rig, arn, "orders", "no order")
    ran = run_now(rig, arn)
    assert ran.status == "FAILED"
    assert ran.error.error_type == "InboxMessageError"


def test_an_inbox_without_a_type_takes_any_json() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox = ctx.inbox("anything")
        return [await inbox.get() for _ in range(3)]

    rig, arn = started(workflow)
    for value in ({"a": [1]}, None, "text"):
        send(rig, arn, "anything", value)
    assert run_now(rig, arn).result == [{"a": [1]}, None, "text"]


def test_a_timeout_is_durable_and_loses_no_message() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox, seen = ctx.inbox("words", str), list[Any]()
        try:
            await inbox.get(timeout=Duration.from_hours(1))
        except InboxTimeoutError as error:
            assert isinstance(error, TimeoutError)
            assert isinstance(error, InboxError)
            seen.append(str(error))
        for _ in range(2):
            seen.append(await inbox.get(timeout=Duration.from_hours(1)))
        return seen

    rig, arn = started(workflow)
    rig.drive(arn, until=rig.clock.now() + 3_601_000)
    assert send(rig, arn, "words", "a") == 1
    assert send(rig, arn, "words", "b") == 2
    ran = run_now(rig, arn)
    hour, *words = ran.result
    assert "no message came to the inbox 'words' within 1h" in hour
    assert words == ["a", "b"]
    # The first timer has fired, the second was cancelled, and the third was never needed.
    assert ran.types().count("WaitStarted") == 2
    assert ran.types().count("WaitCancelled") == 1


def test_the_timer_of_a_timeout_says_that_it_is_of_an_inbox() -> None:
    async def old(event: Any, ctx: DurableContext) -> str:
        word = await ctx.inbox("words", str).get(timeout=Duration.from_hours(1))
        return await ctx.step(str.upper, word, name="upper")

    async def new(event: Any, ctx: DurableContext) -> str:
        inbox = ctx.inbox("words", str)
        word = await inbox.get(timeout=Duration.from_hours(1))
        await inbox.get(timeout=Duration.from_hours(1))
        return await ctx.step(str.upper, word, name="upper")

    rig, arn = started(old)
    rig.drive(arn, until=rig.clock.now() + 10_000)
    send(rig, arn, "words", "a")
    ran = run_now(rig, arn)
    assert ran.result == "A"
    assert {event.name for event in ran.events if event.event_type.startswith("Wait")} == {
        "inbox.get timeout"
    }
    assert replay_history(durable_execution(old), ran.events, execution_arn=ran.arn)
    divergence = replay_history(
        durable_execution(new), ran.events, execution_arn=ran.arn
    ).divergence
    assert divergence is not None
    assert "the timeout of 1h of the inbox 'words'" in divergence.actual


def test_a_timer_that_was_not_needed_records_nothing() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        inbox = ctx.inbox("words", str)
        await ctx.wait(SECOND)
        return await inbox.get(timeout=Duration.from_hours(1))

    rig, arn = started(workflow)
    send(rig, arn, "words", "a")
    ran = rig.drive(arn)
    assert ran.result == "a"
    assert ran.types().count("WaitStarted") == 1


@pytest.mark.parametrize("timeout", [-1, 5, "5s", Duration(0), Duration(99_999_999)])
def test_a_wrong_timeout_is_refused_in_the_call(timeout: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        inbox = ctx.inbox("words")
        with pytest.raises(ConfigError, match=r"inbox\.get"):
            await inbox.get(timeout=timeout)
        return "refused"

    assert started(workflow)[0].run().result == "refused"


def test_a_task_that_is_cancelled_while_it_waits_takes_no_message() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox = ctx.inbox("words", str)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(inbox.get(), 5)
        waiting = asyncio.create_task(inbox.get())
        await asyncio.sleep(0)
        waiting.cancel()
        return [await inbox.get(), await inbox.get()]

    rig, arn = started(workflow)
    rig.drive(arn, until=rig.clock.now() + 10_000)
    send(rig, arn, "words", "a")
    send(rig, arn, "words", "b")
    assert run_now(rig, arn).result == ["a", "b"]


def test_a_task_that_is_cancelled_after_it_was_woken_leaves_the_message_to_the_next() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox, took = ctx.inbox("words", str), list[Any]()
        tasks: list[asyncio.Task[None]] = []

        async def take(name: str) -> None:
            took.append([name, await inbox.get()])
            tasks[1].cancel()

        tasks += [asyncio.create_task(take(name)) for name in ("first", "second", "third")]
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        return [took, [type(each).__name__ for each in ended]]

    rig, arn = started(workflow)
    # Message 2 has to wait for message 1, which so wakes two tasks at once.
    callbacks = room(rig, arn, "words")
    for number in (2, 1):
        payload = message_payload(f"message {number}", f'"{number}"')
        rig.emulator.callback_success(callbacks[number], payload.encode())
    ran = run_now(rig, arn)
    took = [["first", "1"], ["third", "2"]]
    assert ran.result == [took, ["NoneType", "CancelledError", "NoneType"]]


def test_several_consumers_are_served_in_the_order_of_their_calls() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox, took = ctx.inbox("words", str), list[Any]()

        async def consume(name: str) -> None:
            async for word in inbox:
                took.append([name, word])
                await ctx.wait(SECOND)

        tasks = [asyncio.create_task(consume(name)) for name in ("a", "b")]
        await ctx.wait(Duration.from_seconds(10))
        await inbox.close()
        await asyncio.gather(*tasks)
        return took

    rig, arn = started(workflow)
    for word in ("1", "2", "3"):
        send(rig, arn, "words", word)
    assert rig.drive(arn).result == [["a", "1"], ["b", "2"], ["a", "3"]]


def test_two_inboxes_do_not_mix() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        one, other = ctx.inbox("one", int), ctx.inbox("other", str, window=1)
        first = await other.get()
        return [first, await one.get(), await one.get()]

    rig, arn = started(workflow)
    send(rig, arn, "one", 1)
    send(rig, arn, "one", 2)
    assert run_now(rig, arn).status == "RUNNING"
    send(rig, arn, "other", "first")
    assert run_now(rig, arn).result == ["first", 1, 2]


def test_a_second_call_returns_the_same_inbox_and_refuses_other_options() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        inbox = ctx.inbox("orders", Order)
        assert ctx.inbox("orders", Order) is inbox
        for other in (
            lambda: ctx.inbox("orders", int),
            lambda: ctx.inbox("orders", Order, window=5),
        ):
            with pytest.raises(ConfigError, match="has opened it with Order and window=4"):
                other()
        return repr(inbox)

    assert started(workflow)[0].run().result == "<Inbox 'orders'>"


@pytest.mark.parametrize(
    ("arguments", "options", "problem"),
    [
        (("",), {}, "takes the name of the inbox"),
        ((7,), {}, "takes the name of the inbox"),
        (("é",), {}, "cannot name an inbox: a name is 1 to 256 printable ASCII"),
        (("x" * 250,), {}, "at most 243 characters"),
        (("x", Order), {"window": 0}, "1 to 1,000, not 0"),
        (("x", Order), {"window": True}, "not True"),
        (("x", object()), {}, r"ctx.inbox\('x', ...\)"),
    ],
)
def test_wrong_arguments_are_refused_and_nothing_is_recorded(
    arguments: tuple[Any, ...], options: dict[str, Any], problem: str
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(ConfigError, match=problem):
            ctx.inbox(*arguments, **options)
        return "refused"

    ran = started(workflow)[0].run()
    assert ran.result == "refused"
    assert "CallbackStarted" not in ran.types()


def test_an_inbox_belongs_to_the_context_of_the_handler() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        inbox, refused = ctx.inbox("words"), list[str]()

        async def child(own: DurableContext) -> None:
            for use in (lambda: own.inbox("other"), lambda: inbox.close()):
                with pytest.raises(ContextMisuseError) as caught:
                    use()
                refused.append(str(caught.value))
            with pytest.raises(ContextMisuseError) as caught:
                await inbox.get()
            refused.append(str(caught.value))

        async def items() -> Any:
            with pytest.raises(ContextMisuseError) as caught:
                await inbox.get()
            refused.append(str(caught.value))
            yield 1

        async def nothing(own: DurableContext, item: int, index: int) -> None: ...

        await ctx.run_in_child_context(child)
        await ctx.map(items(), nothing)
        return refused

    opened, closed, got, iterated = started(workflow)[0].run().result
    assert "an inbox was used in the child context 'child'" in opened
    assert "in the handler's context" in opened
    assert "was used inside the child context" in closed
    assert "was used inside the child context" in got
    assert "in a task that iterates over the items of a map" in iterated


def test_close_drains_and_ends_the_iteration() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox = ctx.inbox("words", str)
        seen = [await inbox.get()]
        closing = inbox.close()
        assert inbox.close() is closing
        async for word in inbox:
            seen.append(word)
        for timeout in (None, SECOND):
            with pytest.raises(InboxClosedError, match="is closed, and all messages"):
                await inbox.get(timeout=timeout)
        await ctx.wait(SECOND)
        return seen

    rig, arn = started(workflow)
    for word in ("a", "b", "c"):
        send(rig, arn, "words", word)
    ran = run_now(rig, arn)
    left = room(rig, arn, "words")
    assert left  # these can still be answered, and the workflow does not see it
    send(rig, arn, "words", "too late")
    ran = rig.drive(arn)
    assert ran.result == ["a", "b", "c"]
    assert numbers(ran) == [1, 2, 3, 4, 5]  # none is opened after the call of close


def test_close_wakes_the_tasks_that_wait() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox = ctx.inbox("words", str)

        async def consume() -> list[str]:
            return [word async for word in inbox]

        tasks = [asyncio.create_task(consume()) for _ in range(3)]
        await ctx.wait(SECOND)
        await inbox.close()
        return await asyncio.gather(*tasks)

    assert rig_of(workflow).run().result == [[], [], []]


def test_an_inbox_that_no_task_awaits_does_not_hold_off_a_deadlock() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.inbox("words")
        await asyncio.Event().wait()

    ran = rig_of(workflow).run()
    assert ran.status == "FAILED"
    assert ran.error.error_type == "DeadlockError"
    assert ran.invocations == 1


def test_a_message_that_was_awaited_when_the_inbox_was_closed_is_not_pending_any_more() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        inbox = ctx.inbox("words")
        inbox.close()
        with pytest.raises(InboxClosedError):
            await inbox.get()
        await asyncio.Event().wait()

    ran = rig_of(workflow).run()
    assert ran.error.error_type == "DeadlockError"
    assert "inbox:words:1" not in ran.error.error_message


def test_code_that_polls_is_a_deadlock_beside_an_inbox_that_no_task_awaits() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.inbox("words")
        while True:
            await asyncio.sleep(0)

    ran = rig_of(workflow).run()
    assert (ran.status, ran.error.error_type) == ("FAILED", "DeadlockError")


def test_one_that_a_task_awaits_suspends() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        inbox = ctx.inbox("words", str)
        done = asyncio.Event()

        async def consume() -> None:
            await inbox.get()
            done.set()

        task = asyncio.create_task(consume())
        await done.wait()
        await task
        return "done"

    rig, arn = started(workflow)
    assert rig.ran(arn).status == "RUNNING"
    send(rig, arn, "words", "go")
    assert run_now(rig, arn).result == "done"


def test_ids_follow_from_the_name_and_the_number_and_shift_none() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: 1, name="before")
        inbox = ctx.inbox("my orders!", window=2)
        await ctx.step(lambda: 1, name="after")
        await inbox.close()

    ids = {event.name: event.id for event in rig_of(workflow).run().events}
    row = row_text("my orders!")
    assert row.startswith("inbox_myorders_")
    assert ids["inbox:my orders!:1"] == f"{row}1"
    assert ids["inbox:my orders!:closed"] == f"{row}closed-1"
    assert ids["before"] == root_operation_id(1)
    assert ids["after"] == root_operation_id(2)


@pytest.mark.parametrize("window", [1, 2, 9])
def test_another_window_goes_on_with_executions_that_are_open(window: int) -> None:
    size = 4

    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox, seen = ctx.inbox("words", str, window=size), list[Any]()
        async for word in inbox:
            seen.append([word, await ctx.step(lambda: len(seen), name="count")])
            if word == "end":
                break
        return seen

    rig, arn = started(workflow)
    for word in ("a", "b", "c"):
        send(rig, arn, "words", word)
    run_now(rig, arn)
    send(rig, arn, "words", "d")
    send(rig, arn, "words", "e")
    size = window
    run_now(rig, arn)
    assert len(room(rig, arn, "words")) == max(window, 4 - 2 if window < 3 else window)
    send(rig, arn, "words", "end")
    ran = run_now(rig, arn)
    assert ran.result == [[word, n] for n, word in enumerate(["a", "b", "c", "d", "e", "end"])]


def test_code_without_the_inbox_diverges_from_a_log_that_has_one() -> None:
    is_there = True

    async def workflow(event: Any, ctx: DurableContext) -> None:
        if is_there:
            ctx.inbox("words")
        await ctx.wait(SECOND)
        await ctx.step(lambda: None, name="after")

    rig, arn = started(workflow)
    is_there = False
    ran = rig.drive(arn)
    assert ran.error.error_type == "DeterminismError"
    assert "callback 'inbox:words:1'" in ran.error.error_message
    assert "StepStarted" not in ran.types()


def test_what_lies_in_the_window_when_the_execution_ends_is_lost() -> None:
    rig, arn = started(takes_three)
    for n in range(4):
        send(rig, arn, "orders", {"id": n})
    ran = run_now(rig, arn)
    assert ran.result == [0, 1, 2]
    assert numbers(ran, "CallbackSucceeded") == [1, 2, 3, 4]


def test_a_race_with_a_wait() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox = ctx.inbox("words", str)
        first = await ctx.race(inbox.get(), ctx.wait(Duration.from_hours(1)), cancel_losers=True)
        second = await ctx.race(inbox.get(), ctx.wait(Duration.from_hours(1)), cancel_losers=True)
        # The get that lost was cancelled, and so took nothing.
        return [first, second, await inbox.get()]

    rig, arn = started(workflow)
    send(rig, arn, "words", "a")
    rig.drive(arn, until=rig.clock.now() + 2 * 3_600_000)
    send(rig, arn, "words", "b")
    assert run_now(rig, arn).result == ["a", None, "b"]


def test_log_lines_of_a_consumer_are_not_repeated() -> None:
    lines: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        inbox = ctx.inbox("words", str)
        lines.append(["start", ctx.is_replaying])
        async for word in inbox:
            lines.append([word, ctx.is_replaying])
            if word == "end":
                break

    rig, arn = started(workflow)
    for word in ("a", "end"):
        send(rig, arn, "words", word)
        run_now(rig, arn)
    assert lines == [
        ["start", False],
        ["start", True],
        ["a", False],
        ["start", True],
        ["a", True],
        ["end", False],
    ]


Combine = Callable[[DurableContext, Any, Any], Awaitable[Any]]


async def raced(ctx: DurableContext, message: Any, limit: Any) -> Any:
    return await ctx.race(message, limit, cancel_losers=True)


async def any_of(ctx: DurableContext, message: Any, limit: Any) -> Any:
    return await ctx.any(message, limit, cancel_losers=True)


@pytest.mark.parametrize("mode", list(CheckpointingMode))
@pytest.mark.parametrize("combine", [raced, any_of])
@pytest.mark.parametrize("limits", [Limits(), Limits(page_items=1, first_page_items=1)])
def test_a_get_that_loses_although_its_message_was_there_takes_none(
    combine: Combine, mode: CheckpointingMode, limits: Limits
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox, limit = ctx.inbox("words", str, window=2), ctx.wait(SECOND)
        await limit
        seen = [await combine(ctx, inbox.get(), limit)]
        seen.append(await combine(ctx, anext(inbox), limit))
        kept = asyncio.create_task(inbox.get())
        seen.append(await combine(ctx, kept, limit))
        seen.append(await kept)  # a task of the code's own keeps what it has taken
        await ctx.wait(SECOND)
        return [*seen, await inbox.get(), await inbox.get()]

    rig, arn = started(workflow, limits=limits, options={"checkpointing": mode})
    for word in ("a", "b"):
        send(rig, arn, "words", word)
    rig.drive(arn, until=rig.clock.now() + 1_500)
    send(rig, arn, "words", "c")
    ran = rig.drive(arn)
    assert ran.result == [None, None, None, "a", "b", "c"]
    assert numbers(ran) == [1, 2, 3, 4, 5]


def test_what_does_not_fit_is_kept_by_a_race_and_taken_by_any() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        inbox, limit = ctx.inbox("words", str), ctx.wait(SECOND)
        await limit
        seen = [await raced(ctx, inbox.get(), limit)]
        with pytest.raises(InboxMessageError):
            await inbox.get()
        seen.append(await any_of(ctx, inbox.get(), limit))
        return [*seen, await inbox.get()]

    rig, arn = started(workflow)
    for word in (1, 2, "a"):
        send(rig, arn, "words", word)
    assert rig.drive(arn).result == [None, None, "a"]
