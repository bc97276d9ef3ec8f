"""Metrics in CloudWatch's embedded format: the values, and what the format allows."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NoOpTracerProvider
from tests.rig import Ran, rig_of

from durable_execution_sdk import (
    ConfigError,
    DurableContext,
    Duration,
    ExecutionLimits,
    FixedDelay,
    JitterStrategy,
    StepConfig,
    WaitForConditionConfig,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.otel import OpenTelemetryPlugin
from durable_execution_sdk.telemetry import EmbeddedMetricsPlugin
from durable_execution_sdk.telemetry.measurements import METRICS
from durable_execution_sdk.testing import LocalDurableTestRunner

SECOND = Duration.from_seconds(1)
UNITS = {"Seconds", "Bytes", "Count", "None"}
Values = dict[tuple[str, frozenset[tuple[str, str]]], list[float]]


def check_format(line: dict[str, Any]) -> None:
    """Check what the specification of the format asks of a line."""
    about = line["_aws"]
    assert isinstance(about["Timestamp"], int)
    [directive] = about["CloudWatchMetrics"]
    assert 1 <= len(directive["Namespace"]) <= 1024
    [dimensions] = directive["Dimensions"]
    assert len(dimensions) <= 30
    assert all(isinstance(line[name], str) and line[name] for name in dimensions)
    assert 1 <= len(directive["Metrics"]) <= 100
    for metric in directive["Metrics"]:
        assert metric["Unit"] in UNITS
        value = line[metric["Name"]]
        assert isinstance(value, int | float) or 1 < len(value) <= 100


def measured(workflow: Any, event: Any = None, **options: Any) -> tuple[list[dict[str, Any]], Ran]:
    lines: list[str] = []
    plugin = EmbeddedMetricsPlugin(write=lines.append, **options)
    ran = rig_of(workflow, options={"plugins": [plugin]}).run(event)
    read = [json.loads(line) for line in lines]
    for line in read:
        check_format(line)
    return read, ran


def values_of(lines: list[dict[str, Any]]) -> Values:
    """Return the values by metric and dimensions without the function's name, as CloudWatch keeps them."""
    values: Values = {}
    for line in lines:
        [directive] = line["_aws"]["CloudWatchMetrics"]
        [names] = directive["Dimensions"]
        dimensions = frozenset((name, line[name]) for name in names if name != "FunctionName")
        for metric in directive["Metrics"]:
            value = line[metric["Name"]]
            found = value if isinstance(value, list) else [value]
            values.setdefault((metric["Name"], dimensions), []).extend(found)
    return values


def total(values: Values, metric: str, **attributes: str) -> float:
    wanted = {(name.replace("_", "."), value) for name, value in attributes.items()}
    return sum(
        sum(found)
        for (name, dimensions), found in values.items()
        if name == metric and wanted <= dimensions
    )


async def everything(attempts: list[int], ctx: DurableContext) -> None:
    """A step that is retried, two that are not, a poll of two checks, and a wait."""

    def flaky() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("not yet")

    twice = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=SECOND))
    await ctx.step(flaky, name="flaky", config=twice)
    for number in range(2):
        await ctx.step(lambda: None, name=f"step-{number}")
    strategy = poll_until(
        lambda state: state == 2, initial_delay=SECOND, jitter=JitterStrategy.NONE
    )
    await ctx.wait_for_condition(
        lambda state: state + 1,
        config=WaitForConditionConfig(initial_state=0, wait_strategy=strategy),
        name="poll",
    )
    await ctx.wait(SECOND, name="pause")


def workflow() -> Any:
    attempts: list[int] = []

    async def run(event: Any, ctx: DurableContext) -> None:
        await everything(attempts, ctx)

    return run


def test_the_values_are_those_of_the_execution() -> None:
    lines, ran = measured(workflow())
    assert (ran.status, ran.error) == ("SUCCEEDED", None)
    values = values_of(lines)
    assert total(values, "durable.executions") == 1
    assert total(values, "durable.executions", durable_execution_status="SUCCEEDED") == 1
    assert total(values, "durable.execution.duration") == pytest.approx(3, abs=0.1)
    assert total(values, "durable.invocations") == ran.invocations == 4
    assert total(values, "durable.invocations", durable_invocation_status="PENDING") == 3
    assert total(values, "durable.operations") == 5
    assert total(values, "durable.operations", durable_operation_type="STEP") == 4
    assert total(
        values, "durable.operation.duration", durable_operation_type="WAIT"
    ) == pytest.approx(1, abs=0.1)
    assert total(values, "durable.attempts") == 6
    assert total(values, "durable.attempts", durable_attempt_outcome="FAILED") == 1
    assert total(values, "durable.retries") == 1
    assert total(values, "durable.checkpoint.bytes") > 500
    assert total(values, "durable.operations.replayed") > 0
    shares = values["durable.replay.share", frozenset()]
    assert shares[0] == 0
    assert shares[-1] == 1
    # The execution, five operations, a retry and a further check, of 3,000.
    quota = frozenset({("durable.budget.quota", "operations")})
    assert values["durable.budget.used", quota][-1] == 8 / 3000
    about = {(line["executionArn"], line["FunctionName"]) for line in lines}
    assert about == {(ran.arn, "workflow")}
    assert len({line["requestId"] for line in lines}) == 4


def test_they_have_the_names_attributes_and_values_of_opentelemetry() -> None:
    lines: list[str] = []
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    plugins = [
        EmbeddedMetricsPlugin(write=lines.append),
        OpenTelemetryPlugin(tracer_provider=NoOpTracerProvider(), meter_provider=meters),
    ]
    rig_of(workflow(), options={"plugins": plugins}).run()
    values = values_of([json.loads(line) for line in lines])
    data: Any = reader.get_metrics_data()
    seen: set[str] = set()
    points: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        seen.add(metric.name)
        for point in metric.data.data_points:
            dimensions = frozenset(
                (name, value if isinstance(value, str) else str(value).lower())
                for name, value in point.attributes.items()
            )
            points[metric.name, dimensions] += 1
            found = values[metric.name, dimensions]
            if hasattr(point, "count"):
                assert len(found) == point.count
                if ".attempt.duration" not in metric.name:  # each plugin has its own clock
                    assert sum(found) == pytest.approx(point.sum)
            else:
                assert sum(found) == point.value
    assert points.keys() == values.keys()
    assert seen == {metric.name for metric in METRICS}
    meters.shutdown()


def test_an_invocation_that_lambda_makes_again_counts_no_end_twice() -> None:
    """Its event tells once more what had ended, and the execution may have ended already."""

    def twice(inner: Any) -> Any:
        def call(request: Any) -> Any:
            inner(request)
            return inner(request)

        return call

    async def pause(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(SECOND)

    lines: list[str] = []
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    plugins = [
        EmbeddedMetricsPlugin(write=lines.append),
        OpenTelemetryPlugin(tracer_provider=NoOpTracerProvider(), meter_provider=meters),
    ]
    wrappers = Wrappers(invoker=twice)
    assert (
        rig_of(pause, options={"plugins": plugins}, wrappers=wrappers).run().status == "SUCCEEDED"
    )
    counted: Counter[str] = Counter()
    for (name, _), values in values_of([json.loads(line) for line in lines]).items():
        counted[name] += int(sum(values))
    data: Any = reader.get_metrics_data()
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.data.data_points:
            counted[f"{metric.name} in OpenTelemetry"] += getattr(point, "value", 0)
    meters.shutdown()
    for name in ("durable.operations", "durable.executions"):
        assert counted[name] == counted[f"{name} in OpenTelemetry"] == 1
    assert counted["durable.invocations"] == counted["durable.invocations in OpenTelemetry"] > 2


def test_executions_of_test_runners_count_though_they_have_the_same_arn() -> None:
    lines: list[str] = []

    @durable_execution(plugins=[EmbeddedMetricsPlugin(write=lines.append)])
    async def nothing(event: Any, ctx: DurableContext) -> None:
        """Have no operation by which the executions could be told apart."""

    for _ in range(2):
        assert LocalDurableTestRunner(nothing).run_sync(None).status == "SUCCEEDED"
    values = values_of([json.loads(line) for line in lines])
    succeeded = frozenset({("durable.execution.status", "SUCCEEDED")})
    assert values["durable.executions", succeeded] == [1, 1]


def test_more_than_a_hundred_values_take_further_lines() -> None:
    async def wide(event: Any, ctx: DurableContext) -> None:
        for number in range(250):
            await ctx.step(lambda: None, name=f"s{number}")

    lines, _ = measured(wide)
    values = values_of(lines)
    step = "durable.attempt.duration"
    assert sum(len(found) for (name, _), found in values.items() if name == step) == 250
    assert total(values, "durable.attempts") == 250
    assert total(values, "durable.operations") == 250


def test_namespace_and_dimensions_are_options() -> None:
    async def quick(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: None)

    lines, _ = measured(quick, namespace="Shop", dimensions={"stage": "prod"})
    for line in lines:
        [directive] = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Shop"
        assert line["stage"] == "prod"
        assert directive["Dimensions"][0][:2] == ["FunctionName", "stage"]


def test_an_execution_that_fails_and_calls_that_fail_are_counted_apart() -> None:
    async def failing(event: Any, ctx: DurableContext) -> None:
        raise ValueError("no")

    lines, _ = measured(failing)
    values = values_of(lines)
    assert total(values, "durable.executions", durable_execution_status="FAILED") == 1
    assert not any(name == "durable.replay.share" for name, _ in values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"namespace": " "}, "a namespace is 1 to 1024 ASCII characters"),
        ({"dimensions": {"stage": ""}}, "a value of the dimension 'stage' is 1 to 1024"),
        ({"dimensions": {"Größe": "1"}}, "a name of a dimension is 1 to 1024 ASCII"),
        ({"dimensions": {f"d{n}": "1" for n in range(27)}}, "takes 26 dimensions at most, not 27"),
        ({"dimensions": {"durable.executions": "1"}}, "give the dimension another name"),
        ({"dimensions": {"durable.execution.status": "1"}}, "give the dimension another name"),
        ({"dimensions": {"executionArn": "1"}}, "give the dimension another name"),
        ({"dimensions": {"FunctionName": "1"}}, "give the dimension another name"),
        ({"dimensions": {"_aws": "1"}}, "give the dimension another name"),
        ({"dimensions": {":stage": "1"}}, "with a colon"),
        ({"dimensions": {"stage": 1}}, "a value of the dimension 'stage' is 1 to 1024"),
        ({"dimensions": ["stage"]}, "dimensions maps names to values"),
        ({"namespace": None}, "a namespace is 1 to 1024"),
        ({"write": None}, "write is a function that takes a line, not None"),
    ],
)
def test_options_that_cloudwatch_refuses_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EmbeddedMetricsPlugin(**options)


def test_used_budgets_are_of_the_limits_that_the_handler_states() -> None:
    async def quick(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: "x" * 98)
        await ctx.wait(Duration.from_seconds(50))

    lines: list[str] = []
    limits = ExecutionLimits(operations=30, bytes=1_000, duration=Duration.from_seconds(200))
    plugins = [EmbeddedMetricsPlugin(write=lines.append)]
    rig_of(quick, options={"plugins": plugins, "limits": limits}).run()
    values = values_of([json.loads(line) for line in lines])
    used = {
        dict(dimensions)["durable.budget.quota"]: found[-1]
        for (name, dimensions), found in values.items()
        if name == "durable.budget.used"
    }
    assert used["operations"] == 3 / 30
    assert used["bytes"] == pytest.approx(0.1, abs=0.01)
    assert used["duration"] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("fails", [False, True])
def test_used_budgets_have_what_is_in_contexts_that_ended_in_earlier_invocations(
    fails: bool,
) -> None:
    """The service leaves out what is in them, and the used budget must not fall for that."""

    async def inner(ctx: DurableContext) -> None:
        for _ in range(4):
            await ctx.step(lambda: "x" * 98)

    async def outer(ctx: DurableContext) -> None:
        await ctx.run_in_child_context(inner)
        await ctx.wait(SECOND)
        if fails:
            raise ValueError("no")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.run_in_child_context(outer)
        except ValueError:
            pass
        await ctx.wait(SECOND)
        await ctx.wait(SECOND)

    lines: list[str] = []
    limits = ExecutionLimits(operations=100, bytes=10_000)
    plugins = [EmbeddedMetricsPlugin(write=lines.append)]
    ran = rig_of(workflow, options={"plugins": plugins, "limits": limits}).run()
    used = [
        [line["durable.budget.used"] for line in map(json.loads, lines) if found(line, quota)]
        for quota in ("operations", "bytes")
    ]
    assert len(used[0]) == ran.invocations == 4
    # The execution, two contexts, four steps and a wait; then a wait each time.
    assert used[0] == [0.08, 0.09, 0.1, 0.1]
    assert all(0.04 < each < 0.2 for each in used[1])


def found(line: dict[str, Any], quota: str) -> bool:
    return line.get("durable.budget.quota") == quota
