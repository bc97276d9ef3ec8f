"""loguru and structlog: replay-aware by one line, with the fields of the execution and the operation."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from loguru import logger
from structlog.stdlib import ExtraAdder, LoggerFactory, ProcessorFormatter
from tests.replay.test_held_lines import run
from tests.rig import run_workflow

from durable_execution_sdk import (
    DurableContext,
    Duration,
    FixedDelay,
    MapConfig,
    ReplayLogging,
    StepConfig,
    loguru_filter,
    structlog_renderer,
)

SECOND = Duration.from_seconds(1)
TEXTS = ("line 0", "line 1", "line 2")
TWICE = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=SECOND))


class Lines:
    """The lines of JSON that a logger has written, without what differs from run to run."""

    def __init__(self) -> None:
        self.output = io.StringIO()

    def all(self) -> list[dict[str, Any]]:
        return [self._read(json.loads(line)) for line in self.output.getvalue().splitlines()]

    def _read(self, line: dict[str, Any]) -> dict[str, Any]:
        if "record" not in line:
            return line
        record = line["record"]
        return {
            "event": record["message"],
            "line": record["line"],
            "level": record["level"]["name"],
            "exception": record["exception"],
            **record["extra"],
        }

    def texts(self) -> list[str]:
        return [line["event"] for line in self.all()]


class Loguru(Lines):
    def configure(self) -> Any:
        logger.remove()
        logger.add(self.output, filter=loguru_filter, serialize=True)
        return logger

    def close(self) -> None:
        logger.remove()


class Structlog(Lines):
    def configure(self) -> Any:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog_renderer(structlog.processors.JSONRenderer()),
            ],
            logger_factory=structlog.PrintLoggerFactory(self.output),
        )
        return structlog.get_logger()

    def close(self) -> None:
        structlog.reset_defaults()


class StructlogThroughLogging(Lines):
    def configure(self) -> Any:
        formatter = ProcessorFormatter(
            structlog.processors.JSONRenderer(), foreign_pre_chain=[ExtraAdder()]
        )
        self.handler = logging.StreamHandler(self.output)
        self.handler.setFormatter(formatter)
        self.logger = logging.getLogger("tests.structlog")
        self.logger.addHandler(self.handler)
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog_renderer(ProcessorFormatter.wrap_for_formatter),
            ],
            logger_factory=LoggerFactory(),
        )
        return structlog.get_logger("tests.structlog")

    def close(self) -> None:
        structlog.reset_defaults()
        self.logger.removeHandler(self.handler)
        self.logger.propagate = True


@pytest.fixture(
    params=[Loguru, Structlog, StructlogThroughLogging],
    ids=["loguru", "structlog", "structlog-logging"],
)
def lines(request: pytest.FixtureRequest) -> Iterator[Any]:
    lines = request.param()
    lines.log = lines.configure()
    yield lines
    lines.close()


def test_lines_come_once_however_often_the_code_is_replayed(lines: Any) -> None:
    async def item(ctx: DurableContext, number: int, _index: int) -> None:
        lines.log.info(["", "item 1", "item 2"][number])
        await ctx.wait(SECOND)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for number in range(3):
            lines.log.info(TEXTS[number])
            await ctx.step(lambda: lines.log.info("in a step"), name="s")
            await ctx.wait(SECOND)
        await ctx.map([1, 2], item, config=MapConfig(max_concurrency=1))
        lines.log.info("end")

    assert run_workflow(workflow).status == "SUCCEEDED"
    before = [text for line in TEXTS for text in (line, "in a step")]
    assert lines.texts() == [*before, "item 1", "item 2", "end"]


def test_lines_that_structlog_writes_in_threads_come_once() -> None:
    lines = Structlog()
    log = lines.configure()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await log.ainfo("first")
        await ctx.wait(SECOND)
        await log.ainfo("second")
        await ctx.wait(SECOND)

    try:
        assert run_workflow(workflow).status == "SUCCEEDED"
        assert lines.texts() == ["first", "second"]
    finally:
        lines.close()


def test_each_line_has_the_fields_of_its_execution_and_operation(lines: Any) -> None:
    attempts: list[int] = []

    def charge() -> None:
        attempts.append(1)
        lines.log.info("charging")
        if len(attempts) == 1:
            raise ValueError("no")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        lines.log.info("start")
        await ctx.step(charge, name="charge", config=TWICE)

    ran = run_workflow(workflow)
    start, first, second = lines.all()
    assert {line["durable_execution_arn"] for line in lines.all()} == {ran.arn}
    assert {line["executionArn"] for line in lines.all()} == {ran.arn}
    assert not {"operation_name", "attempt", "trace_id"} & start.keys()
    assert [(line["operation_name"], line["attempt"]) for line in (first, second)] == [
        ("charge", 1),
        ("charge", 2),
    ]
    assert first["request_id"] != second["request_id"]


def test_fields_of_the_user_stay(lines: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: lines.log.bind(attempt="mine", order=7).info("x"), name="s")

    run_workflow(workflow)
    [line] = lines.all()
    assert (line["attempt"], line["order"], line["operation_name"]) == ("mine", 7, "s")


@pytest.mark.parametrize(
    ("setting", "count"), [(ReplayLogging.WARNINGS, 2), (ReplayLogging.ERRORS, 1)]
)
def test_the_lines_of_replay_that_are_written_are_those_of_the_handlers_setting(
    lines: Any, setting: ReplayLogging, count: int
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        lines.log.info("told")
        lines.log.warning("warned")
        await ctx.wait(SECOND)

    assert run_workflow(workflow, options={"replay_logging": setting}).status == "SUCCEEDED"
    assert lines.texts() == ["told", "warned", *["warned"] * (count - 1)]


def test_outside_a_workflow_nothing_changes(lines: Any) -> None:
    lines.log.info("outside")
    [line] = lines.all()
    assert line["event"] == "outside"
    assert "executionArn" not in line


@pytest.mark.parametrize("is_new", [False, True])
def test_lines_in_doubt_are_written_once_it_is_known_that_they_are_new(
    lines: Any, is_new: bool
) -> None:
    def write(ctx: DurableContext) -> None:
        items = [1]
        bound = lines.log.bind(items=items)
        bound.info("with {braces}")
        try:
            raise ValueError("refused")
        except ValueError:
            bound.exception("failed")
        items.append(2)

    assert run(write, is_new=is_new) == "SUCCEEDED"
    written = lines.all()
    assert [line["event"] for line in written] == ["with {braces}", "failed"] * is_new
    for line in written:
        assert line["items"] == [1]
        assert line["is_replay"] is False
    if is_new:
        assert written[0]["level"].lower() == "info"
        assert written[1]["level"].lower() == "error"
        assert "ValueError" in str(written[1]["exception"])
        assert "refused" in str(written[1]["exception"])


def test_held_lines_of_loguru_reach_each_sink_once_with_their_place_and_level() -> None:
    sinks: list[list[Any]] = [[], []]
    logger.remove()
    for sink in sinks:
        logger.add(lambda message, sink=sink: sink.append(message.record), filter=loguru_filter)

    def write(ctx: DurableContext) -> None:
        logger.log(25, "by number")
        logger.success("by name")

    assert run(write, is_new=True) == "SUCCEEDED"
    logger.remove()
    for sink in sinks:
        assert [record["message"] for record in sink] == ["by number", "by name"]
        assert [record["function"] for record in sink] == ["write", "write"]
        assert [record["level"].no for record in sink] == [25, 25]
        assert sink[0]["time"] <= sink[1]["time"]
        assert all(record["file"].path == __file__ for record in sink)


@pytest.mark.parametrize(
    "renderer",
    [
        structlog.processors.JSONRenderer(serializer=lambda event, **_: json.dumps(event).encode()),
        lambda _logger, _method, event: event,
        lambda _logger, _method, event: ((event["event"],), {"extra": 1}),
        structlog.processors.LogfmtRenderer(),
    ],
    ids=["bytes", "mapping", "arguments", "text"],
)
def test_held_lines_of_structlog_may_have_any_form_that_it_allows(renderer: Any) -> None:
    written: list[Any] = []

    class Output:
        def info(self, *positional: Any, **named: Any) -> None:
            written.append((positional, named))

    log = structlog.wrap_logger(Output(), processors=[structlog_renderer(renderer)])
    assert run(lambda ctx: log.info("x"), is_new=True) == "SUCCEEDED"
    log.info("x")
    held, direct = written
    assert len(held[0]) == len(direct[0])
    assert direct[1].keys() <= held[1].keys()


def test_a_held_line_that_cannot_be_written_harms_no_execution(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Full:
        def info(self, text: str) -> None:
            raise OSError("no space left on device")

    render = structlog_renderer(structlog.processors.JSONRenderer())
    log = structlog.wrap_logger(Full(), processors=[render])
    assert run(lambda ctx: log.info("x"), is_new=True) == "SUCCEEDED"
    assert "a line that was held could not be written" in caplog.text
