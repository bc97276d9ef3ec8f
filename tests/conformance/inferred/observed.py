"""Observers, beyond what the requirements at hand ask."""

from __future__ import annotations

from typing import Any

from tests.conformance.handlers.plugin import (
    RETRIED,
    Invocations,
    Parents,
    Starts,
    moment,
    say,
)
from tests.conformance.handlers.step import SECOND, fail_once, greet
from tests.conformance.handlers.wait_for_callback import submit
from tests.conformance.inferred.story import InferredRequirement, success

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.plugins import DurablePlugin, OperationChangeInfo, OperationInfo


class OperationDump(DurablePlugin):
    """Tells all that is known of an operation."""

    def on_operation_start(self, info: OperationInfo) -> None:
        self._dump("operation-start", info)

    def on_operation_change(self, info: OperationInfo) -> None:
        self._dump("operation-change", info)

    def on_operation_end(self, info: OperationInfo) -> None:
        self._dump("operation-end", info)

    def on_operation_replay(self, info: OperationInfo) -> None:
        self._dump("operation-replay", info)

    def _dump(self, hook: str, info: OperationInfo) -> None:
        say(
            info.execution_arn,
            hook,
            id=info.id,
            name=info.name,
            type=info.type,
            subType=info.sub_type,
            parentId=info.parent_id,
            status=info.status,
            attempt=info.attempt,
            startTimestamp=moment(info.start_timestamp),
            endTimestamp=moment(info.end_timestamp),
            isReplay=info.is_replay,
            result=info.result,
            error=info.error and info.error.error_message,
        )


class Deltas(DurablePlugin):
    """Tells what has changed, and what there is in all."""

    def on_operation_change(self, info: OperationChangeInfo) -> None:
        for changed in info.updated_operations.values():
            say(
                info.execution_arn,
                "operation-change",
                op=changed.id,
                status=changed.status,
                deltaCount=len(info.updated_operations),
                operationsCount=len(info.operations),
                inMap=info.operations[changed.id].status,
                types=sorted({each.type for each in info.operations.values()}),
            )


@durable_execution(plugins=[Deltas()])
async def changing(event: None, ctx: DurableContext) -> str:
    await ctx.step(greet, "A", name="first")
    await ctx.wait(SECOND)
    return await ctx.step(fail_once, name="flaky", config=RETRIED)


@durable_execution(plugins=[Invocations()])
async def two_invocations(event: None, ctx: DurableContext) -> None:
    ctx.logger.info("before the wait")
    await ctx.wait(SECOND)
    ctx.logger.info("after the wait")


@durable_execution(plugins=[Starts(), Parents()])
async def ended_outside(name: str, ctx: DurableContext) -> Any:
    return await ctx.wait_for_callback(submit, name=name)


@durable_execution(plugins=[OperationDump()])
async def operation_fields(event: None, ctx: DurableContext) -> str:
    await ctx.step(greet, "A", name="first")
    return await ctx.step(fail_once, name="flaky", config=RETRIED)


def told(hook: str, count: int | None = 1, **fields: Any) -> dict[str, Any]:
    """A record that has to be there as often as that."""
    entry: dict[str, Any] = {"match": {"plugin": "CONFPLUGIN", "hook": hook, **fields}}
    return entry if count is None else {**entry, "count": count}


def after(entry: dict[str, Any], *anchors: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "after": list(anchors)}


DATE = r"/^\d{4}-/"

INFERRED = [
    InferredRequirement(
        "observers of two invocations",
        two_invocations,
        """
        WaitStarted/Wait W
        InvocationCompleted
        WaitSucceeded/Wait W
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=None,
        logs=[
            told("invocation-start", 1, first=True),
            told("invocation-start", 1, first=False),
            told("invocation-end", 2),
            after(told("invocation-end", 1, status="PENDING"), {"message": "before the wait"}),
            after(told("invocation-start", 1, first=False), {"status": "PENDING"}),
            after(
                {"match": {"message": "after the wait"}, "count": 1},
                {"hook": "invocation-start", "first": False},
            ),
            after(told("invocation-end", 1, status="SUCCEEDED"), {"message": "after the wait"}),
            told("invocation-end", 0, status="FAILED"),
        ],
    ),
    InferredRequirement(
        "observers of what ended outside",
        ended_outside,
        """
        ContextStarted/WaitForCallback W Name=ask
        CallbackStarted/Callback C <W
        StepStarted/Step S <W
        StepSucceeded/Step S <W
        InvocationCompleted
        CallbackSucceeded/Callback C <W
        ContextSucceeded/WaitForCallback W
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="ask",
        result="yes",
        actions=[success(payload="yes")],
        logs=[
            told("operation-start", 1, op="${S}", replay=False),
            told("operation-start", 0, op="${S}", replay=True),
            told("operation-end", 1, op="${S}", parent="${W}", status="SUCCEEDED"),
            told("operation-end", 1, op="${C}", parent="${W}", status="SUCCEEDED"),
            after(
                told("operation-end", 1, op="${W}", parent="NONE", status="SUCCEEDED"),
                {"hook": "operation-end", "op": "${C}"},
            ),
        ],
    ),
    InferredRequirement(
        "observers of all that is known of an operation",
        operation_fields,
        """
        StepStarted/Step A Name=first
        StepSucceeded/Step A Name=first
        StepStarted/Step B Name=flaky
        StepFailed/Step B Name=flaky
        InvocationCompleted
        StepStarted/Step B Name=flaky
        StepSucceeded/Step B Name=flaky
        InvocationCompleted
        ExecutionSucceeded
        """,
        result="Operation succeeded",
        logs=[
            told(
                "operation-start",
                id="${A}",
                name="first",
                type="STEP",
                subType="Step",
                status="STARTED",
                attempt=1,
                isReplay=False,
                startTimestamp=DATE,
            ),
            told(
                "operation-end",
                id="${A}",
                status="SUCCEEDED",
                result='"Hello, A!"',
                isReplay=False,
                startTimestamp=DATE,
                endTimestamp=DATE,
            ),
            told("operation-replay", id="${A}", status="SUCCEEDED", isReplay=True),
            told("operation-replay", 0, id="${B}"),
            told("operation-start", id="${B}", attempt=1, isReplay=False),
            told("operation-change", id="${B}", status="PENDING", error="not yet"),
            told("operation-start", id="${B}", attempt=2, isReplay=True),
            told("operation-end", id="${B}", attempt=2, status="SUCCEEDED"),
            told("operation-end", 2),
            told("operation-end", 0, error="/.*/"),
        ],
    ),
    InferredRequirement(
        "observers of what changes, and of all there is",
        changing,
        """
        StepStarted/Step A Name=first
        StepSucceeded/Step A Name=first Result.Payload='"Hello,_A!"' Result.Truncated=*
        WaitStarted/Wait W
        InvocationCompleted
        WaitSucceeded/Wait W
        StepStarted/Step B Name=flaky
        StepFailed/Step B Name=flaky Error.Payload.ErrorType=* Error.Truncated=*
        InvocationCompleted
        StepStarted/Step B Name=flaky
        StepSucceeded/Step B Name=flaky
        InvocationCompleted
        ExecutionSucceeded
        """,
        result="Operation succeeded",
        logs=[
            told(
                "operation-change",
                op="${A}",
                status="SUCCEEDED",
                deltaCount=1,
                operationsCount=2,
                inMap="SUCCEEDED",
            ),
            told("operation-change", op="${W}", status="STARTED", operationsCount=3),
            told("operation-change", op="${W}", status="SUCCEEDED", operationsCount=3),
            told("operation-change", op="${B}", status="PENDING", operationsCount=4),
            told("operation-change", op="${B}", status="SUCCEEDED", operationsCount=4),
            told("operation-change", 0, op="${A}", status="FAILED"),
        ],
    ),
]
