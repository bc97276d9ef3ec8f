"""Each field that a query names is in a real line, together with the others of the query; so are the metrics."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from awslambdaric.lambda_runtime_log_utils import JsonFormatter as LambdaFormatter
from tests.docs.tables import DOCS
from tests.otel.tracing import warm
from tests.rig import rig_of

from durable_execution_sdk import DurableContext, Duration, FixedDelay, StepConfig
from durable_execution_sdk.telemetry import EmbeddedMetricsPlugin, TelemetryRecordPlugin
from durable_execution_sdk.telemetry.measurements import METRICS

PAGES = ("logs-insights.md", "operations.md")
QUERIES = [
    pytest.param(query, id=f"{page}-{number}")
    for page in PAGES
    for number, query in enumerate(
        re.findall(
            r"```text\n((?:fields|filter) .*?)```",
            (DOCS / page).read_text(encoding="utf-8"),
            re.DOTALL,
        )
    )
]
SECOND = Duration.from_seconds(1)
# Words of the language, and names that the service gives to each event.
COMMANDS = {"fields", "filter", "stats", "sort", "limit"}
WORDS = {"as", "by", "and", "or", "not", "like", "asc", "desc", "in"}
GIVEN = {"@timestamp", "@message", "@logStream"}
# Members of which the page gives ids that are made up.
IDS = {"request_id", "trace_id"}

LOGGER = logging.getLogger("tests.insights")


class Query:
    """The commands of a query, and the names of fields in them."""

    def __init__(self, text: str) -> None:
        self.commands = [command.strip() for command in text.split("\n| ")]
        self.aliases = set(re.findall(r"\bas (\w+)", text))
        self.wanted = {
            name: value
            for name, value in re.findall(r'([\w.]+) = "([^"]*)"', text)
            if name not in IDS | self.aliases
        }

    def fields(self) -> set[str]:
        names: set[str] = set()
        for command in self.commands:
            word, _, rest = command.partition(" ")
            assert word in COMMANDS, command
            rest = re.sub(r'"[^"]*"', "", rest)
            names |= {
                name
                for name, call in re.findall(r"(?<![\w.@])([A-Za-z@][\w.@]*)(\()?", rest)
                if not call and not re.fullmatch(r"\d+[mhd]", name)
            }
        return names - WORDS - GIVEN - self.aliases


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the members as the service finds them in a line of JSON."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from flat(member, f"{path}.{name}" if path else name)
    elif value is not None:
        yield path, value


@pytest.fixture(scope="module")
def lines() -> Iterator[list[dict[str, Any]]]:
    """The lines of executions that succeed and fail, with Lambda's formatter and the plugins."""
    written: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    handler = Keeping()
    handler.setFormatter(LambdaFormatter())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    _, tracing = warm()
    plugins = [tracing, TelemetryRecordPlugin(at_suspension=True, write=written.append)]
    plugins.append(EmbeddedMetricsPlugin(write=written.append))
    twice = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=SECOND))

    async def workflow(fails: bool, ctx: DurableContext) -> None:
        def charge() -> None:
            LOGGER.info("charging")
            if fails:
                LOGGER.error("refused")
                raise ValueError("refused")

        LOGGER.info("taken")
        await ctx.step(charge, name="charge", config=twice)
        await ctx.wait(SECOND)

    for fails in (False, True):
        rig_of(workflow, options={"plugins": plugins}).run(fails)
    LOGGER.removeHandler(handler)
    yield [dict(flat(json.loads(line))) for line in written]


def test_there_are_queries() -> None:
    assert len(QUERIES) >= 11


@pytest.mark.parametrize("query", QUERIES)
def test_a_line_has_all_fields_that_a_query_names(query: str, lines: list[dict[str, Any]]) -> None:
    read = Query(query)
    fields = read.fields()
    assert fields
    assert [
        line
        for line in lines
        if fields <= line.keys() and all(line[name] == value for name, value in read.wanted.items())
    ], f"no line has {sorted(fields)} with {read.wanted}"


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ('fields @timestamp, a.b\n| filter c like "/x y/" and d > 1', {"a.b", "c", "d"}),
        ("stats count(*) as n, max(a) as most by b, bin(1d)\n| sort n desc", {"a", "b"}),
        ("stats pct(a, 95) as p95 by b\n| filter p95 > now() - 5\n| limit 50", {"a", "b"}),
    ],
)
def test_the_fields_of_a_query_are_found(query: str, fields: set[str]) -> None:
    assert Query(query).fields() == fields


METRICS_PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")


def test_the_table_of_metrics_is_right(lines: list[dict[str, Any]]) -> None:
    rows = re.findall(r"^\| `(durable\.[\w.]+)` \| (.*?) \| (.*?) ?\|$", METRICS_PAGE, re.MULTILINE)
    assert [name for name, _, _ in rows] == [metric.name for metric in METRICS]
    units = {"Count": "count", "Seconds": "seconds", "Bytes": "bytes", "None": "0 to 1"}
    emitted = [line for line in lines if "_aws.Timestamp" in line]
    for name, unit, attributes in rows:
        [line, *_] = [line for line in emitted if name in line]
        [directive] = line["_aws.CloudWatchMetrics"]
        [dimensions] = directive["Dimensions"]
        assert dimensions == ["FunctionName", *re.findall(r"`([^`]+)`", attributes)]
        [written] = [each["Unit"] for each in directive["Metrics"] if each["Name"] == name]
        assert units[written] == unit


def test_the_query_of_metrics_names_a_metric_with_all_its_dimensions(
    lines: list[dict[str, Any]],
) -> None:
    [query] = re.findall(r"```sql\n(.*?)```", METRICS_PAGE, re.DOTALL)
    [metric] = re.findall(r'SUM\("([^"]+)"\)', query)
    [schema] = re.findall(r"SCHEMA\((.*)\)", query)
    namespace, *dimensions = re.findall(r'"([^"]+)"', schema)
    [line, *_] = [
        line
        for line in lines
        if metric in line and line.get("durable.execution.status") == "FAILED"
    ]
    [directive] = line["_aws.CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == (namespace, [dimensions])


def test_the_table_of_a_records_members_is_right(lines: list[dict[str, Any]]) -> None:
    section = METRICS_PAGE.split("## Telemetry records")[1]
    rows = re.findall(
        r"^\| (`[a-zA-Z`, ]+`) \| (.*) \|$", section.split("| option")[0], re.MULTILINE
    )
    named = {name for members, _ in rows for name in re.findall(r"`(\w+)`", members)}
    records = [line for line in lines if "recordType" in line]
    found = {name.partition(".")[0] for record in records for name in record}
    optional = {
        "input",
        "output",
        "truncated",
        "droppedOperations",
        "droppedInput",
        "droppedOutput",
    }
    assert named == found | optional
    summary = dict(rows)["`operationsByName`"]
    members = {name.split(".")[2] for record in records for name in record if name.count(".") >= 2}
    assert set(re.findall(r"`(\w+)`", summary)) == members


def test_the_table_of_a_records_options_is_right() -> None:
    import inspect

    options = METRICS_PAGE.split("| option | default | |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", options, re.MULTILINE)
    named = {name: default for cell, default in rows for name in re.findall(r"`(\w+)`", cell)}
    parameters = dict(inspect.signature(TelemetryRecordPlugin).parameters)
    assert named.keys() == parameters.keys()
    for name, default in named.items():
        if name != "write":
            assert default.strip("`").replace(",", "") == str(parameters[name].default)
