"""The sender of messages: lost answers, rivals, full inboxes, long histories; and clients of a test's runner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.inboxes import room, run_now
from tests.inboxes import send as send_by_hand
from tests.rig import Rig, rig_of

from durable_execution_sdk import ConfigError, DurableContext, PayloadSizeError, ServiceError
from durable_execution_sdk.client import (
    DurableClient,
    InboxFullError,
    InboxRef,
    NoInboxError,
    SyncDurableClient,
)
from durable_execution_sdk.client.messages.sending import Sending, send
from durable_execution_sdk.client.messages.turns import Turns
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest
from durable_execution_sdk.protocol.inboxes import message_payload


class Plane(EmulatorControlPlane):
    """The engine's control plane: it counts reads, and may act around the answer to a callback."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.driver)
        self.read: list[HistoryRequest] = []
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    async def history(self, request: HistoryRequest) -> HistoryPage:
        self.read.append(request)
        await asyncio.sleep(0)  # other senders go on
        return await super().history(request)

    async def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        self.before()
        await super().callback_success(callback_id, result)
        self.after()


async def takes(event: Any, ctx: DurableContext) -> list[Any]:
    inbox, seen = ctx.inbox("words", window=2), list[Any]()
    async for word in inbox:
        seen.append(word)
        if word == "end":
            await inbox.close()
    return seen


def as_payload(word: str) -> bytes:
    return message_payload(f"id of {word}", f'"{word}"').encode()


def begun() -> tuple[Rig, str, Plane, DurableClient]:
    rig = rig_of(takes)
    arn = rig.start()
    run_now(rig, arn)
    plane = Plane(rig)
    return rig, arn, plane, DurableClient(control_plane=plane)


def test_a_lost_answer_is_found_in_the_history_and_the_message_is_not_sent_again() -> None:
    rig, arn, plane, client = begun()

    def lose() -> None:
        plane.after = lambda: None
        raise ServiceError("no answer", status=500)

    plane.after = lose
    asyncio.run(client.send(arn, "words", "a", id="one"))
    assert sorted(room(rig, arn, "words")) == [2]
    assert [each.include_execution_data for each in plane.read] == [False, True]


def test_a_message_that_got_no_answer_and_was_not_accepted_is_sent_again() -> None:
    rig, arn, plane, client = begun()

    def fail() -> None:
        plane.before = lambda: None
        raise ServiceError("no answer", status=500)

    plane.before = fail
    asyncio.run(client.send(arn, "words", "a", id="one"))
    assert sorted(room(rig, arn, "words")) == [2]
    asyncio.run(client.send(arn, "words", "end"))
    assert run_now(rig, arn).result == ["a", "end"]


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_message_that_was_throttled_is_not_looked_for_in_the_whole_history(is_lost: bool) -> None:
    rig, arn, plane, client = begun()

    def throttle() -> None:
        plane.before = lambda: None
        error = ServiceError("too fast", code="TooManyRequestsException", status=429)
        error.after_lost_answer = is_lost
        raise error

    plane.before = throttle
    asyncio.run(client.send(arn, "words", "a", id="one"))
    assert sorted(room(rig, arn, "words")) == [2]
    assert [each.include_execution_data for each in plane.read] == [False, is_lost]


def test_a_refusal_says_that_an_earlier_attempt_may_have_been_accepted() -> None:
    rig, arn, plane, client = begun()

    def stop() -> None:
        rig.emulator.stop(arn)
        raise ServiceError("no answer", status=500)

    plane.before = stop
    with pytest.raises(NoInboxError, match=r"STOPPED.*an earlier attempt") as caught:
        asyncio.run(client.send(arn, "words", "a"))
    assert caught.value.after_lost_answer


def test_a_transient_error_is_told_when_the_time_is_up() -> None:
    _, arn, plane, client = begun()

    def fail() -> None:
        raise ServiceError("out of order", status=500)

    plane.before = fail
    with pytest.raises(ServiceError, match="out of order"):
        asyncio.run(client.send(arn, "words", "a", timeout=0.01))


def test_a_rival_that_was_first_gets_the_first_place() -> None:
    rig, arn, plane, client = begun()

    def rival() -> None:
        plane.before = lambda: None
        assert send_by_hand(rig, arn, "words", "rival") == 1

    plane.before = rival
    asyncio.run(client.send(arn, "words", "a"))
    assert len(plane.read) == 1
    assert room(rig, arn, "words") == {}
    run_now(rig, arn)
    asyncio.run(client.send(arn, "words", "end"))
    assert run_now(rig, arn).result == ["rival", "a", "end"]


def test_a_full_inbox_and_one_that_is_not_there_are_told_apart() -> None:
    rig, arn, _, client = begun()
    for word in ("a", "b"):
        asyncio.run(client.send(arn, "words", word))
    with pytest.raises(InboxFullError, match=r"had no room within 0\.01 s.*window="):
        asyncio.run(client.send(arn, "words", "c", timeout=0.01))
    with pytest.raises(NoInboxError, match=r"has opened 'words'"):
        asyncio.run(client.send(arn, "word", "c", timeout=0.01))
    run_now(rig, arn)
    asyncio.run(client.send(arn, "words", "end"))
    run_now(rig, arn)
    with pytest.raises(NoInboxError, match=r"has ended: it is SUCCEEDED.*handle\.latest"):
        asyncio.run(client.send(arn, "words", "late"))


def test_a_closed_inbox_takes_no_more_at_once() -> None:
    async def closes(event: Any, ctx: DurableContext) -> None:
        await ctx.inbox("words").close()
        await ctx.create_callback("goes on")
        await ctx.inbox("other").get()

    rig = rig_of(closes)
    arn = rig.start()
    run_now(rig, arn)
    client = DurableClient(control_plane=Plane(rig))
    with pytest.raises(NoInboxError, match=r"has closed its inbox 'words'.*handle\.latest"):
        asyncio.run(client.send(arn, "words", "a", timeout=1000))


def test_a_history_is_read_backwards_and_no_further_than_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("durable_execution_sdk.client.messages.sending.MAX_PAGE_ITEMS", 5)

    async def works(event: Any, ctx: DurableContext) -> list[Any]:
        inbox = ctx.inbox("words", window=2)
        for n in range(40):
            await ctx.step(lambda: None, name=f"step {n}")
        return [await inbox.get() for _ in range(4)]

    rig = rig_of(works)
    arn = rig.start()
    run_now(rig, arn)
    plane = Plane(rig)
    client = DurableClient(control_plane=plane)
    pages = []
    for n in range(4):
        asyncio.run(client.send(arn, "words", n))
        pages.append(len(plane.read))
        plane.read.clear()
        run_now(rig, arn)
    assert all(request.reverse_order for request in plane.read)
    # Callbacks 1 and 2 are at the beginning, behind 40 steps; the others among the newest events.
    assert pages[0] == pages[1] > 10
    assert pages[2:] == [1, 1]
    assert rig.ran(arn).result == [0, 1, 2, 3]


def test_wrong_arguments_are_refused_before_anything_is_sent() -> None:
    _, arn, plane, client = begun()
    wrong: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((arn, "", 1), {}, ConfigError, "an inbox is named by a text"),
        ((arn, 7, 1), {}, ConfigError, "an inbox is named by a text"),
        ((arn, "words", 1), {"id": ""}, ConfigError, "1 to 256 characters"),
        ((arn, "words", 1), {"timeout": 0}, ConfigError, "greater than 0"),
        ((arn, "words", "x" * 1_100_000), {}, PayloadSizeError, "at most 1,048,576"),
    ]
    for arguments, options, kind, text in wrong:
        with pytest.raises(kind, match=text):
            asyncio.run(client.send(*arguments, **options))
    assert plane.read == []
    with pytest.raises(ConfigError, match=r"InboxRef\('words', ...\)"):
        InboxRef("words", object())


def test_the_synchronous_client_sends_too() -> None:
    rig, arn, plane, _ = begun()
    with SyncDurableClient(control_plane=plane) as client:
        assert client.send(client.execution(arn), "words", "end", id="mine") == "mine"
    assert run_now(rig, arn).result == ["end"]


def test_the_payload_is_what_the_workflow_reads() -> None:
    assert message_payload('a "quoted" id', '{"b": [1]}') == (
        '{"id":"a \\"quoted\\" id","value":{"b": [1]}}'
    )


# Several messages at once.


def test_a_burst_that_is_larger_than_the_window_is_sent_in_order() -> None:
    rig, arn, plane, client = begun()
    words = [f"word {n}" for n in range(12)]

    async def let_run(_arn: str, _seconds: float) -> None:
        run_now(rig, arn)
        await asyncio.sleep(0)

    async def burst() -> None:
        sending = [
            send(plane, plane, arn, Sending("words", word, as_payload(word), 60), let_run, turns)
            for word in [*words, "end"]
        ]
        await asyncio.gather(*sending)

    turns = Turns()
    asyncio.run(burst())
    assert run_now(rig, arn).result == [*words, "end"]
    # One look for each message, and one more each time that the window of two was full.
    assert len(plane.read) == 13 + 6


def test_a_sender_does_not_wait_for_its_turn_beyond_its_time() -> None:
    _, arn, _, client = begun()

    async def both() -> str | BaseException:
        for word in ("a", "b"):
            await client.send(arn, "words", word)
        patient = asyncio.create_task(client.send(arn, "words", "c", timeout=1000))
        await asyncio.sleep(0)
        with pytest.raises(InboxFullError, match=r"within 0\.01 s"):
            await client.send(arn, "words", "d", timeout=0.01)
        with pytest.raises(NoInboxError):  # one of another inbox waits for none
            await client.send(arn, "others", "e", timeout=0.01)
        patient.cancel()
        return (await asyncio.gather(patient, return_exceptions=True))[0]

    ended = asyncio.run(both())
    assert isinstance(ended, asyncio.CancelledError)
    # The one that was cancelled has left the line.
    with pytest.raises(InboxFullError):
        asyncio.run(client.send(arn, "words", "f", timeout=0.01))
