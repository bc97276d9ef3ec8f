"""Programs for the table about idempotency: each returns the verdict that its row has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from aws_lambda_powertools.middleware_factory.exceptions import MiddlewareInvalidArgumentError
from aws_lambda_powertools.utilities.idempotency import (
    BasePersistenceLayer,
    IdempotencyConfig,
    idempotent,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import DataRecord
from tests.powertools.lambda_rig import as_function, never_awaited, rig_of, run

from durable_execution_sdk import DurableContext, Duration, durable_execution


class MemoryLayer(BasePersistenceLayer):
    """Keep the records of Powertools in memory, by the rules of its layer for DynamoDB."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, DataRecord] = {}

    def _get_record(self, idempotency_key: str) -> DataRecord:
        if idempotency_key not in self.records:
            raise IdempotencyItemNotFoundError
        return self.records[idempotency_key]

    def _put_record(self, data_record: DataRecord) -> None:
        old = self.records.get(data_record.idempotency_key)
        if old is not None and not old.is_expired:
            raise IdempotencyItemAlreadyExistsError(old_data_record=old)
        self.records[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord) -> None:
        self.records[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: DataRecord) -> None:
        self.records.pop(data_record.idempotency_key, None)


@durable_execution
async def two_steps(event: Any, ctx: DurableContext) -> str:
    await ctx.step(lambda: None, name="first")
    await ctx.wait(Duration.from_seconds(5))
    await ctx.step(lambda: None, name="second")
    return "done"


def around() -> str:
    with pytest.raises(MiddlewareInvalidArgumentError):
        idempotent(two_steps, persistence_store=MemoryLayer())
    return "refused"


def around_a_function() -> str:
    for key in ("DurableExecutionArn", "InitialExecutionState.Operations[0].ExecutionDetails"):
        layer = MemoryLayer()
        config = IdempotencyConfig(event_key_jmespath=key)

        def wrap(handler: Any, layer: Any = layer, config: Any = config) -> Any:
            return idempotent(as_function(handler), persistence_store=layer, config=config)

        ran = run(two_steps, {}, wrap=wrap)
        [record] = layer.records.values()
        assert record.response_data == '{"Status": "PENDING"}'
        assert (ran.status, ran.error.error_message) == (
            "FAILED",
            "Cannot return PENDING status with no pending operations.",
        )
    return "wrong"


def whole_event() -> str:
    """Without a key the whole event is the key, and each invocation has another token in it."""
    layer = MemoryLayer()
    ran = run(two_steps, {}, wrap=lambda h: idempotent(as_function(h), persistence_store=layer))
    return "nothing" if (ran.status, len(layer.records)) == ("SUCCEEDED", 2) else "wrong"


def charged(function: Callable[[IdempotencyConfig, MemoryLayer, list[str]], Any]) -> Any:
    """Run two executions with the same order; return the statuses and the number of calls."""
    calls: list[str] = []
    config = IdempotencyConfig()
    charge = function(config, MemoryLayer(), calls)

    @durable_execution
    async def workflow(event: str, ctx: DurableContext) -> Any:
        config.register_lambda_context(ctx.lambda_context)
        return await ctx.step(partial(charge, order=event), name="charge")

    return [run(workflow, "A").status for _ in range(2)], calls


def plain_step() -> str:
    def make(config: IdempotencyConfig, layer: MemoryLayer, calls: list[str]) -> Any:
        @idempotent_function(data_keyword_argument="order", persistence_store=layer, config=config)
        def charge(*, order: str) -> dict[str, str]:
            calls.append(order)
            return {"charged": order}

        return charge

    return "once" if charged(make) == (["SUCCEEDED", "SUCCEEDED"], ["A"]) else "wrong"


def coroutine_step() -> str:
    def make(config: IdempotencyConfig, layer: MemoryLayer, calls: list[str]) -> Any:
        @idempotent_function(data_keyword_argument="order", persistence_store=layer, config=config)
        async def charge(*, order: str) -> dict[str, str]:
            calls.append(order)
            return {"charged": order}

        return charge

    with never_awaited():
        outcome = charged(make)
    return "wrong" if outcome == (["FAILED", "FAILED"], []) else str(outcome)


def same_name() -> str:
    rig = rig_of(two_steps)
    arns = {rig.start({"id": "A"}, name="order-A") for _ in range(2)}
    [arn] = arns
    assert rig.drive(arn).status == "SUCCEEDED"
    return "once" if rig.start({"id": "A"}, name="order-A") == arn else "again"


ROWS: dict[str, Callable[[], str]] = {
    "`idempotent` around the durable handler": around,
    "`idempotent` around a function that calls it, by the whole event": whole_event,
    "`idempotent` around a function that calls it, by the ARN or the input": around_a_function,
    "`@idempotent_function` on a plain `def` step": plain_step,
    "`@idempotent_function` on an `async def` step": coroutine_step,
    "the same `DurableExecutionName` with the same input": same_name,
}
