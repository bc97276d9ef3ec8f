"""Programs for the table about batches: each returns the verdict that its row has."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    BatchProcessor,
    EventType,
    async_process_partial_response,
    process_partial_response,
)
from tests.powertools.lambda_rig import never_awaited, run
from tests.powertools.queue import sqs_event

from durable_execution_sdk import CompletionConfig, DurableContext, MapConfig, durable_execution

EVENT = sqs_event({"id": "A"}, {"id": "B"})


def in_workflow_code() -> str:
    processor = BatchProcessor(event_type=EventType.SQS)

    def pay(body: str) -> None:
        raise ValueError(body)

    @durable_execution
    async def workflow(event: dict[str, Any], ctx: DurableContext) -> Any:
        def handle(record: Any) -> Any:
            return ctx.step(pay, record.body, name="pay")

        return process_partial_response(
            event=event, record_handler=handle, processor=processor, context=ctx.lambda_context
        )

    ran = run(workflow, EVENT)
    # It tells the queue that all is done, though no step has ended.
    assert not {"StepSucceeded", "StepFailed"} & set(ran.types())
    return "wrong" if ran.result == {"batchItemFailures": []} else str(ran.error)


def async_in_workflow_code() -> str:
    processor = AsyncBatchProcessor(event_type=EventType.SQS)

    @durable_execution
    async def workflow(event: dict[str, Any], ctx: DurableContext) -> Any:
        async def handle(record: Any) -> None:
            await ctx.step(lambda: None, name="pay")

        return async_process_partial_response(
            event=event, record_handler=handle, processor=processor, context=ctx.lambda_context
        )

    with never_awaited():
        ran = run(workflow, EVENT)
    assert ran.status == "FAILED"
    return "refused" if "asyncio.run()" in ran.error.error_message else "wrong"


def mapped() -> str:
    def pay(order: dict[str, str]) -> None:
        if order["id"] == "B":
            raise ValueError("declined")

    async def handle(ctx: DurableContext, record: dict[str, Any], index: int) -> None:
        await ctx.step(pay, json.loads(record["body"]))

    @durable_execution
    async def workflow(event: dict[str, Any], ctx: DurableContext) -> Any:
        records = event["Records"]
        every = MapConfig(completion=CompletionConfig.all_completed())
        batch = await ctx.map(records, handle, config=every)
        failed = [records[item.index]["messageId"] for item in batch.failed()]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}

    result = run(workflow, EVENT).result
    return (
        "works" if result == {"batchItemFailures": [{"itemIdentifier": "message-1"}]} else "wrong"
    )


ROWS: dict[str, Callable[[], str]] = {
    "`process_partial_response` in workflow code": in_workflow_code,
    "`async_process_partial_response` in workflow code": async_in_workflow_code,
    "`ctx.map` over the records of a durable function behind the queue": mapped,
}
