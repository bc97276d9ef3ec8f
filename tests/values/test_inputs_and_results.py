"""Errors about inputs, results, events of tests and answers: they are no operations, and named as what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from durable_execution_sdk import DurableContext, SerDesContext, SerDesError, durable_execution
from durable_execution_sdk.middleware import Middleware, PayloadInfo
from durable_execution_sdk.testing import LocalDurableTestRunner

REMEDY = "or give the handler a serdes: @durable_execution(serdes=...)"


@dataclass
class Item:
    sku: str
    count: int


@dataclass
class Order:
    order_id: str
    items: list[Item]


class Reads(Middleware):
    """Middleware that takes part in reading, and changes nothing."""

    def around_deserialize(
        self, payload: str, info: PayloadInfo, call_next: Callable[[str], Any]
    ) -> Any:
        return call_next(payload)


class Unreadable:
    """A serdes that writes plain JSON, and raises when it reads."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def serialize(self, value: object, context: SerDesContext) -> str:
        return "1"

    def deserialize(self, payload: str, context: SerDesContext) -> object:
        raise self._error


@durable_execution
async def order(event: Order, ctx: DurableContext) -> int:
    return 1


@durable_execution(middleware=[Reads()])
async def wrapped(event: Order, ctx: DurableContext) -> int:
    return 1


@durable_execution
async def maybe(order: int | None, ctx: DurableContext) -> int:
    return 1


@durable_execution
async def quoted(event: list[Item], ctx: DurableContext) -> int:
    return 1


quoted.__wrapped__.__annotations__["event"] = list[Item]


def message(handler: Any, event: object) -> str:
    result = LocalDurableTestRunner(handler).run_sync(event)
    assert isinstance(result.error, SerDesError)
    operation_id = result.arn.rpartition("/")[2]
    assert operation_id not in str(result.error) and "operation" not in str(result.error)
    return str(result.error)


@pytest.mark.parametrize(
    ("handler", "event", "text"),
    [
        (
            order,
            {"order_id": "x", "items": [{"sku": "a", "count": 1}, {"sku": "a", "count": "x"}]},
            "for 'event: Order' of order: the payload does not fit Order: Expected `int`, got `str` - at `$.items[1].count`. C",
        ),
        (order, {}, "for 'event: Order' of order: the payload does not fit Order: Object missing"),
        (
            wrapped,
            5,
            "for 'event: Order' of wrapped: the payload does not fit Order: Expected `object`",
        ),
        (maybe, "x", "for 'order: int | None' of maybe: the payload does not fit int | None: "),
        (
            quoted,
            [1],
            "for 'event: list[tests.values.test_inputs_and_results.Item]' of quoted: the payload does not fit list[",
        ),
    ],
)
def test_an_input_that_does_not_fit_is_told_with_handler_parameter_and_path(
    handler: Any, event: object, text: str
) -> None:
    told = message(handler, event)
    assert told.startswith(f"the input of the execution, {text}"), told
    assert told.endswith(f". Correct the sender or the type annotation, {REMEDY}"), told


@pytest.mark.parametrize(
    "error", [KeyError("nope"), SerDesError("nope")], ids=["own error", "SerDesError"]
)
def test_an_input_that_an_own_serdes_cannot_read_is_told_with_its_error(error: Exception) -> None:
    @durable_execution(serdes=Unreadable(error))
    async def own(event: int, ctx: DurableContext) -> int:
        return 1

    told = message(own, 1)
    assert "the input of the execution, for 'event: int' of " in told
    assert told.endswith(f".own, cannot be read: {error}")


def test_a_result_that_cannot_be_written_is_told_as_the_handlers() -> None:
    @durable_execution
    async def returns(event: object, ctx: DurableContext):
        return {"handle": object()}

    told = message(returns, 1)
    assert ".returns: $" in told and told.startswith("the result of ")
    assert told.endswith(REMEDY)


def test_a_result_from_anywhere_is_told_as_the_executions() -> None:
    @durable_execution
    async def ends(event: object, ctx: DurableContext) -> None:
        await ctx.complete_execution_success({"handle": object()})

    assert message(ends, 1).startswith("the result of the execution: $")


def test_the_event_of_a_test_is_told_as_such() -> None:
    with pytest.raises(SerDesError, match=r"^the event of the test: \$.*models \.\.\.\)$"):
        LocalDurableTestRunner(order).run_sync({"handle": object()})


def test_the_answer_of_a_test_is_told_as_such() -> None:
    @durable_execution
    async def asks(event: object, ctx: DurableContext) -> object:
        return await ctx.wait_for_callback(lambda callback_id: None, name="approval")

    runner = LocalDurableTestRunner(asks).sync
    runner.start()
    with pytest.raises(SerDesError, match=r"^the answer to the callback: \$.*models \.\.\.\)$"):
        runner.wait_for_callback("approval").succeed({"handle": object()})
