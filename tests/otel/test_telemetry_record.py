"""AWS's scenario for telemetry records, on this engine, judged by AWS's own validators.

The suite's packages are in the environment of the group otel only.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.rig import rig_of

from durable_execution_sdk import DurableContext
from durable_execution_sdk.telemetry import TelemetryRecordPlugin

pytestmark = pytest.mark.otel

SUITE = "aws_durable_execution_conformance_tests_telemetry"


async def increment(event: Any, ctx: DurableContext) -> Any:
    """Add one, in a step: the handler that the requirement describes."""
    value: int = await ctx.step(lambda: event["value"] + 1, name="increment")
    return {"value": value}


def requirement() -> dict[str, Any]:
    import yaml

    root = Path(str(import_module(SUITE).__file__)).parent
    path = root / "test_requirements" / "telemetry" / "telemetry-1.yaml"
    read: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read


def errors_of(lines: list[str], arn: str) -> list[str]:
    """Return what the suite finds wrong in the lines of an execution."""
    model, validators = import_module(f"{SUITE}.model"), import_module(f"{SUITE}.validators")
    parsed = [model.parse_record({"message": line}) for line in lines]
    records = [record for record in parsed if record is not None]
    assert len(records) == len(lines)
    expected = requirement()["TelemetryAssertions"]["records"]
    found: list[str] = validators.validate_records(
        records, expected, model.parse_execution_arn(arn)
    )
    return found


def recorded(event: Any) -> tuple[list[str], str]:
    lines: list[str] = []
    plugin = TelemetryRecordPlugin(input=True, output=True, write=lines.append)
    ran = rig_of(increment, options={"plugins": [plugin]}).run(event)
    assert ran.status == "SUCCEEDED"
    return lines, ran.arn


def test_the_record_is_the_one_that_the_suite_asks_for() -> None:
    asked = requirement()
    lines, arn = recorded(asked["Input"])
    assert errors_of(lines, arn) == []
    assert json.loads(lines[0])["output"] == asked["ExpectedResult"]["Result"]


def test_the_suite_finds_what_is_wrong() -> None:
    lines, arn = recorded(requirement()["Input"])
    assert errors_of([], arn) == ["records: expected 1 record(s), got 0"]
    record = json.loads(lines[0])
    record["operationsByName"]["increment"]["count"] = True
    del record["region"]
    found = errors_of([json.dumps(record)], arn)
    assert len(found) == 2
    assert "region" in found[0]
    assert "count" in found[1]
