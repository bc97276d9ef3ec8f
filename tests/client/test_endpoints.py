"""One suite for the client against three endpoints: the engine over HTTP, `durable dev`, AWS's emulator."""

from __future__ import annotations

import asyncio
import functools
import os
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.aws_emulator.local_runner import VARIABLE
from tests.client.endpoints import ASKS, COUNTS, DESK, LACKS, MAKERS, ORDERS, Place
from tests.client.shop import Order, Receipt, order

from durable_execution_sdk import ConfigError, InvokeError, SerDesError, ServiceError
from durable_execution_sdk.client import (
    AlreadyStartedError,
    ContinuedAsNewError,
    DurableClient,
    ExecutionHandle,
    FunctionRef,
    InboxRef,
    NoInboxError,
    PendingCallback,
    ResultTimeoutError,
    SyncDurableClient,
)
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.client.service import last_of, next_of
from durable_execution_sdk.protocol.continuation import (
    Continuation,
    continuation_of,
    pointer_text,
)
from durable_execution_sdk.protocol.control_plane import ExecutionDescription
from durable_execution_sdk.protocol.error_object import ErrorObject


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


KINDS = [
    "engine",
    pytest.param("durable dev", marks=pytest.mark.dev),
    # Run by make test-emulator.
    *(["AWS's emulator"] if VARIABLE in os.environ else []),
]


@pytest.fixture(scope="module", params=KINDS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with MAKERS[request.param](tmp_path_factory.mktemp("endpoint")) as made:
        yield made


@pytest.fixture
def name() -> str:
    return f"order-{uuid.uuid4().hex[:12]}"


@asynccontextmanager
async def client_of(place: Place) -> AsyncIterator[DurableClient]:
    async with place.client() as client:
        yield client


def needs(place: Place, part: str) -> None:
    if place.lacks(part):
        pytest.skip(f"{place.kind}: {LACKS[place.kind][part]}")


async def callback_of(handle: ExecutionHandle[object], name: str) -> PendingCallback:
    """Wait until a callback of an execution waits for an answer."""
    while not (found := await handle.callbacks(name)):
        await asyncio.sleep(0.02)
    [callback] = found
    return callback


@on_a_loop
async def test_a_result_has_the_type_of_the_function(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 20), name)
        assert await handle.result() == Receipt("A-1", 20)
        assert await handle.status() == "SUCCEEDED"
        described = await handle.describe()
        assert described.durable_execution_name == name
        assert described.end_timestamp is not None
        again = await client.execution(handle.arn, order)
        assert await again.result(timeout=60) == Receipt("A-1", 20)


@on_a_loop
async def test_a_failure_is_that_of_ctx_invoke(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", -1), name)
        with pytest.raises(InvokeError) as raised:
            await handle.result()
        failure = raised.value
        assert (failure.error_type, failure.error_message) == ("DeclinedError", "A-1: no money")
        assert failure.operation_id == handle.arn.rpartition("/")[2]
        assert failure.__notes__ == [f"the execution {handle.arn} is FAILED"]
        [charged] = [each for each in await handle.operations() if each.name == "charge"]
        assert charged.status == "FAILED"


@on_a_loop
async def test_a_callback_is_answered_once(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 900), name)
        approval = await callback_of(handle, "approval")
        assert approval.name == "approval"
        assert [each.callback_id for each in await handle.callbacks()] == [approval.callback_id]
        assert await handle.callbacks("other") == []
        with pytest.raises(
            ResultTimeoutError, match=r"was to end within 0\.001 s, .*stop\(\) ends it"
        ):
            await handle.result(timeout=0.001)
        found = client.callback(approval.callback_id)
        await found.heartbeat()
        await found.succeed("Ada")
        assert await handle.result() == Receipt("A-1", 900, "Ada")
        assert await handle.callbacks() == []
        with pytest.raises(ServiceError):
            await found.succeed("Eve")


@on_a_loop
async def test_a_callback_fails_with_an_error_of_the_answerer(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 900), name)
        approval = await callback_of(handle, "approval")
        await approval.fail(PermissionError("too dear"))
        with pytest.raises(InvokeError, match="too dear"):
            await handle.result()


@on_a_loop
async def test_answers_are_values_of_their_types(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ASKS, None, name)
        first = await callback_of(handle, "first")
        await first.succeed(3)
        await (await callback_of(handle, "second")).succeed({"a": [1]})
        assert await handle.result() == [3, {"a": [1]}]


@on_a_loop
async def test_a_status_is_read_from_the_end_of_the_history(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ASKS, None, name)
        first = await callback_of(handle, "first")
        assert await handle.custom_status() == {"done": 0, "total": 2}
        assert await handle.custom_status(dict[str, int]) == {"done": 0, "total": 2}
        with pytest.raises(SerDesError, match="the custom status of the execution"):
            await handle.custom_status(Receipt)
        assert "status" not in [each.name for each in await handle.operations()]
        await first.succeed(3)
        await (await callback_of(handle, "second")).succeed(4)
        assert await handle.result() == [3, 4]
        assert await handle.custom_status() == {"done": 1, "total": 2}
        silent = await place.start(client, ORDERS, Order("A-1", 20), f"{name}-silent")
        await silent.result()
        assert await silent.custom_status() is None


@on_a_loop
async def test_an_execution_is_stopped(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 900), name)
        await callback_of(handle, "approval")
        await handle.stop(ErrorObject(error_type="Cancelled", error_message="by the customer"))
        assert await handle.status() == "STOPPED"
        with pytest.raises(InvokeError) as raised:
            await handle.result()
        if not place.lacks("error of a stop"):
            failure = raised.value
            assert (failure.error_type, failure.error_message) == ("Cancelled", "by the customer")
        assert await handle.callbacks() == []


@on_a_loop
async def test_an_execution_is_paused_and_resumed(place: Place, name: str) -> None:
    needs(place, "pause, resume")
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 900), name)
        approval = await callback_of(handle, "approval")
        await handle.pause("a holiday")
        while await handle.status() != "PAUSED":
            pass
        await approval.succeed("Ada")
        assert await handle.status() == "PAUSED"
        with pytest.raises(ResultTimeoutError, match=r"was to end within 0\.001 s"):
            await handle.result(timeout=0.001)
        await handle.resume("back")
        assert await handle.result() == Receipt("A-1", 900, "Ada")


@on_a_loop
async def test_the_history_is_read_whole(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 20), name)
        await handle.result()
        types = [event.event_type for event in await handle.history()]
        assert types[0] == "ExecutionStarted"
        assert types[-1] == "ExecutionSucceeded"
        [charged] = await handle.operations()
        assert charged.step_details is not None
        assert charged.step_details.attempt == 1
        assert (charged.name, charged.type, charged.status) == ("charge", "STEP", "SUCCEEDED")


@on_a_loop
async def test_the_same_start_finds_the_execution_and_another_is_refused(
    place: Place, name: str
) -> None:
    needs(place, "start")
    async with client_of(place) as client:
        first = await client.start(order, Order("A-1", 20), name=name)
        assert (await client.start(ORDERS, Order("A-1", 20), name=name)).arn == first.arn
        await first.result()
        ended = await client.start(order, Order("A-1", 20), name=name)
        assert ended.arn == first.arn
        assert await ended.result() == Receipt("A-1", 20)
        with pytest.raises(AlreadyStartedError, match=f"{name!r} exists.*another event") as raised:
            await client.start(order, Order("A-1", 21), name=name)
        assert (raised.value.status, raised.value.is_transient) == (409, False)


@on_a_loop
async def test_a_start_without_a_name_starts_anew(place: Place) -> None:
    needs(place, "start")
    async with client_of(place) as client:
        one, two = [await client.start(order, Order("A-1", 20)) for _ in range(2)]
        assert one.arn != two.arn
        by_text = await client.start("order:$LATEST", {"id": "A-2", "amount": 7})
        assert await by_text.result() == {"order_id": "A-2", "paid": 7, "approved_by": None}


@on_a_loop
async def test_a_function_that_is_not_there_is_named(place: Place) -> None:
    needs(place, "start")
    async with client_of(place) as client:
        with pytest.raises(ServiceError, match="there is no function nothing:1 at") as raised:
            await client.start("nothing:1")
        assert raised.value.status == 404


@on_a_loop
async def test_executions_are_found_by_name(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 20), name)
        await handle.result()
        found = await client.execution(name, ORDERS)
        assert found.arn == handle.arn
        assert found.listed is not None and found.listed.status == "SUCCEEDED"
        with pytest.raises(ServiceError, match="has no execution 'nothing'"):
            await client.execution("nothing", ORDERS)


@on_a_loop
async def test_executions_are_listed_by_status_and_time(place: Place, name: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    async with client_of(place) as client:
        open_one = await place.start(client, ORDERS, Order("A-1", 900), name)
        await callback_of(open_one, "approval")
        # Executions of one millisecond have no order in a list.
        begun = (await open_one.describe()).start_timestamp
        while datetime.now(UTC).timestamp() * 1000 < begun + 2:
            await asyncio.sleep(0.001)
        done = await place.start(client, ORDERS, Order("A-1", 20), f"{name}-done")
        await done.result()

        async def names(**filters: object) -> list[str]:
            listing = client.list("order", **filters)
            return [each.name async for each in listing if each.name.startswith(name)]

        assert await names(statuses=["RUNNING"]) == [name]
        assert await names(statuses=["SUCCEEDED"]) == [f"{name}-done"]
        if not place.lacks("listing by several statuses"):
            assert len(await names(statuses=["RUNNING", "SUCCEEDED"])) == 2
        reverses = place.lacks("newest first")
        assert await names(oldest_first=reverses) == [f"{name}-done", name]
        assert await names(oldest_first=not reverses) == [name, f"{name}-done"]
        if not place.lacks("listing by time"):
            assert await names(started_after=before) == [f"{name}-done", name]
            assert await names(started_before=before) == []
        assert len([each async for each in client.list("order", most=1)]) == 1
        versions = {"order:$LATEST": 1, "order:7": 0}
        if not place.lacks("listing by version"):
            for function, count in versions.items():
                listing = client.list(function, name=name)
                assert len([each async for each in listing]) == count, function
        await open_one.stop()


@on_a_loop
async def test_an_execution_that_is_not_there_is_refused(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 20), name)
        await handle.result()
        other = await client.execution(f"{handle.arn[:-4]}ffff", ORDERS)
        with pytest.raises(ServiceError) as raised:
            await other.result()
        assert raised.value.status == 404


@on_a_loop
async def test_a_result_of_another_type_is_told(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, ORDERS, Order("A-1", 20), name)
        await handle.result()
        wrong = await client.execution(handle.arn, FunctionRef("order:$LATEST", output=int))
        shown = wrong.arn if place.lacks("names in ARNs") else name
        assert wrong.name == shown
        with pytest.raises(SerDesError, match=f"result of the execution {name}.*output="):
            await wrong.result()


@on_a_loop
async def test_the_synchronous_face_does_the_same(place: Place, name: str) -> None:
    async with client_of(place) as client:
        started = await place.start(client, ORDERS, Order("A-1", 900), name)

        def answered() -> object:
            made = place.client().executions.service
            with SyncDurableClient(made.address) as face:
                handle = face.execution(started.arn, ORDERS)
                while not (found := handle.callbacks("approval")):
                    pass
                [approval] = found
                approval.heartbeat()
                face.callback(approval.callback_id).succeed("Ada")
                result = handle.result(timeout=60)
                assert handle.status() == handle.describe().status == "SUCCEEDED"
                assert handle.history()[0].event_type == "ExecutionStarted"
                assert "charge" in [each.name for each in handle.operations()]
                assert handle.custom_status() is None
                assert started.arn in [each.arn for each in face.list("order", name=name)]
                handle.stop()  # changes nothing
                assert handle.status() == "SUCCEEDED"
                return result

        assert await asyncio.to_thread(answered) == Receipt("A-1", 900, "Ada")


@on_a_loop
async def test_what_an_endpoint_lacks_is_told(place: Place, name: str) -> None:
    if not place.lacks("start"):
        assert LACKS[place.kind] == {}
        return
    async with client_of(place) as client:
        with pytest.raises(ServiceError):
            await client.start(ORDERS, Order("A-1", 1), name=name)
        handle = await place.start(client, ORDERS, Order("A-1", 900), name)
        with pytest.raises(ServiceError):
            await handle.pause()
        await handle.stop()


@on_a_loop
async def test_a_name_needs_a_function(place: Place) -> None:
    async with client_of(place) as client:
        with pytest.raises(
            ConfigError, match="finds 'x' by name among the executions of a function"
        ):
            await client.execution("x")


# Chains: executions that go on as new ones.


@on_a_loop
async def test_a_handle_follows_the_chain(place: Place, name: str) -> None:
    needs(place, "start")
    async with client_of(place) as client:
        handle = await client.start(COUNTS, Order("A-1", 3), name=name)
        assert await handle.result(timeout=60) == Receipt("A-1", 6)
        assert await handle.status() == "SUCCEEDED"
        last = await handle.latest()
        assert last.name.startswith(f"{name}-run4-")
        assert await last.result() == Receipt("A-1", 6)
        assert await last.latest() is last
        with pytest.raises(ContinuedAsNewError, match=f"{name}-run2-") as raised:
            await handle.result(follow=False)
        following = raised.value.continuation.arn
        assert following is not None
        # Each has its own history.
        assert len(await handle.operations()) == 3
        assert len(await last.operations()) == 1
        second = await client.execution(following, COUNTS)
        assert await second.result() == Receipt("A-1", 6)


@on_a_loop
async def test_a_pointer_without_an_arn_is_followed_by_its_name(place: Place, name: str) -> None:
    needs(place, "start")
    async with client_of(place) as client:
        handle = await client.start(COUNTS, Order("A-1", 1), name=name)
        assert await handle.result(timeout=60) == Receipt("A-1", 1)
        [pointer] = [
            found
            for found in [continuation_of(handle.arn, (await handle.describe()).result)]
            if found is not None
        ]
        reading = PacedReading(handle.control)
        described = await handle.describe()
        nameless = msgspec.structs.replace(pointer, arn=None)
        described = msgspec.structs.replace(described, result=pointer_text(nameless))
        assert await next_of(reading, described) == pointer.arn
        gone = msgspec.structs.replace(nameless, name=f"{name}-run2-000000000000")
        described = msgspec.structs.replace(described, result=pointer_text(gone))
        with pytest.raises(ServiceError, match="there is no execution of this name"):
            await next_of(reading, described)


def test_a_synchronous_handle_follows_the_chain(place: Place, name: str) -> None:
    needs(place, "start")
    if place.kind != "engine":
        pytest.skip("its client is made by for_dev_server; test_dev_server has that")
    with SyncDurableClient(place.url) as client:
        handle = client.start(COUNTS, Order("A-1", 2), name=name)
        assert handle.result(timeout=60) == Receipt("A-1", 3)
        assert (handle.status(), handle.status(follow=False)) == ("SUCCEEDED", "SUCCEEDED")
        assert handle.latest().name.startswith(f"{name}-run3-")
        with pytest.raises(ContinuedAsNewError):
            handle.result(follow=False)


@on_a_loop
async def test_pointers_in_a_circle_are_refused() -> None:
    def described(arn: str, following: str) -> ExecutionDescription:
        pointer = pointer_text(Continuation(of=arn, name="n", function="f:1", arn=following))
        return ExecutionDescription(
            durable_execution_arn=arn,
            durable_execution_name="n",
            function_arn="f",
            status="SUCCEEDED",
            start_timestamp=0,
            result=pointer,
        )

    async def describe(arn: str) -> ExecutionDescription:
        return described(arn, "a" if arn == "b" else "b")

    reading: Any = None  # pointers with an ARN ask for nothing
    with pytest.raises(ServiceError, match="leads back to an earlier execution"):
        await last_of(reading, described("a", "b"), describe)


TICKETS = InboxRef("tickets", int)


@on_a_loop
async def test_messages_are_taken_in_order_and_each_once(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, DESK, None, name)
        # More than lie in the window at once: a sender waits for room.
        for ticket in (1, 2, 3, 4, 5):
            assert await client.send(handle, TICKETS, ticket, id=f"ticket {ticket}", timeout=60)
        assert await client.send(handle.arn, "tickets", 5, id="ticket 5", timeout=60) == "ticket 5"
        await client.send(handle, TICKETS, 0, timeout=60)
        assert await handle.result(timeout=60) == [1, 2, 3, 4, 5, 0]
        assert await handle.callbacks() == []  # those of an inbox are for messages only
        with pytest.raises(NoInboxError, match="takes no more messages"):
            await client.send(handle, TICKETS, 6)


@on_a_loop
async def test_many_senders_lose_nothing(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, DESK, None, name)
        sent = range(1, 9)
        await asyncio.gather(*(client.send(handle, TICKETS, n, timeout=120) for n in sent))
        await client.send(handle, TICKETS, 0, timeout=120)
        assert sorted(await handle.result(timeout=120)) == [0, *sent]


@on_a_loop
async def test_a_message_is_refused_where_that_is_known(place: Place, name: str) -> None:
    async with client_of(place) as client:
        handle = await place.start(client, DESK, None, name)
        with pytest.raises(SerDesError, match="the message for the inbox 'tickets'"):
            await client.send(handle, TICKETS, "seven")  # type: ignore[arg-type]
        await client.send(handle, TICKETS, 1, timeout=60)
        with pytest.raises(NoInboxError, match=r"has not opened an inbox 'ticket'.*'tickets'"):
            await client.send(handle, "ticket", 1, timeout=0.05)
        with pytest.raises(ConfigError, match="the handle or the ARN"):
            await client.send("my name", "tickets", 1)
        await client.send(handle, TICKETS, 0, timeout=60)
        assert await handle.result(timeout=60) == [1, 0]
