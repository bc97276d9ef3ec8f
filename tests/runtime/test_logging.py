"""Logging: lines of replayed code are dropped, and each record has the ids of its execution and operation."""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import json
import logging
import pickle
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.rig import run_workflow

from durable_execution_sdk import (
    ChildConfig,
    ConfigError,
    DurableContext,
    Duration,
    JsonFormatter,
    SerDesContext,
    StepConfig,
    StepContext,
    durable_execution,
)
from durable_execution_sdk.handler_modes import ReplayLogging
from durable_execution_sdk.testing import LocalDurableTestRunner

SECOND = Duration.from_seconds(1)


class Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept() -> Iterator[Keeping]:
    """A handler on the root logger, as Lambda's runtime installs one."""
    handler = Keeping()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def own() -> Iterator[tuple[logging.Logger, Keeping]]:
    """A logger with a handler of its own, which does not propagate, as structured loggers have."""
    logger = logging.getLogger("tests.own")
    handler = Keeping()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger, handler
    logger.removeHandler(handler)
    logger.propagate = True


def test_a_field_with_the_name_of_one_of_ours_keeps_its_value(kept: Keeping) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_info("asked again", attempt=2)
        await ctx.step(lambda: logging.getLogger().info("in a step", extra={"attempt": 7}))

    run_workflow(workflow)
    attempts = [record.attempt for record in kept.records]  # type: ignore[attr-defined]
    assert attempts == [2, 7]


def test_lines_of_replayed_code_are_dropped_for_any_logger(
    kept: Keeping, own: tuple[logging.Logger, Keeping]
) -> None:
    anybodys = logging.getLogger("anybody.s")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(3):
            for logger in (ctx.logger, anybodys, own[0]):
                logger.info("before %s", n)
            await ctx.step(lambda: 1)
            await ctx.wait(SECOND)
        ctx.log_info("end")

    run_workflow(workflow)
    expected = ["before 0", "before 1", "before 2"]
    assert own[1].lines == expected
    assert kept.lines == [line for line in expected for _ in range(2)] + ["end"]


def test_replay_ends_at_the_first_operation_that_is_not_complete(kept: Keeping) -> None:
    seen: list[bool] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen.append(ctx.is_replaying)
        await ctx.step(lambda: 1)
        seen.append(ctx.is_replaying)
        await ctx.wait(SECOND)
        seen.append(ctx.is_replaying)

    run_workflow(workflow)
    assert seen == [False, False, True, True, False]


def test_the_first_invocation_replays_nothing_and_the_last_replays_all_but_the_end(
    kept: Keeping,
) -> None:
    async def child(ctx: DurableContext, name: str) -> None:
        ctx.log_info(f"{name} in")
        await ctx.step(lambda: 1)
        ctx.log_info(f"{name} middle")
        await ctx.wait(SECOND)
        ctx.log_info(f"{name} out")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_info("start")
        await ctx.run_in_child_context(child, "a")
        ctx.log_info("between")
        await ctx.run_in_child_context(child, "b")
        ctx.log_info("end")

    run_workflow(workflow)
    assert kept.lines == [
        "start", "a in", "a middle", "a out", "between", "b in", "b middle", "b out", "end",
    ]  # fmt: skip


def test_a_virtual_context_replays_as_the_context_around_it(kept: Keeping) -> None:
    async def child(ctx: DurableContext, name: str) -> None:
        ctx.log_info(f"{name} in")
        await ctx.step(lambda: 1)
        ctx.log_info(f"{name} middle")
        await ctx.step(lambda: 1)
        ctx.log_info(f"{name} later")
        await ctx.wait(SECOND)
        ctx.log_info(f"{name} out")

    virtual = ChildConfig(virtual=True)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_info("start")
        await ctx.run_in_child_context(child, "a", config=virtual)
        ctx.log_info("between")
        await ctx.run_in_child_context(child, "b", config=virtual)
        ctx.log_info("end")

    run_workflow(workflow)
    assert kept.lines == [
        "start", "a in", "a middle", "a later", "a out",
        "between", "b in", "b middle", "b later", "b out", "end",
    ]  # fmt: skip


def test_a_context_whose_result_is_built_again_stays_silent(kept: Keeping) -> None:
    async def child(ctx: DurableContext) -> str:
        ctx.log_info("in")
        return "x" * 300_000

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(child)
        for _ in range(3):
            await ctx.wait(SECOND)
        ctx.log_info("end")

    run_workflow(workflow)
    assert kept.lines == ["in", "end"]


def test_calls_in_threads_log_once_though_each_replay_makes_them_again(kept: Keeping) -> None:
    """The log holds the end of each: a call that it does not know of is new."""
    pool = ThreadPoolExecutor(1)
    calls: list[tuple[str, bool]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        def call(name: str) -> None:
            calls.append((name, ctx.is_replaying))
            logging.getLogger("shop").info(name)
            ctx.log_info(f"{name} by the context")

        await asyncio.to_thread(call, "first")
        await ctx.wait(SECOND)
        await asyncio.get_running_loop().run_in_executor(pool, call, "second")

        async def large(inner: DurableContext) -> str:
            await asyncio.to_thread(call, "inner")
            return "x" * 300_000  # is not kept, so replay builds it again

        await ctx.run_in_child_context(large)
        await anyio.to_thread.run_sync(call, "third")
        await ctx.wait(SECOND)

    with pool:
        assert run_workflow(workflow).status == "SUCCEEDED"
    names = ["first", "second", "inner", "third"]
    assert kept.lines == [line for name in names for line in (name, f"{name} by the context")]
    assert {record.is_replay for record in kept.records if record.name == "shop"} == {False}  # type: ignore[attr-defined]
    assert calls.count(("first", True)) == 2
    assert calls.count(("inner", True)) == calls.count(("third", True)) == 1


@pytest.mark.parametrize("mode", [ReplayLogging.ERRORS, ReplayLogging.ALL])
def test_lines_of_replayed_calls_in_threads_are_written_as_the_handler_says(
    kept: Keeping, mode: ReplayLogging
) -> None:
    def call() -> None:
        logging.getLogger("shop").info("info")
        logging.getLogger("shop").error("error")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.to_thread(call)
        await ctx.wait(SECOND)

    run_workflow(workflow, options={"replay_logging": mode})
    again = ["error"] if mode is ReplayLogging.ERRORS else ["info", "error"]
    assert kept.lines == ["info", "error", *again]
    assert [record.is_replay for record in kept.records][2:] == [True] * len(again)  # type: ignore[attr-defined]


def test_a_call_whose_end_a_crash_took_logs_again(kept: Keeping) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: 1)
        await asyncio.to_thread(logging.getLogger("shop").info, "called")
        await ctx.wait(SECOND)

    runner = LocalDurableTestRunner(durable_execution(workflow))
    runner.crash_at(checkpoint=2, when="before")
    assert runner.run_sync(None).status == "SUCCEEDED"
    assert kept.lines.count("called") == 2


def test_a_process_may_run_functions_of_workflow_code(kept: Keeping) -> None:
    """An executor that pickles its functions gets them as they are."""
    seen: list[Any] = []

    class Pickling(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            seen.append(pickle.loads(pickle.dumps((fn, args))))
            future: Any = Future()
            future.set_result(fn(*args))
            return future

    async def workflow(event: Any, ctx: DurableContext) -> int:
        return await asyncio.get_running_loop().run_in_executor(Pickling(), abs, -3)

    assert run_workflow(workflow).result == 3
    assert seen == [(abs, (-3,))]


def test_lines_that_no_handler_takes_come_once_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lonely = logging.getLogger("tests.lonely")
    lonely.propagate = False

    async def workflow(event: Any, ctx: DurableContext) -> None:
        lonely.warning("taken")
        await ctx.wait(SECOND)

    try:
        run_workflow(workflow)
    finally:
        lonely.propagate = True
    assert capsys.readouterr().err.splitlines() == ["taken"]


def test_the_flag_turns_off_though_the_code_does_nothing_more(kept: Keeping) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        results = await asyncio.gather(ctx.step(lambda: 1), ctx.wait(SECOND))
        ctx.log_info("after %s", len(results)) if False else ctx.logger.info("after")

    run_workflow(workflow)
    assert kept.lines == ["after"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (ReplayLogging.NONE, ["info", "warning", "error"]),
        (ReplayLogging.ERRORS, ["info", "warning", "error", "error"]),
        (ReplayLogging.WARNINGS, ["info", "warning", "error", "warning", "error"]),
        (ReplayLogging.ALL, ["info", "warning", "error", "info", "warning", "error"]),
    ],
)
def test_the_lines_of_replay_that_are_written_are_configurable(
    kept: Keeping, mode: ReplayLogging, expected: list[str]
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_info("info")
        ctx.log_warn("warning")
        logging.getLogger("x").error("error")
        await ctx.wait(SECOND)

    run_workflow(workflow, options={"replay_logging": mode})
    assert kept.lines == expected
    written_again = [record.is_replay for record in kept.records]  # type: ignore[attr-defined]
    assert written_again == [False] * 3 + [True] * (len(expected) - 3)


def test_each_record_says_where_it_comes_from(kept: Keeping) -> None:
    places: dict[str, Any] = {}

    async def workflow(event: Any, ctx: DurableContext) -> None:
        logging.info("root")  # noqa: LOG015
        places["arn"] = ctx.execution_arn
        places["request"] = ctx.lambda_context.aws_request_id
        await ctx.run_in_child_context(child, name="c")

    async def child(ctx: DurableContext) -> None:
        logging.info("child")  # noqa: LOG015
        await ctx.step(body, name="s")
        await ctx.step(plain, name="p")

    async def body() -> None:
        places["s"] = StepContext.current()
        StepContext.current().logger.info("body")

    def plain() -> None:
        logging.info("plain")  # noqa: LOG015

    run_workflow(workflow)
    root, inner, step, thread = kept.records
    for record in kept.records:
        assert record.durable_execution_arn == places["arn"]  # type: ignore[attr-defined]
        assert record.request_id == places["request"]  # type: ignore[attr-defined]
        assert record.is_replay is False  # type: ignore[attr-defined]

    def place(record: Any) -> tuple[Any, ...]:
        return record.operation_name, record.operation_id, record.parent_id, record.attempt

    context = places["s"].parent_id
    assert place(root) == (None, None, None, None)
    assert place(inner) == ("c", context, None, None)
    assert place(step) == ("s", places["s"].operation_id, context, 1)
    assert place(thread)[0] == "p"
    assert place(thread)[2:] == (context, 1)


def test_fields_travel_and_may_have_any_name(kept: Keeping) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_warn("charged", order=5, name="clashes", msg="too")
        ctx.log_debug("not at this level")
        ctx.log_error("bad")

    run_workflow(workflow)
    record: Any = kept.records[0]
    assert (record.order, record.name_, record.msg_) == (5, "clashes", "too")
    assert [r.levelname for r in kept.records] == ["WARNING", "ERROR"]


def test_the_json_formatter_writes_what_lambdas_format_has(kept: Keeping) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            raise LookupError("gone")
        except LookupError:
            ctx.logger.exception("failed", extra={"order": 5})

    run_workflow(workflow)
    line = json.loads(JsonFormatter().format(kept.records[0]))
    assert line["level"] == "ERROR"
    assert line["message"] == "failed"
    assert line["order"] == 5
    assert line["errorType"] == "LookupError"
    assert line["isReplay"] is False
    assert line["durableExecutionArn"].startswith("arn:aws:lambda:")
    assert line["requestId"]
    assert line["timestamp"].endswith("Z")
    assert "operationId" not in line


def test_no_field_takes_the_place_of_a_member_of_the_line(kept: Keeping) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_info("taken", level="gold", timestamp="noon", logger="L", errorType="late")
        logging.getLogger("shop").error("plain", extra={"level": 3}, exc_info=KeyError("k"))
        ctx.log_error("failed", exc_info=ValueError("bad"), errorType="mine")
        logging.getLogger("shop").info("here", stack_info=True)

    run_workflow(workflow)
    taken, plain, failed, here = (json.loads(JsonFormatter().format(r)) for r in kept.records)
    assert (taken["level"], taken["level_"]) == ("INFO", "gold")
    assert (taken["timestamp_"], taken["logger"], taken["logger_"]) == (
        "noon",
        "durable_execution",
        "L",
    )
    assert taken["timestamp"].endswith("Z")
    assert taken["errorType"] == "late"  # a line without an exception has no such member
    assert (plain["level"], plain["level_"], plain["errorType"]) == ("ERROR", 3, "KeyError")
    assert (failed["errorType"], failed["errorType_"]) == ("ValueError", "mine")
    assert failed["stackTrace"][-1] == "ValueError: bad"
    assert any("in workflow" in line for line in here["stackInfo"])


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_a_value_that_json_cannot_have_costs_neither_the_line_nor_the_execution(
    own: tuple[logging.Logger, Keeping],
) -> None:
    """Logging passes a RecursionError on to the code that logs."""
    endless: list[Any] = []
    endless.append(endless)
    values = {
        "endless": (endless, "[[...]]"),
        "surrogate": ("\ud800", "\\ud800"),
        "unprintable": (Unprintable(), "<unprintable Unprintable object>"),
        "inside": ([1, Unprintable()], "<unprintable list object>"),
        "keys": ({"\udcff": 1}, "{'\\udcff': 1}"),
        "plain": ([1, {"a": None}], [1, {"a": None}]),
    }

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for name, (value, _) in values.items():
            ctx.log_info(name, value=value, **{"n\udc00": 1})
        try:
            raise Unprintable
        except Unprintable:
            ctx.log_error("caught", exc_info=True)

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    own[0].addHandler(handler)
    try:
        assert run_workflow(workflow, options={"logger": own[0]}).status == "SUCCEEDED"
    finally:
        own[0].removeHandler(handler)
    *lines, caught = map(json.loads, stream.getvalue().splitlines())
    for line, (name, (_, written)) in zip(lines, values.items(), strict=True):
        assert (line["message"], line["value"]) == (name, written)
        assert line["n\\udc00"] == 1
        assert line["durableExecutionArn"].startswith("arn:")
    assert caught["errorMessage"] == "<unprintable Unprintable object>"
    # Not logged, since a report of pytest has all lines, and cannot be sent with this one.
    message = JsonFormatter().format(logging.makeLogRecord({"msg": "lone \udc00"}))
    assert json.loads(message)["message"] == "lone \\udc00"


def test_outside_a_workflow_nothing_changes(kept: Keeping) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        pass

    run_workflow(workflow)
    logging.getLogger("elsewhere").info("plain")
    assert kept.lines == ["plain"]
    assert not hasattr(kept.records[0], "is_replay")


def test_a_logger_of_ones_own(own: tuple[logging.Logger, Keeping]) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_info("mine")
        await ctx.wait(SECOND)

    run_workflow(workflow, options={"logger": own[0]})
    assert own[1].lines == ["mine"]


def test_a_failure_that_the_execution_tells_is_not_logged_by_asyncio_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Refusing:
        def serialize(self, value: Any, context: SerDesContext, /) -> str:
            return "?"

        def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
            raise ValueError(f"what is {payload}?")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: 1, config=StepConfig(serdes=Refusing()))

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    gc.collect()
    assert caplog.records == []


class Structured:
    """A logger like that of AWS Lambda Powertools: no ``logging.Logger``, but with its methods."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)


@pytest.mark.parametrize("kind", ["adapter", "adapter of an adapter", "behaves as one"])
def test_a_logger_need_not_be_one_by_its_class(
    kind: str, own: tuple[logging.Logger, Keeping]
) -> None:
    logger, handler = own
    chosen_logger: Any = Structured(logger.name)
    if kind != "behaves as one":
        chosen_logger = logging.LoggerAdapter(logger, {})
        chosen_logger = logging.LoggerAdapter(chosen_logger, {}) if "of" in kind else chosen_logger

    @durable_execution(logger=chosen_logger)
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.logger.info("before")
        await ctx.step(lambda: StepContext.current().logger.info("inside"), name="s")
        await ctx.wait(SECOND)
        ctx.log_info("after", amount=3)

    result = LocalDurableTestRunner(workflow).run_sync(None)
    assert result.status == "SUCCEEDED", result.error
    assert handler.lines == ["before", "inside", "after"]
    assert [each.getMessage() for each in result.logs] == handler.lines
    assert handler.records[2].durable_execution_arn == result.arn


def test_an_object_without_a_loggers_methods_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"logger=\.\.\.\) takes a logger with the methods"):
        durable_execution(logger=print)  # type: ignore[arg-type]


def test_records_point_at_the_line_that_logged(kept: Keeping) -> None:
    def line_below() -> int:
        return inspect.currentframe().f_back.f_lineno + 1  # type: ignore[union-attr]

    expected: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for log in (ctx.log_debug, ctx.log_info, ctx.log_warn, ctx.log_error, ctx.logger.info):
            expected.append(line_below())
            log("here")

    logging.getLogger().setLevel(logging.DEBUG)
    run_workflow(workflow)
    records = [record for record in kept.records if record.getMessage() == "here"]
    assert [(record.lineno, record.filename) for record in records] == [
        (line, "test_logging.py") for line in expected
    ]
    assert {record.funcName for record in records} == {"workflow"}
