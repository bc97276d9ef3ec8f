"""The parts of the adapters that need no framework: marks, model requests, tools, approvals."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import anyio
import pytest

from durable_execution_sdk import (
    ConfigError,
    ContextMisuseError,
    DurableContext,
    Duration,
    ExponentialBackoff,
    FixedDelay,
    NoRetry,
    StepSemantics,
    durable_execution,
)
from durable_execution_sdk.agents import (
    Decision,
    ModelBackoff,
    ModelOptions,
    Question,
    ToolOptions,
    ask_person,
    at_most_once,
    human_approval,
    in_workflow,
    person_tool,
    tool_options,
)
from durable_execution_sdk.agents.approval import refusal_text
from durable_execution_sdk.agents.backoff import retry_after_seconds
from durable_execution_sdk.agents.marks import check_tool_names, marks_of, options_of
from durable_execution_sdk.agents.model_requests import request_model
from durable_execution_sdk.agents.payloads import PydanticSerDes
from durable_execution_sdk.agents.single_attempts import single_attempts
from durable_execution_sdk.agents.tool_calls import current_context, run_tool
from durable_execution_sdk.testing import LocalDurableTestRunner

DAY = Duration.from_days(1)


def run(handler: Any, event: Any = None) -> Any:
    return LocalDurableTestRunner(durable_execution(handler)).run_sync(event)


# The context of the code that runs.


def test_the_current_context_is_that_of_the_innermost_function() -> None:
    async def child(inner: DurableContext) -> list[str]:
        await DurableContext.current().step(lambda: 1, name="in the child")
        return ["child"]

    async def item(inner: DurableContext, value: int, index: int) -> int:
        return await DurableContext.current().step(lambda: value, name=f"item {index}")

    async def task() -> None:
        await DurableContext.current().step(lambda: 2, name="in a task")

    async def handler(event: Any, ctx: DurableContext) -> Any:
        await DurableContext.current().step(lambda: 0, name="first")
        await asyncio.gather(task(), ctx.run_in_child_context(child), ctx.map([7], item))
        async with anyio.create_task_group() as group:
            group.start_soon(task)
        return (
            await ctx.step(lambda: 3, name="last"),
            DurableContext.current().execution_arn == ctx.execution_arn,
        )

    result = run(handler)
    assert result.result == [3, True]
    parents = {each.name: each.parent_id for each in result.operations}
    assert parents["in the child"] == next(
        each.id for each in result.operations if each.name == "child"
    )
    assert parents["first"] is parents["in a task"] is None
    assert parents["item 0"] is not None


def in_thread(call: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("step", "inside a step: a step's body is plain code"),
        ("plain step", "inside a step: a step's body is plain code"),
        ("thread with the context", "make it async def, so that it runs in the workflow's task"),
        ("thread without", "where no workflow runs, in the thread 'of-a-framework'"),
        ("outside", "decorated with @durable_execution"),
    ],
)
def test_there_is_no_current_context_elsewhere_and_the_error_says_how_to_get_one(
    where: str, words: str
) -> None:
    def look() -> str:
        try:
            DurableContext.current()
        except ContextMisuseError as error:
            return str(error)
        return "allowed"

    async def body() -> str:
        return look()

    def in_bare_thread() -> str:
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(look()), name="of-a-framework")
        thread.start()
        thread.join()
        return found[0]

    async def handler(event: Any, ctx: DurableContext) -> str:
        match where:
            case "step":
                return await ctx.step(body)
            case "plain step":
                return await ctx.step(look)
            case "thread with the context":
                return await asyncio.to_thread(look)
            case _:
                return in_bare_thread()

    found = look() if where == "outside" else run(handler).result
    assert words in found
    assert found.startswith("DurableContext.current() was called")


def test_agents_run_as_they_are_outside_of_workflow_code_and_are_refused_in_its_threads() -> None:
    assert current_context() is None

    async def handler(event: Any, ctx: DurableContext) -> Any:
        inside = await ctx.step(lambda: current_context() is None, name="step")
        try:
            await asyncio.to_thread(current_context)
        except ContextMisuseError:
            return inside, current_context() is not None

    assert run(handler).result == [True, True]


def test_nothing_of_a_framework_is_loaded_by_the_package() -> None:
    code = (
        "import sys, durable_execution_sdk.agents as agents; [getattr(agents, name) for name in agents.__all__];"
        "sys.exit(bool({'pydantic', 'pydantic_ai', 'agents', 'strands', 'langchain'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Marks.


def test_marks_are_found_through_wrappers_and_add_up() -> None:
    approval = human_approval()

    @at_most_once
    @approval
    async def refund(order: str) -> None: ...

    @functools.wraps(refund)
    async def wrapped(order: str) -> None: ...

    for function in (refund, wrapped, functools.partial(refund, "17")):
        marks = marks_of(function)
        assert marks.at_most_once
        assert marks.approval is approval
    assert marks_of(print) == marks_of(None) == ToolOptions()
    assert options_of("refund", refund, {"refund": ToolOptions()}) == ToolOptions()
    assert options_of("refund", refund, {"other": ToolOptions()}).at_most_once


def test_a_mark_becomes_the_configuration_of_the_step() -> None:
    @tool_options(retry_strategy=FixedDelay(max_attempts=2), timeout=DAY)
    def search() -> None: ...

    config = marks_of(search).step_config()
    assert config.retry_strategy == FixedDelay(max_attempts=2)
    assert config.timeout == DAY
    once = ToolOptions(at_most_once=True).step_config()
    assert once.semantics is StepSemantics.AT_MOST_ONCE_PER_RETRY
    assert once.retry_strategy == NoRetry()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ToolOptions(in_workflow=True, at_most_once=True),
        lambda: ToolOptions(in_workflow=True, timeout=DAY),
        lambda: ToolOptions(at_most_once=True, retry_strategy=NoRetry()),
        lambda: in_workflow(at_most_once(lambda: None)),
        lambda: at_most_once("refund"),
        lambda: human_approval(on_timeout="ignore"),
        lambda: ModelOptions(retry_strategy=None),
        lambda: ModelBackoff(max_attempts=0),
        lambda: check_tool_names({"lok": ToolOptions()}, ["look"], "clerk"),
        lambda: check_tool_names({"look": {"at_most_once": True}}, ["look"], "clerk"),
    ],
)
def test_options_that_do_not_fit_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


# Model requests.


class Refused(Exception):
    def __init__(self, status: int | None = None, **headers: str) -> None:
        super().__init__(status)
        self.response = type("Response", (), {"headers": headers, "status_code": status})


class OfBoto(Exception):
    def __init__(self, status: int, code: str, **headers: str) -> None:
        metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
        self.response = {"Error": {"Code": code}, "ResponseMetadata": metadata}


def wrapped(inner: Exception) -> Exception:
    try:
        try:
            raise inner
        except Exception as error:
            raise RuntimeError("the model failed") from error
    except RuntimeError as error:
        return error


NOW = datetime(2026, 11, 30, 10, tzinfo=UTC)
LATER = datetime(2026, 11, 30, 10, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Refused(429, **{"retry-after": "40"}), 40),
        (Refused(503, **{"Retry-After": "2.5"}), 3),
        (Refused(429, **{"retry-after-ms": "1500", "retry-after": "40"}), 2),
        (
            Refused(
                429,
                **{
                    "Retry-After": format_datetime(LATER, usegmt=True),
                    "Date": format_datetime(NOW, usegmt=True),
                },
            ),
            90,
        ),
        (wrapped(Refused(429, **{"retry-after": "7"})), 7),
        (OfBoto(400, "ThrottlingException", **{"retry-after": "9"}), 9),
        (Refused(429, **{"retry-after": "0"}), 1),
        (Refused(400, **{"x-should-retry": "true", "retry-after": "4"}), 4),
    ],
)
def test_a_retry_waits_as_long_as_the_provider_asks(error: Exception, seconds: int) -> None:
    decision = ModelBackoff()(error, 1)
    assert (decision.retry, decision.delay_seconds) == (True, seconds)


@pytest.mark.parametrize(
    "error",
    [
        Refused(401),
        Refused(400, **{"retry-after": "4"}),
        Refused(500, **{"x-should-retry": "false"}),
        Refused(429, **{"retry-after": "86401"}),
        OfBoto(400, "ValidationException"),
        TypeError("a mistake"),
        wrapped(Refused(404)),
        type("UserError", (Exception,), {})("a mistake"),
    ],
)
def test_a_request_that_cannot_succeed_is_not_repeated(error: Exception) -> None:
    assert not ModelBackoff()(error, 1).retry


@pytest.mark.parametrize(
    "error",
    [
        Refused(500),
        Refused(408),
        ConnectionError("reset"),
        TimeoutError(),
        OfBoto(400, "ThrottlingException"),
        Refused(429, **{"retry-after": "soon"}),
        Refused(429, **{"retry-after": "Mon, 30 Nov 2026 10:00:00 GMT"}),
        Refused(429, **{"retry-after": "nan"}),
    ],
)
def test_other_failures_that_pass_are_repeated_with_growing_delays(error: Exception) -> None:
    strategy = ModelBackoff(max_attempts=3, otherwise=ExponentialBackoff(random=lambda: 1.0))
    assert [strategy(error, attempt).delay_seconds for attempt in (1, 2)] == [5, 10]
    assert not strategy(error, 3).retry


def test_hostile_errors_name_no_delay() -> None:
    circle = Refused(429)
    circle.__cause__ = circle
    assert retry_after_seconds(circle) is None
    odd = Refused(429)
    odd.response = type("Response", (), {"headers": 17, "status_code": "429"})
    assert retry_after_seconds(odd) is None
    assert ModelBackoff()(odd, 1).retry


def test_errors_that_the_framework_handles_are_not_repeated() -> None:
    class Overflow(Exception): ...

    calls: list[int] = []

    async def call() -> None:
        calls.append(1)
        raise Overflow

    async def handler(event: Any, ctx: DurableContext) -> str:
        try:
            await request_model(None, call, final=(Overflow,))
        except Overflow:
            return "the framework goes on"
        return "no"

    result = run(handler)
    assert result.result == "the framework goes on"
    assert (calls, result.operations[0].name) == ([1], "model")


class Client:
    def __init__(self) -> None:
        self.max_retries = 2


def test_the_clients_own_retries_are_off_while_steps_make_the_attempts() -> None:
    client = Client()
    model = type("Model", (), {"wrapped": type("Inner", (), {"client": client})})
    with single_attempts([model]):
        with single_attempts([client, object()]):
            assert client.max_retries == 0
        assert client.max_retries == 0
    assert client.max_retries == 2


def test_the_retries_of_models_that_stand_in_for_one_another_are_off_too() -> None:
    clients = [Client(), Client()]
    models = [type("Model", (), {"client": client}) for client in clients]
    with single_attempts([type("Fallback", (), {"models": models})]):
        assert [client.max_retries for client in clients] == [0, 0]
    assert [client.max_retries for client in clients] == [2, 2]


# Approvals and questions.


def approving(**options: Any) -> Any:
    calls: list[str] = []

    @at_most_once
    @human_approval(**options)
    async def refund(order: str) -> str:
        calls.append(order)
        return f"refunded {order}"

    async def handler(event: Any, ctx: DurableContext) -> str:
        return await run_tool(
            "refund",
            lambda: refund("17"),
            options=options_of("refund", refund),
            arguments={"order": "17"},
            refused=lambda decision: refusal_text("refund", decision),
        )

    return handler, calls, refund


def test_a_refused_call_is_not_made_and_the_model_gets_the_comment() -> None:
    handler, calls, _ = approving(timeout=DAY)
    runner = LocalDurableTestRunner(durable_execution(handler)).sync
    runner.start(None)
    runner.wait_for_callback("approve refund").succeed(Decision(approved=False, comment="too much"))
    assert "too much. It was not made." in runner.complete().result
    assert not calls


def test_an_answer_that_is_a_failure_refuses_too() -> None:
    handler, calls, _ = approving()
    runner = LocalDurableTestRunner(durable_execution(handler)).sync
    runner.start(None)
    runner.wait_for_callback("approve refund").fail(ValueError("who asks?"))
    assert "who asks?" in runner.complete().result
    assert not calls


def test_a_timeout_may_fail_the_run() -> None:
    handler, calls, _ = approving(timeout=DAY, on_timeout="fail")
    assert run(handler).error.is_a("CallbackTimeoutError")
    assert not calls


def test_a_question_is_asked_only_when_it_has_to_be() -> None:
    handler, calls, _ = approving(when=lambda arguments: arguments["order"] != "17")
    result = run(handler)
    assert (result.result, calls) == ("refunded 17", ["17"])
    assert [each.name for each in result.operations] == ["refund"]


def test_a_person_is_told_in_a_step_what_the_question_is() -> None:
    told: list[Question] = []
    handler, _, _ = approving(
        notify=told.append, question=lambda arguments: f"Refund {arguments['order']}?"
    )
    runner = LocalDurableTestRunner(durable_execution(handler)).sync
    runner.start(None)
    callback = runner.wait_for_callback("approve refund")
    assert [(each.callback_id, each.question) for each in told] == [
        (callback.callback_id, "Refund 17?")
    ]
    callback.succeed({"approved": True})
    result = runner.complete()
    assert result.result == "refunded 17"
    about = {"tool": "refund", "arguments": {"order": "17"}}
    submitter = result.operation("approve refund submitter")
    assert submitter.result == {"question": "Refund 17?", "about": about}


def test_a_guarded_function_does_not_run_without_its_approval() -> None:
    _, calls, refund = approving()
    with pytest.raises(
        ContextMisuseError, match="needs a person's approval, and was called without one"
    ):
        asyncio.run(refund("17"))

    @human_approval()
    def plain() -> None: ...

    with pytest.raises(ContextMisuseError):
        plain()
    assert not calls


@pytest.mark.parametrize("option", ["when", "question"])
def test_a_function_of_an_approval_that_fails_is_named(option: str) -> None:
    def mistaken(arguments: Any) -> Any:
        return arguments["ordr"]

    guard = human_approval(**{option: mistaken})

    async def handler(event: Any, ctx: DurableContext) -> Any:
        return await guard.ask("refund", {"order": "17"})

    result = run(handler)
    assert result.error.is_a("ConfigError")
    assert (
        f"human_approval of the tool 'refund': {option}= raised KeyError: 'ordr'; it got the arguments 'order'"
        in result.error.error_message
    )


def test_a_plain_function_is_no_tool_in_workflow_code() -> None:
    with pytest.raises(ConfigError, match="in_workflow: 'plain' must be async def"):

        @in_workflow
        def plain() -> None: ...

    async def asynchronous() -> None: ...

    guarded = human_approval()(asynchronous)
    assert marks_of(in_workflow(functools.partial(guarded))).in_workflow
    assert marks_of(in_workflow(guarded)).approval


def test_values_without_json_are_shown_by_their_type() -> None:
    async def handler(event: Any, ctx: DurableContext) -> Any:
        return await ask_person(
            "?", about={"at": NOW, "what": object(), "who": Decision(approved=True)}
        )

    runner = LocalDurableTestRunner(durable_execution(handler)).sync
    runner.start(None)
    runner.wait_for_callback("question").succeed([1])
    result = runner.complete()
    assert result.result == [1]
    assert result.operation("question submitter").result["about"] == {
        "at": "2026-11-30T10:00:00Z",
        "what": "(object)",
        "who": {"approved": True, "comment": None},
    }


def test_a_tool_asks_a_person() -> None:
    tool: Any = person_tool(name="ask_boss", description="Ask the boss.")
    assert (tool.__name__, tool.__doc__) == ("ask_boss", "Ask the boss.")
    assert marks_of(tool).in_workflow

    async def handler(event: Any, ctx: DurableContext) -> str:
        return await run_tool(
            "ask_boss",
            lambda: tool("May I?"),
            options=options_of("ask_boss", tool),
            arguments={},
            refused=str,
        )

    runner = LocalDurableTestRunner(durable_execution(handler)).sync
    runner.start(None)
    runner.wait_for_callback("question").succeed("no")
    assert runner.complete().result == "no"


def test_values_of_frameworks_are_written_by_pydantic() -> None:
    pytest.importorskip("pydantic")

    async def body() -> tuple[int, str]:
        return (1, "a")

    async def handler(event: Any, ctx: DurableContext) -> bool:
        return await request_model("a", body, serdes=PydanticSerDes(tuple[int, str])) == (1, "a")

    assert run(handler).result is True

    async def wrong(event: Any, ctx: DurableContext) -> Any:
        return await request_model("a", body, serdes=PydanticSerDes(int))

    error = run(wrong).error
    assert error.is_a("SerDesError")
    assert "'a: model'" in str(error)


def test_a_group_of_errors_is_retried_if_one_of_them_may_pass() -> None:
    class Answer(Exception):
        def __init__(self, status: int, **headers: str) -> None:
            self.status_code = status
            self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    refused, busy, busier = (
        Answer(400),
        Answer(429, retry_after="7"),
        Answer(529, retry_after="20"),
    )
    backoff = ModelBackoff()
    assert not backoff(ExceptionGroup("all failed", [refused, Answer(401)]), 1).retry
    assert backoff(ExceptionGroup("all failed", [refused, busier]), 1).delay_seconds == 20
    assert backoff(ExceptionGroup("all failed", [busier, busy]), 1).delay_seconds == 7
    assert retry_after_seconds(ExceptionGroup("all failed", [busy, Answer(500)])) is None


def test_a_function_that_is_at_most_once_does_not_run_where_it_could_run_twice() -> None:
    done: list[str] = []

    @at_most_once
    def refund(order: str) -> str:
        done.append(order)
        return f"refunded {order}"

    async def helpful(order: str) -> str:
        return refund(order)

    async def call(ctx: DurableContext, function: Any, options: ToolOptions) -> Any:
        async def body() -> Any:
            result = function("17")
            return await result if asyncio.iscoroutine(result) else result

        return await run_tool(
            "refund", body, options=options, arguments={}, refused=lambda _: "refused"
        )

    @durable_execution
    async def handler(event: str, ctx: DurableContext) -> Any:
        match event:
            case "as a tool":
                return await call(ctx, refund, marks_of(refund))
            case "in a tool":
                return await call(ctx, helpful, marks_of(helpful))
            case "by other options":
                return await call(ctx, refund, ToolOptions(approval=None))
            case "in a step":
                return await ctx.step(refund, "17")
        return refund("17")

    def outcome(way: str) -> Any:
        done.clear()
        result = LocalDurableTestRunner(handler).run_sync(way)
        return result.result if result.status == "SUCCEEDED" else result.error

    assert outcome("as a tool") == outcome("in a step") == "refunded 17"
    for way in ("in a tool", "by other options", "in workflow code"):
        assert outcome(way).is_a("ContextMisuseError")
        assert not done
    assert refund("18") == "refunded 18"
