"""``ctx.continue_as_new``: one next execution whatever happens, and an end that points to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from tests.rig import Ran, Rig, rig_of

from durable_execution_sdk import (
    CheckpointingMode,
    ContextMisuseError,
    ContinueAsNewError,
    DurableContext,
    Duration,
    FixedDelay,
    NoRetry,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.client.fork import fork
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.emulator.faults.injection import FaultyPlane
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol.continuation import (
    Continuation,
    continuation_of,
    next_name,
    pointer_text,
)
from durable_execution_sdk.protocol.control_plane import InvokeRequest, InvokeResponse
from durable_execution_sdk.protocol.data_plane import CheckpointRequest, CheckpointResponse
from durable_execution_sdk.testing import MockDurableServiceClient
from durable_execution_sdk.testing.faults import Faults

MIB = 1024 * 1024
MODES = list(CheckpointingMode)
ONE_TRY = NoRetry()


def executions(rig: Rig) -> dict[str, tuple[str, Any, str | None]]:
    """Return all executions by name, the first first: status, input, and the name as which they went on."""
    found: dict[str, tuple[str, Any, str | None]] = {}
    for record in rig.store.search(Search(oldest_first=True)):
        described = rig.emulator.describe(record.arn)
        pointer = continuation_of(record.arn, described.result)
        found[described.durable_execution_name] = (
            described.status,
            json.loads(described.input_payload or "null"),
            pointer and pointer.name,
        )
    return found


async def counts(event: Any, ctx: DurableContext) -> Any:
    """Go on as new until the input is 3."""
    await ctx.step(lambda: None, name="work")
    await ctx.wait(Duration.from_seconds(5))
    if event < 3:
        await ctx.continue_as_new(event + 1)
    return event


def drive_all(rig: Rig, arn: str) -> Ran:
    """Drive an execution and those as which it goes on; return the last."""
    while True:
        ran = rig.drive(arn)
        pointer = continuation_of(arn, rig.emulator.describe(arn).result)
        if pointer is None:
            return ran
        assert pointer.arn is not None
        arn = pointer.arn


def test_a_chain_goes_on_to_its_end() -> None:
    rig = rig_of(counts)
    assert drive_all(rig, rig.start(1, "count")).result == 3
    found = executions(rig)
    first, second, third = found
    assert first == "count"
    assert second.startswith("count-run2-")
    assert third.startswith("count-run3-")
    assert found[first] == ("SUCCEEDED", 1, second)
    assert found[second] == ("SUCCEEDED", 2, third)
    assert found[third] == ("SUCCEEDED", 3, None)


# Crashes.


class Starting(ForwardingDataPlane):
    """A data plane that counts starts, and may lose the answers to them, or be refused."""

    def __init__(self, plane: DataPlane, answers: list[Any], requests: list[InvokeRequest]) -> None:
        super().__init__(plane)
        self._answers = answers
        self._requests = requests

    async def start_execution(self, request: InvokeRequest) -> InvokeResponse:
        self._requests.append(request)
        error = self._answers.pop(0) if self._answers else None
        if isinstance(error, ServiceError):
            raise error
        response = await super().start_execution(request)
        if error == "lost":
            raise ServiceError("the connection was lost before the answer came")
        return response


def starting(
    workflow: Any, answers: list[Any] | None = None, **options: Any
) -> tuple[Rig, list[InvokeRequest]]:
    requests: list[InvokeRequest] = []
    wrappers = Wrappers(data_plane=lambda plane: Starting(plane, answers or [], requests))
    return rig_of(workflow, options=options, wrappers=wrappers), requests


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("when", ["before", "after", "response_lost"])
def test_a_crash_anywhere_leads_to_one_next_execution(when: When, mode: CheckpointingMode) -> None:
    inputs = iter(range(1000))

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if event is None:
            await ctx.step(lambda: None, name="work")
            # Another input at each attempt: the recorded one is sent, or the first that was sent.
            await ctx.continue_as_new({"input": next(inputs)})
        return event

    def run(at: int | None) -> tuple[Rig, Faults]:
        faults = Faults()
        if at is not None:
            faults.crash_at(checkpoint=at, when=when)
        arns: list[str] = []
        rig = rig_of(
            workflow,
            options={"checkpointing": mode},
            wrappers=Wrappers(
                data_plane=lambda plane: FaultyPlane(
                    plane, faults, VirtualClock(), lambda arn: arn in arns
                ),
                invoker=lambda invoker: lambda call: (faults.invocation_begins(), invoker(call))[1],
            ),
        )
        arns.append(rig.start(name="first"))
        drive_all(rig, arns[0])
        return rig, faults

    calm, faults = run(None)
    assert len(executions(calm)) == 2
    assert faults.checkpoints >= 3
    for at in range(1, faults.checkpoints + 1):
        rig, struck = run(at)
        assert not struck.left, at
        found = executions(rig)
        assert len(found) == 2, (at, found)
        (name, first), (following, second) = found.items()
        assert (name, first[0], first[2]) == ("first", "SUCCEEDED", following)
        assert second[0] == "SUCCEEDED"


@pytest.mark.parametrize("mode", MODES)
def test_the_input_is_recorded_before_the_start(mode: CheckpointingMode) -> None:
    seen: list[str] = []

    class Watching(ForwardingDataPlane):
        async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
            response = await super().checkpoint(request)
            seen.extend(
                f"{update.name} {update.action}" for update in request.updates if update.name
            )
            return response

        async def start_execution(self, request: InvokeRequest) -> InvokeResponse:
            seen.append("start")
            return await super().start_execution(request)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if event is None:
            await ctx.continue_as_new(1)

    rig = rig_of(workflow, options={"checkpointing": mode}, wrappers=Wrappers(data_plane=Watching))
    rig.drive(rig.start())
    assert "continue_as_new input SUCCEED" in seen[: seen.index("start")]


def test_a_lost_answer_to_the_start_is_repeated_with_the_same_request() -> None:
    rig, requests = starting(counts, ["lost", "lost"])
    arn = rig.start(2, "count")
    assert drive_all(rig, arn).result == 3
    assert len(requests) == 3
    assert all(request == requests[0] for request in requests)
    assert list(executions(rig)) == ["count", next_name(arn)]


def test_a_name_that_is_taken_counts_as_started() -> None:
    taken = ServiceError("exists", code="DurableExecutionAlreadyStartedException", status=409)
    rig, requests = starting(counts, [taken])
    arn = rig.start(2, "count")
    assert rig.drive(arn).status == "SUCCEEDED"
    pointer = continuation_of(arn, rig.emulator.describe(arn).result)
    assert pointer == Continuation(of=arn, name=next_name(arn), function="workflow:$LATEST")
    assert len(requests) == 1


def test_the_engine_says_that_a_name_is_taken() -> None:
    rig = rig_of(counts)
    arn = rig.start(2, "count")
    taken = rig.start("something else", next_name(arn))
    assert rig.drive(arn).result == {"goes on as": next_name(arn)}
    assert list(executions(rig)) == ["count", next_name(arn)]
    assert rig.emulator.describe(taken).input_payload == '"something else"'


# Failures.

DENIED = ServiceError("not authorized", code="AccessDeniedException", status=403)


def test_a_start_that_fails_for_good_can_be_caught() -> None:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.continue_as_new(1, retry_strategy=FixedDelay(max_attempts=3))
        except ContinueAsNewError as error:
            seen.append((error.attempts, str(error), isinstance(error, ServiceError)))
        return await ctx.step(lambda: "cleaned up", name="clean up")

    rig, requests = starting(workflow, [DENIED] * 3)
    ran = rig.drive(rig.start(name="job"))
    assert (ran.status, ran.result) == ("SUCCEEDED", "cleaned up")
    attempts, message, is_service_error = seen[-1]
    assert (attempts, len(requests), is_service_error) == (3, 3, True)
    assert f"could not start the execution {next_name(ran.arn)} of workflow:$LATEST" in message
    assert "needs lambda:InvokeFunction" in message


def test_another_input_after_a_start_whose_answer_was_lost_is_not_dropped_in_silence() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if event is not None:
            return event
        try:
            await ctx.continue_as_new("first", retry_strategy=ONE_TRY)
        except ContinueAsNewError as error:
            seen.append(str(error))
        await ctx.wait(Duration.from_seconds(1))
        try:
            await ctx.continue_as_new("second")
        except ContinueAsNewError as error:
            seen.append(str(error))
        await ctx.continue_as_new("first")

    rig, requests = starting(workflow, ["lost"])
    arn = rig.start(None, "job")
    assert drive_all(rig, arn).result == "first"
    assert list(executions(rig)) == ["job", next_name(arn)]
    assert len(requests) == 3  # the refusal is not tried again
    lost, refused = seen[-2:]
    assert "the connection was lost" in lost
    assert "it may have been started all the same" in lost
    assert f"{next_name(arn)} of workflow:$LATEST runs already, with another input" in refused
    assert "Let each call have the same input" in refused


def test_another_input_after_a_start_that_was_given_up_is_not_dropped_in_silence() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if event is not None:
            return event
        hourly = FixedDelay(max_attempts=2, delay=Duration.from_hours(1))
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                await ctx.continue_as_new("first", retry_strategy=hourly)
        await ctx.continue_as_new("second")

    rig, _ = starting(workflow, ["lost"])
    ran = rig.drive(rig.start(None, "job"))
    assert ran.status == "FAILED"
    assert "runs already, with another input" in ran.error.error_message


def test_a_start_that_fails_for_good_fails_the_execution() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.continue_as_new(1, retry_strategy=ONE_TRY)

    gone = ServiceError("Function not found", code="ResourceNotFoundException", status=404)
    rig, _ = starting(workflow, [gone])
    ran = rig.drive(rig.start())
    assert ran.status == "FAILED"
    assert "of workflow:$LATEST: Function not found" in ran.error.error_message
    assert "lambda:InvokeFunction" not in ran.error.error_message


def test_a_start_is_retried_by_the_handlers_default() -> None:
    rig, requests = starting(
        counts, [DENIED], default_retry=FixedDelay(max_attempts=2, delay=Duration.from_hours(1))
    )
    assert drive_all(rig, rig.start(2)).result == 3
    assert len(requests) == 2
    assert rig.clock.now() - VirtualClock().now() > 3_600_000


def test_a_data_plane_that_cannot_start_executions_is_named() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.continue_as_new(1, retry_strategy=ONE_TRY)

    service = MockDurableServiceClient()
    outcome = service.invoke(durable_execution(workflow), None)
    assert outcome.status == "FAILED"
    assert outcome.error is not None
    assert "MockDurableServiceClient has no method start_execution" in (
        outcome.error.error_message or ""
    )


# The input.


@dataclass
class Month:
    number: int
    total: float = 0.0


async def monthly(event: Month, ctx: DurableContext) -> float:
    if event.number < 3:
        await ctx.continue_as_new(Month(event.number + 1, event.total + 0.5))
    return event.total


def test_the_input_has_the_type_of_the_handlers_event() -> None:
    rig = rig_of(monthly)
    assert drive_all(rig, rig.start({"number": 1})).result == 1.0
    assert [found[1] for found in executions(rig).values()][1:] == [
        {"number": 2, "total": 0.5},
        {"number": 3, "total": 1.0},
    ]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"number": "two"}, "the input of the next execution (ctx.continue_as_new): the payload"),
        (object(), "the input of the next execution (ctx.continue_as_new)"),
        ({"number": 1, "total": float("inf")}, "the input of the next execution"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_and_nothing_is_recorded(
    event: Any, message: str
) -> None:
    async def workflow(_: Month, ctx: DurableContext) -> Any:
        await ctx.continue_as_new(event)

    rig = rig_of(workflow)
    ran = rig.drive(rig.start({"number": 1}))
    assert (ran.status, ran.error.error_type) == ("FAILED", "SerDesError")
    assert message in ran.error.error_message
    assert "StepStarted" not in ran.types()
    assert len(executions(rig)) == 1


def test_an_input_above_the_limit_is_refused_and_nothing_is_recorded() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.continue_as_new("x" * (MIB - event))

    rig = rig_of(workflow)
    assert drive_all(rig, rig.start(2)).error is not None  # the next one has an input of 1 MiB
    first, second = executions(rig).values()
    assert (first[0], len(second[1])) == ("SUCCEEDED", MIB - 2)
    refused = rig.drive(rig.start(1))
    assert refused.error.error_type == "PayloadSizeError"
    assert "is 1,048,577 bytes of JSON; an asynchronous invocation takes at most 1,048,576" in (
        refused.error.error_message
    )
    assert "StepStarted" not in refused.types()


def test_the_handlers_serdes_writes_the_input() -> None:
    class Upper:
        def serialize(self, value: Any, context: Any, /) -> str:
            return json.dumps(str(value).upper())

        def deserialize(self, payload: str, context: Any, /) -> Any:
            return json.loads(payload).lower()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if event == "one":
            await ctx.continue_as_new("two")
        return event

    rig = rig_of(workflow, options={"serdes": Upper()})
    assert drive_all(rig, rig.start("ONE")).result == "TWO"
    assert [found[1] for found in executions(rig).values()] == ["ONE", "TWO"]


# The place of the call, and the code around it.


@pytest.mark.parametrize("kind", ["child", "virtual", "map", "step"])
def test_only_the_handlers_own_context_may_go_on(kind: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def inner(child: DurableContext, *_: Any) -> None:
            await child.continue_as_new(1)

        async def body() -> None:
            await ctx.continue_as_new(1)

        if kind == "child":
            await ctx.run_in_child_context(inner)
        elif kind == "virtual":
            from durable_execution_sdk import ChildConfig

            await ctx.run_in_child_context(inner, config=ChildConfig(virtual=True))
        elif kind == "map":
            (await ctx.map([1], inner)).throw_if_error()
        else:
            await ctx.step(body, config=StepConfig(retry_strategy=ONE_TRY))

    rig = rig_of(workflow)
    ran = rig.drive(rig.start())
    assert (ran.status, ran.error.error_type) == ("FAILED", ContextMisuseError.__name__)
    if kind != "step":
        assert "call ctx.continue_as_new in the handler" in ran.error.error_message
    assert len(executions(rig)) == 1


def test_no_code_after_it_runs_and_cleanup_does() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if event is not None:
            return event

        async def side() -> None:
            try:
                await ctx.wait(Duration.from_hours(1))
                seen.append("side")
            finally:
                seen.append("finally of the side")

        task = asyncio.create_task(side())
        try:
            await ctx.continue_as_new(1)
            seen.append("after")
        except Exception:
            seen.append("except")
        finally:
            seen.append("finally")
        await task

    rig = rig_of(workflow)
    assert drive_all(rig, rig.start()).result == 1
    assert sorted(seen) == ["finally", "finally of the side"]


def test_a_task_of_the_handler_may_go_on() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def leave() -> None:
            await ctx.wait(Duration.from_seconds(3))
            await ctx.continue_as_new(1)

        if event is None:
            task = asyncio.create_task(leave())
            await asyncio.gather(task, ctx.wait(Duration.from_hours(1)))
        return event

    rig = rig_of(workflow)
    assert drive_all(rig, rig.start()).result == 1
    assert len(executions(rig)) == 2


@pytest.mark.parametrize("qualifier", ["", "a b", "$NEWEST", 7, "x" * 129])
def test_a_qualifier_has_to_be_a_version_or_an_alias(qualifier: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.continue_as_new(1, qualifier=qualifier)

    rig = rig_of(workflow)
    ran = rig.drive(rig.start())
    assert ran.error.error_type == "ConfigError"
    assert "qualifier='live'" in ran.error.error_message


@pytest.mark.parametrize(("qualifier", "function"), [(None, "$LATEST"), ("live", "live")])
def test_the_next_execution_runs_the_version_that_is_asked_for(
    qualifier: str | None, function: str
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if event is None:
            await ctx.continue_as_new(1, qualifier=qualifier)

    rig, requests = starting(workflow)
    arn = rig.start()
    drive_all(rig, arn)
    assert [request.function_name for request in requests] == [f"workflow:{function}"]
    pointer = continuation_of(arn, rig.emulator.describe(arn).result)
    assert pointer is not None
    assert pointer.function == f"workflow:{function}"


def test_a_tenant_stays_the_tenant() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if event is None:
            await ctx.continue_as_new(1)

    rig, requests = starting(workflow)
    arn = rig.emulator.start(
        InvokeRequest(function_name="workflow:$LATEST", payload=b"null", tenant_id="blue")
    )
    drive_all(rig, arn)
    assert [request.tenant_id for request in requests] == ["blue"]


# The pointer and the name.


def test_a_result_that_another_execution_pointed_with_is_data() -> None:
    foreign = pointer_text(Continuation(of="arn:of:another", name="n", function="f:1", arn="a"))

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return json.loads(foreign)

    rig = rig_of(workflow)
    ran = rig.drive(rig.start())
    assert ran.result == json.loads(foreign)


@pytest.mark.parametrize(
    "result", [None, "", "null", '{"durable_continued_as":', '{"durable_continued_as": 1}', "[" * 9]
)
def test_no_other_result_is_a_pointer(result: str | None) -> None:
    assert continuation_of("arn", result) is None


def arn_of(name: str, run: str = "1") -> str:
    return f"arn:aws:lambda:eu-west-1:123456789012:function:f:7/durable-execution/{name}/{run}"


@pytest.mark.parametrize("name", ["a", "x" * 64, "fork-" + "a" * 56, "job-run7-abc", "-", "run2"])
def test_names_stay_within_64_characters_in_a_chain_of_any_length(name: str) -> None:
    first, seen = name, {name}
    for number in range(2, 1_200):
        name = next_name(arn_of(name, str(number)))
        assert len(name) <= 64
        assert f"-run{number}-" in name
        assert not name.startswith("fork-")
        assert name not in seen
        seen.add(name)
    assert first[:5] in name or first.startswith("fork-")


def test_a_name_follows_from_the_execution_and_not_from_its_name_alone() -> None:
    assert next_name(arn_of("job", "1")) == next_name(arn_of("job", "1"))
    assert next_name(arn_of("job", "1")) != next_name(arn_of("job", "2"))
    assert next_name("anything") == next_name("anything")
    assert next_name("anything").startswith("execution-run2-")


# Forks.


Forked = Callable[[Rig, str, str | None], str]


def in_the_store(rig: Rig, arn: str, before: str | None) -> str:
    return rig.emulator.fork(arn, before=before)


def over_the_api(rig: Rig, arn: str, before: str | None) -> str:
    return asyncio.run(fork(EmulatorControlPlane(rig.driver), arn, before=before))


@pytest.mark.parametrize("forked", [in_the_store, over_the_api])
@pytest.mark.parametrize("cut", [None, "work", "continue_as_new input", "continue_as_new"])
def test_a_fork_goes_on_under_a_name_of_its_own(forked: Forked, cut: str | None) -> None:
    rig = rig_of(counts)
    arn = rig.start(2, "count")
    origin = rig.drive(arn)
    before = next((each.id for each in origin.events if cut and each.name == cut), None)
    assert (before is None) == (cut is None)
    fork_arn = forked(rig, arn, before)
    assert len(executions(rig)) == 3  # the fork itself starts nothing
    assert drive_all(rig, fork_arn).result == 3
    found = executions(rig)
    assert len(found) == 4
    pointers = [each[2] for each in found.values()]
    assert next_name(arn) in pointers
    assert next_name(fork_arn) in pointers
    assert found[next_name(fork_arn)][1] == 3
    # A fork of the fork too.
    again = forked(rig, fork_arn, None)
    assert drive_all(rig, again).result == 3
    assert len(executions(rig)) == 6
