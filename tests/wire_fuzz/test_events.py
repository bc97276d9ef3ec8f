"""Mutated events for a real handler: an outcome, or an error that the documentation names."""

from __future__ import annotations

import asyncio
import json
import time
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.memory_service import MemoryService
from tests.wire_fuzz.mutation import bounded_memory, mutated, seeds

from durable_execution_sdk import (
    DurableContext,
    DurableHandler,
    Duration,
    InvocationError,
    ServiceError,
    StepSemantics,
    durable_execution,
    durable_step,
)
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.operations import CallbackDetails, Operation, StepDetails
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.log.ids import operation_id

DOCUMENTED = (InvocationError, ServiceError)
LONGEST_SECONDS = 20.0


class Context:
    aws_request_id = "request"

    def __init__(self) -> None:
        self._ends = time.monotonic() + 5

    def get_remaining_time_in_millis(self) -> int:
        return round((self._ends - time.monotonic()) * 1000)


async def double(value: int) -> int:
    return value * 2


@durable_step(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
async def charge(value: int) -> str:
    return f"charged {value}"


async def child(ctx: DurableContext, value: int) -> int:
    return await ctx.step(double, value)


@durable_execution
async def sequence(event: dict[str, Any], ctx: DurableContext) -> list[Any]:
    first = await ctx.step(double, event["n"], name="first")
    paid = await ctx.step(charge, first, name="pay")
    inner = await ctx.run_in_child_context(child, first, name="inner")
    batch = await ctx.map([1, 2], each, name="items")
    return [first, paid, inner, batch.results()]


async def each(ctx: DurableContext, item: int, index: int) -> int:
    return await ctx.step(double, item, name="item")


@durable_execution
async def waiting(event: dict[str, Any], ctx: DurableContext) -> list[Any]:
    callback = await ctx.create_callback(name="answer")
    results = await asyncio.gather(
        ctx.wait(Duration.from_seconds(5), name="wait"),
        ctx.invoke("other:$LATEST", 1, name="call"),
        callback,
        ctx.step(double, event["n"], name="beside"),
        return_exceptions=True,
    )
    return [type(one).__name__ for one in results]


class Strict(MemoryService):
    """Refuses unknown markers, as the service does, and supports all actions."""

    def _recorded(self, update: OperationUpdate) -> Operation:
        if update.action in (OperationAction.RETRY, OperationAction.CANCEL):
            is_retry = update.action == OperationAction.RETRY
            return Operation(
                id=update.id,
                type=update.type,
                status="PENDING" if is_retry else "CANCELLED",
                name=update.name,
                sub_type=update.sub_type,
                parent_id=update.parent_id,
                start_timestamp=self.now(),
                step_details=StepDetails(attempt=1, next_attempt_timestamp=self.now() + 86_400_000)
                if is_retry
                else None,
            )
        operation = super()._recorded(update)
        if update.type == "CALLBACK":
            operation = replace(operation, callback_details=CallbackDetails(callback_id="cb"))
        return operation

    async def get_state(self, request: Any) -> Any:
        if request.marker is not None and not request.marker.isdecimal():
            raise ServiceError("marker", code="InvalidParameterValueException", status=400)
        return await super().get_state(request)


def recorded(handler: DurableHandler[Any, Any]) -> list[dict[str, Any]]:
    """Return events of one execution: without its operations, with half, with all, and in pages."""
    service = Strict()
    first = service.event('{"n": 21}')
    outcome = handler.bind(service)(first, Context())
    assert outcome["Status"] in {"SUCCEEDED", "PENDING"}
    complete = service.event('{"n": 21}')
    partly = msgspec.json.decode(msgspec.json.encode(complete))
    operations = partly["InitialExecutionState"]["Operations"]
    del operations[len(operations) // 2 :]
    return [first, partly, complete, service.event('{"n": 21}', paged=True)]


HANDLERS = {"sequence": sequence, "waiting": waiting}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_mutated_event_has_an_outcome_or_a_documented_error(name: str) -> None:
    handler = HANDLERS[name]
    with bounded_memory():
        mutate_events(name, handler)


def mutate_events(name: str, handler: DurableHandler[Any, Any]) -> None:
    events = recorded(handler)
    for seed in seeds():
        chance = Random(f"event {name} {seed}")
        event = mutated(chance.choice(events), chance)
        if chance.random() < 0.05:
            event = chance.choice((None, [], "x", 5, {}, event and [event]))
        service = Strict()
        service.operations = {op.id: op for op in operations_of(events[2])}
        service.event('{"n": 21}', paged=chance.random() < 0.5)
        began = time.monotonic()
        try:
            outcome = handler.bind(service)(event, Context())
        except DOCUMENTED:
            continue
        except BaseException as error:
            error.add_note(f"WIRE_FUZZ_FROM={seed} WIRE_FUZZ=1: {event!r:.2000}")
            raise
        finally:
            assert time.monotonic() - began < LONGEST_SECONDS, f"seed {seed} took too long"
        check(outcome, event, name, seed)


def operations_of(event: dict[str, Any]) -> list[Operation]:
    operations = codec.decode_invocation(event).initial_execution_state.operations
    return [op for op in operations if op.type != "EXECUTION"]


def check(outcome: Any, event: Any, name: str, seed: int) -> None:
    """Check that the outcome can be sent to Lambda, and that a success agrees with the log."""
    context = f"seed {seed}: {outcome!r:.300}"
    json.dumps(outcome, allow_nan=False).encode()
    assert outcome["Status"] in {"SUCCEEDED", "FAILED", "PENDING"}, context
    if outcome["Status"] != "SUCCEEDED":
        assert outcome.get("Result") is None, context
        assert outcome["Status"] == "PENDING" or outcome["Error"]["ErrorType"], context
        return
    assert outcome.get("Error") is None, context
    if name == "sequence":
        first, paid, inner, items = json.loads(outcome["Result"])
        results = {
            op.get("Id"): (op.get("StepDetails") or {}).get("Result")
            for op in event["InitialExecutionState"]["Operations"]
            if isinstance(op, dict) and op.get("Status") == "SUCCEEDED"
        }
        recorded_first = results.get(operation_id("1"))
        assert recorded_first is None or first == json.loads(recorded_first), context
        assert isinstance(paid, str | None), context
        assert isinstance(inner, int | None), context
        assert isinstance(items, list), context


@pytest.mark.parametrize("name", HANDLERS)
def test_a_mutated_answer_has_an_outcome_or_a_documented_error(name: str) -> None:
    """Mutations of the responses to checkpoints, and of pages of the state."""
    handler = HANDLERS[name]
    recorded(handler)
    for seed in seeds():
        chance = Random(f"answer {name} {seed}")
        service = Mutating(chance)
        event = service.event('{"n": 21}')
        try:
            outcome = handler.bind(service)(event, Context())
        except DOCUMENTED:
            continue
        except BaseException as error:
            error.add_note(f"WIRE_FUZZ_FROM={seed} WIRE_FUZZ=1")
            raise
        check(outcome, event, "", seed)


class Mutating(Strict):
    """Encodes its responses, mutates some of them, and decodes the bytes."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance

    async def checkpoint(self, request: Any) -> Any:
        answer = codec.encode_checkpoint_response(await super().checkpoint(request))
        return self._read(answer, codec.decode_checkpoint_response)

    def _read(self, body: bytes, decode: Any) -> Any:
        if self._chance.random() < 0.4:
            mutant = mutated(json.loads(body), self._chance)
            body = json.dumps(mutant).encode("utf-8", "surrogatepass")
        try:
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # As in the client, a malformed response counts as no response.
            raise ServiceError(f"not an answer: {error}") from error
