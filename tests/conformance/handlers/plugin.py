"""Observers: plugins that print a line of JSON for what they are told."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.conformance.handlers.step import NO_RETRY, SECOND, fail_once, greet

from durable_execution_sdk import (
    DurableContext,
    Duration,
    FixedDelay,
    ParallelConfig,
    StepConfig,
    StepContext,
    durable_execution,
)
from durable_execution_sdk.plugins import (
    AttemptInfo,
    DurablePlugin,
    InvocationEndInfo,
    InvocationInfo,
    OperationInfo,
)

RETRIED = StepConfig(retry_strategy=FixedDelay(delay=SECOND, max_attempts=2))


def say(arn: str, hook: str, plugin: str = "CONFPLUGIN", **fields: object) -> None:
    """Print a line that can be found by its execution; what is not known is left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    print(json.dumps({"plugin": plugin, "hook": hook, "durableExecutionArn": arn, **known}))


class Invocations(DurablePlugin):
    """Tells when invocations begin and end."""

    def __init__(self, name: str = "CONFPLUGIN") -> None:
        self.name = name

    def on_invocation_start(self, info: InvocationInfo) -> None:
        first = info.is_first_invocation
        say(info.execution_arn, "invocation-start", self.name, first=first)

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        say(info.execution_arn, "invocation-end", self.name, status=info.status)


class Attempts(DurablePlugin):
    """Tells of each attempt of a step."""

    def on_attempt_start(self, info: AttemptInfo) -> None:
        if info.type == "STEP":
            say(info.execution_arn, "attempt-start", n=info.attempt, op=info.id)

    def on_attempt_end(self, info: AttemptInfo) -> None:
        if info.type == "STEP":
            outcome = info.outcome
            say(info.execution_arn, "attempt-end", n=info.attempt, op=info.id, outcome=outcome)


class AttemptsAndEnds(Attempts):
    """Tells of attempts, and of the end of their step."""

    def on_operation_end(self, info: OperationInfo) -> None:
        if info.type == "STEP":
            say(info.execution_arn, "operation-end", op=info.id, status=info.status)


class Updates(DurablePlugin):
    """Tells of the waits that ended while nothing ran."""

    def on_invocation_start(self, info: InvocationInfo) -> None:
        for operation in info.updated_operations.values():
            if operation.type == "WAIT":
                say(
                    info.execution_arn,
                    "updated-on-invoke",
                    op=operation.id,
                    status=operation.status,
                    first=info.is_first_invocation,
                )


class Parents(DurablePlugin):
    """Tells which operation each one that ended belonged to."""

    def on_operation_end(self, info: OperationInfo) -> None:
        parent = info.parent_id or "NONE"
        say(info.execution_arn, "operation-end", op=info.id, parent=parent, status=info.status)


class Starts(DurablePlugin):
    """Tells whether a step starts for the first time."""

    def on_operation_start(self, info: OperationInfo) -> None:
        if info.type == "STEP":
            say(info.execution_arn, "operation-start", op=info.id, replay=info.is_replay)

    def on_operation_end(self, info: OperationInfo) -> None:
        if info.type == "STEP":
            say(info.execution_arn, "operation-end", op=info.id, status=info.status)


class Faulty(DurablePlugin):
    """Says its name and breaks, whatever it is told."""

    def _break(self, arn: str, hook: str) -> None:
        say(arn, hook, "CONFPLUGIN-FAULTY")
        raise RuntimeError(f"{hook} is broken")

    def on_invocation_start(self, info: InvocationInfo) -> None:
        self._break(info.execution_arn, "invocation-start")

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        self._break(info.execution_arn, "invocation-end")

    def on_operation_start(self, info: OperationInfo) -> None:
        self._break(info.execution_arn, "operation-start")

    def on_operation_end(self, info: OperationInfo) -> None:
        self._break(info.execution_arn, "operation-end")

    def on_attempt_start(self, info: AttemptInfo) -> None:
        self._break(info.execution_arn, "attempt-start")

    def on_attempt_end(self, info: AttemptInfo) -> None:
        self._break(info.execution_arn, "attempt-end")


class Healthy(Invocations):
    """Tells of invocations, steps and attempts."""

    def __init__(self) -> None:
        super().__init__("CONFPLUGIN-HEALTHY")

    def on_operation_start(self, info: OperationInfo) -> None:
        say(info.execution_arn, "operation-start", self.name, op=info.id)

    def on_operation_end(self, info: OperationInfo) -> None:
        say(info.execution_arn, "operation-end", self.name, op=info.id, status=info.status)

    def on_attempt_start(self, info: AttemptInfo) -> None:
        say(info.execution_arn, "attempt-start", self.name, op=info.id)

    def on_attempt_end(self, info: AttemptInfo) -> None:
        say(info.execution_arn, "attempt-end", self.name, op=info.id, outcome=info.outcome)


def moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


class InvocationDump(DurablePlugin):
    """Tells all that is known of an invocation."""

    def on_invocation_start(self, info: InvocationInfo) -> None:
        say(
            info.execution_arn,
            "invocation-start",
            updatedOperationsCount=len(info.updated_operations),
            **self._common(info),
        )

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        say(
            info.execution_arn,
            "invocation-end",
            status=info.status,
            terminal=info.status in ("SUCCEEDED", "FAILED"),
            executionError=info.execution_error and info.execution_error.error_message,
            **self._common(info),
        )

    def _common(self, info: InvocationInfo) -> dict[str, Any]:
        return {
            "isFirstInvocation": info.is_first_invocation,
            "requestId": info.request_id,
            "operationsCount": len(info.operations),
            "executionStartTimestamp": moment(info.execution_start_timestamp),
        }


class AttemptDump(DurablePlugin):
    """Tells all that is known of an attempt."""

    def on_attempt_start(self, info: AttemptInfo) -> None:
        self._dump("attempt-start", info)

    def on_attempt_end(self, info: AttemptInfo) -> None:
        self._dump("attempt-end", info)

    def _dump(self, hook: str, info: AttemptInfo) -> None:
        if info.type == "STEP":
            say(
                info.execution_arn,
                hook,
                id=info.id,
                name=info.name,
                type=info.type,
                subType=info.sub_type,
                parentId=info.parent_id,
                attempt=info.attempt,
                startTimestamp=moment(info.start_timestamp),
                endTimestamp=moment(info.end_timestamp),
                isReplay=info.is_replay,
                outcome=info.outcome,
                error=info.error and info.error.error_message,
            )


class ContextDump(DurablePlugin):
    """Tells all that is known of a context that starts, and of its function."""

    def on_operation_start(self, info: OperationInfo) -> None:
        if info.type == "CONTEXT":
            replay = info.is_replay
            say(info.execution_arn, "operation-start", isReplay=replay, **self._common(info))

    def on_attempt_start(self, info: AttemptInfo) -> None:
        if info.type == "CONTEXT":
            replay = info.is_replaying_children
            say(info.execution_arn, "fn-start", isReplayingChildren=replay, **self._common(info))

    def _common(self, info: OperationInfo | AttemptInfo) -> dict[str, Any]:
        return {
            "id": info.id,
            "name": info.name,
            "type": info.type,
            "subType": info.sub_type,
            "parentId": info.parent_id,
        }


async def fail() -> None:
    raise RuntimeError("this never works")


async def greet_and_log(name: str) -> str:
    StepContext.current().logger.info("Greeting step running for: %s", name)
    return f"Hello, {name}!"


@durable_execution(plugins=[Invocations()])
async def lifecycle(name: str, ctx: DurableContext) -> str:
    return await ctx.step(greet_and_log, name)


@durable_execution(plugins=[Attempts()])
async def attempts(event: None, ctx: DurableContext) -> str:
    return await ctx.step(fail_once, config=RETRIED)


@durable_execution(plugins=[Invocations("CONFPLUGIN-A"), Invocations("CONFPLUGIN-B")])
async def two_plugins(name: str, ctx: DurableContext) -> str:
    return await ctx.step(greet, name)


@durable_execution(plugins=[Invocations()])
async def failing(event: None, ctx: DurableContext) -> None:
    await ctx.step(fail, config=NO_RETRY)


@durable_execution(plugins=[Updates()])
async def waiting(event: None, ctx: DurableContext) -> None:
    await ctx.wait(Duration.from_seconds(2))


@durable_execution(plugins=[Parents()])
async def nested(name: str, ctx: DurableContext) -> str:
    async def inside(child: DurableContext) -> str:
        return await child.step(greet, name)

    return await ctx.run_in_child_context(inside)


@durable_execution(plugins=[Starts()])
async def replayed(event: None, ctx: DurableContext) -> str:
    await ctx.step(greet, "A")
    return await ctx.step(fail_once, config=RETRIED)


@durable_execution(plugins=[AttemptsAndEnds()])
async def exhausted(event: None, ctx: DurableContext) -> None:
    await ctx.step(fail, config=RETRIED)


@durable_execution(plugins=[Faulty(), Healthy()])
async def isolated(name: str, ctx: DurableContext) -> str:
    return await ctx.step(greet, name)


@durable_execution(plugins=[InvocationDump()])
async def invocation_fields(text: str, ctx: DurableContext) -> str:
    await ctx.wait(Duration.from_seconds(2))
    return f"done-{text}"


@durable_execution(plugins=[AttemptDump()])
async def attempt_fields(event: None, ctx: DurableContext) -> str:
    async def flaky() -> str:
        if StepContext.current().attempt == 1:
            raise RuntimeError("not yet")
        return "ok"

    return await ctx.step(flaky, config=RETRIED)


@durable_execution(plugins=[ContextDump()])
async def context_fields(event: None, ctx: DurableContext) -> list[str]:
    async def inner() -> str:
        return "x"

    async def branch_a(branch: DurableContext) -> str:
        await branch.step(inner)
        await branch.wait(Duration.from_seconds(2))
        return "a-done"

    async def branch_b(branch: DurableContext) -> str:
        return "b-done"

    branches = {"branch-a": branch_a, "branch-b": branch_b}
    batch = await ctx.parallel(branches, name="ctx", config=ParallelConfig(max_concurrency=1))
    return batch.results()


HANDLERS = {
    "10-1": lifecycle,
    "10-3": attempts,
    "10-5": two_plugins,
    "10-7": failing,
    "10-9": waiting,
    "10-11": nested,
    "10-13": replayed,
    "10-15": exhausted,
    "10-17": isolated,
    "10-19": invocation_fields,
    "10-21": attempt_fields,
    "10-23": context_fields,
}
