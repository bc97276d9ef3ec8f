"""AWS's scenarios for traces of durable executions, on this engine, judged by AWS's own validators.

The traces go by OTLP over HTTP to a receiver. The suite's packages are in the environment of the group otel only.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.otel.receiver import Receiver, receiving
from tests.otel.scenarios import run, target

from durable_execution_sdk import durable_execution
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.otel import OpenTelemetryPlugin, TraceView
from durable_execution_sdk.protocol.control_plane import (
    HistoryRequest,
    InvocationType,
    InvokeRequest,
)
from durable_execution_sdk.protocol.error_object import ErrorObject

pytestmark = pytest.mark.otel

SERVICE_NAME = "durable-execution-conformance"
DAY = 86_400
FORTNIGHT = 14 * DAY
# Lambda gives each invocation such a header.
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

CASES = [
    *(
        pytest.param(f"otel-execution-{n}", TraceView.EXECUTION, id=f"execution-{n}")
        for n in range(1, 21)
    ),
    *(
        pytest.param(f"otel-invocation-{n}", TraceView.INVOCATION, id=f"invocation-{n}")
        for n in range(1, 21)
    ),
    *(
        pytest.param(f"otel-long-running-{n}", view, id=f"long-running-{n}-{view}")
        for n in range(1, 5)
        for view in TraceView
    ),
]


@dataclass(frozen=True)
class Suite:
    """The parts of the suite that are used here."""

    history: Any
    variables: Any
    model: Any
    normalizers: Any
    validators: Any
    matching_trace: Any

    def requirement(self, case: str) -> dict[str, Any]:
        root = Path(self.validators.__file__).parent / "test_requirements"
        path = root / case.rpartition("-")[0] / f"{case}.yaml"
        requirement: dict[str, Any] = self.history.load_yaml_file(str(path))
        return requirement


@pytest.fixture(scope="module")
def suite() -> Suite:
    """Import the suite; it uses a module of Python 3.14, for a backend that is not used here."""
    try:
        from compression import zstd  # noqa: F401
    except ModuleNotFoundError:
        package, module = types.ModuleType("compression"), types.ModuleType("compression.zstd")
        package.zstd = module  # type: ignore[attr-defined]
        module.ZstdError = OSError  # type: ignore[attr-defined]
        sys.modules |= {"compression": package, "compression.zstd": module}
    from aws_durable_execution_conformance_tests import history, variables
    from aws_durable_execution_conformance_tests_otel import (
        model,
        normalizers,
        validators,
    )
    from aws_durable_execution_conformance_tests_otel.backends._common import (
        matching_trace,
    )

    return Suite(history, variables, model, normalizers, validators, matching_trace)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("OTEL_SERVICE_NAME", SERVICE_NAME)
    with receiving() as receiver:
        yield receiver


class Service:
    """The engine on a virtual clock, with the function of the scenarios and the one that they invoke."""

    def __init__(self, plugin: OpenTelemetryPlugin) -> None:
        self.clock = VirtualClock()
        functions = Functions()
        wrap = durable_execution(plugins=[plugin])
        functions.add_durable("workflow", wrap(run).bind, execution_timeout=FORTNIGHT)
        functions.add_durable("target", wrap(target).bind)
        self.emulator = Emulator(MemoryStore(), self.clock, functions)
        self.driver = Driver(self.emulator)

    def start(self, event: Any, header: str | None) -> str:
        return self.emulator.start(
            InvokeRequest(
                function_name="workflow:$LATEST",
                payload=json.dumps(event).encode(),
                invocation_type=InvocationType.EVENT,
                trace_header=header,
            )
        )

    def pass_time(self, arn: str, seconds: float) -> None:
        until = self.clock.now() + round(seconds * 1000)
        self.driver.run_until_closed(arn, until=until)
        self.clock.jump_to(until)

    def history(self, arn: str) -> list[dict[str, Any]]:
        request = HistoryRequest(durable_execution_arn=arn, include_execution_data=True)
        events: list[dict[str, Any]] = msgspec.to_builtins(self.emulator.history(request).events)
        return events

    def answer(self, callback_id: str, action: dict[str, Any]) -> None:
        payload = action.get("Payload")
        if action["Operation"] == "success":
            self.emulator.callback_success(callback_id, json.dumps(payload).encode())
        else:
            failure = msgspec.convert(payload, ErrorObject)
            self.emulator.callback_failure(callback_id, failure)


def play(suite: Suite, service: Service, requirement: dict[str, Any], header: str | None) -> Any:
    """Run the scenario, check its history and its outcome, and return the names that they bind."""
    names = suite.variables.PlaceholderContext()
    variables = requirement.get("Variables", {})
    names.resolve_variables(dict.fromkeys(variables, DAY))
    arn = service.start(names.substitute(requirement["Input"]), header)
    for action in requirement.get("CallbackActions", ()):
        service.pass_time(arn, DAY if variables else action["Delay"])
        (callback,) = (
            event for event in service.history(arn) if event["EventType"] == "CallbackStarted"
        )
        assert suite.history.get_regex_pattern(action["CallbackName"]).search(callback["Name"])
        service.answer(callback["CallbackStartedDetails"]["CallbackId"], action)
    service.pass_time(arn, FORTNIGHT + DAY)
    matched = suite.history.EventHistoryMatcher(context=names).match(
        requirement["ExpectedExecutionHistory"], service.history(arn)
    )
    assert matched.errors == []
    described, expected = service.emulator.describe(arn), requirement["ExpectedResult"]
    assert described.status == expected["ExecutionStatus"]
    if "Result" in expected:
        assert json.loads(described.result or "null") == expected["Result"]
    names.bind("EXECUTION_ARN", arn)
    names.bind("SERVICE_NAME", SERVICE_NAME)
    return names


def judged(suite: Suite, receiver: Receiver, assertions: Any, arn: str) -> list[str]:
    """Return the errors that the suite's validator finds in what the receiver got."""
    spans: dict[str, list[Any]] = {}
    for body in receiver.bodies:
        for trace in suite.normalizers.normalize_otlp_protobuf(body):
            spans.setdefault(trace.trace_id, []).extend(trace.spans)
    arns = assertions.get("allowed_execution_arns", [arn])
    epoch = datetime.fromtimestamp(0, UTC)
    query = suite.model.TelemetryQuery(arn, SERVICE_NAME, epoch, epoch, execution_arns=tuple(arns))
    traces = [suite.model.Trace(name, tuple(each)) for name, each in spans.items()]
    trace = suite.matching_trace(traces, query)
    assert trace is not None
    assert {span.attributes.get("durable.execution.arn") for span in trace.spans} == set(arns)
    errors: list[str] = suite.validators.validate_trace(trace, assertions, query)
    return errors


@pytest.mark.parametrize("header", [HEADER, None], ids=["header", "none"])
@pytest.mark.parametrize(("case", "view"), CASES)
def test_the_trace_of_a_scenario_is_right(
    case: str, view: TraceView, header: str | None, suite: Suite, receiver: Receiver
) -> None:
    requirement = suite.requirement(case)
    of_view = "ExecutionTelemetryAssertions" if view is TraceView.EXECUTION else ""
    assertions = requirement.get(of_view) or requirement["TelemetryAssertions"]
    plugin = OpenTelemetryPlugin(view=view, endpoint=receiver.url, flush_seconds=30)
    try:
        names = play(suite, Service(plugin), requirement, header)
    finally:
        plugin._providers._tracers.shutdown()  # type: ignore[union-attr]
    arn = names.get("EXECUTION_ARN")
    assert judged(suite, receiver, names.substitute(assertions), arn) == []
