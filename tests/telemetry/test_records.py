"""The record of an execution: once, at its end, with what its options include."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from tests.memory_service import MemoryService
from tests.rig import Ran, rig_of

from durable_execution_sdk import (
    CheckpointingMode,
    ConfigError,
    DurableContext,
    Duration,
    FixedDelay,
    NoRetry,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.protocol.operations import OperationStatus
from durable_execution_sdk.telemetry import TelemetryRecordPlugin

SECOND = Duration.from_seconds(1)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def recorded(
    workflow: Any, event: Any = None, settings: Any = None, **options: Any
) -> tuple[list[dict[str, Any]], Ran]:
    """Run a workflow; return its records and what came of it."""
    lines: list[str] = []
    plugin = TelemetryRecordPlugin(write=lines.append, **options)
    rig = rig_of(workflow, options={"plugins": [plugin], **(settings or {})})
    ran = rig.run(event)
    assert all("\n" not in line for line in lines)
    return [json.loads(line) for line in lines], ran


async def order(event: Any, ctx: DurableContext) -> Any:
    await ctx.step(lambda: "charged", name="charge")
    await ctx.wait(SECOND, name="delivery")
    return {"order": event}


@pytest.mark.parametrize("mode", list(CheckpointingMode))
def test_an_execution_has_one_record_however_many_invocations_it_takes(
    mode: CheckpointingMode,
) -> None:
    records, ran = recorded(order, "A-1", settings={"checkpointing": mode})
    [record] = records
    assert ran.invocations == 2
    assert record["recordType"] == "DurableExecutionTelemetry"
    assert record["schemaVersion"] == "1.0"
    assert record["executionArn"] == ran.arn
    assert ran.arn == (
        f"arn:aws:lambda:{record['region']}:{record['accountId']}:function:{record['functionName']}"
        f":{record['functionQualifier']}/durable-execution/{record['executionName']}/"
        + ran.arn.rpartition("/")[2]
    )
    assert record["status"] == "SUCCEEDED"
    assert all(TIME.fullmatch(record[each]) for each in ("emittedAt", "startTime", "endTime"))
    assert 1000 <= record["durationMs"] < 1100
    assert not {"input", "output", "error", "truncated"} & record.keys()
    charge, delivery = record["operationsByName"].values()
    taken = charge["totalDurationMs"]
    assert type(taken) is int
    assert charge == {
        "type": "STEP",
        "subType": "Step",
        "status": "SUCCEEDED",
        "count": 1,
        "failedCount": 0,
        "maxAttempt": 1,
        "minDurationMs": taken,
        "maxDurationMs": taken,
        "totalDurationMs": taken,
    }
    assert (delivery["type"], round(delivery["totalDurationMs"], -2)) == ("WAIT", 1000)
    assert "maxAttempt" not in delivery


def test_a_record_at_each_suspension_is_an_option() -> None:
    [running, ended], _ = recorded(order, at_suspension=True)
    assert running["status"] == "RUNNING"
    assert not {"endTime", "durationMs", "error"} & running.keys()
    assert running["operationsByName"]["delivery"]["status"] == "STARTED"
    assert "totalDurationMs" not in running["operationsByName"]["delivery"]
    assert ended["status"] == "SUCCEEDED"


async def failing(event: Any, ctx: DurableContext) -> None:
    def charge() -> None:
        raise ValueError("card of Ada was refused")

    twice = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=SECOND))
    await ctx.step(charge, name="charge", config=twice)


def test_failures_have_their_errors_and_the_messages_can_be_left_out() -> None:
    [record], _ = recorded(failing)
    assert record["status"] == "FAILED"
    assert record["error"]["message"].startswith("card of Ada")
    summary = record["operationsByName"]["charge"]
    assert summary["error"] == {"name": "ValueError", "message": "card of Ada was refused"}
    assert (summary["failedCount"], summary["maxAttempt"]) == (1, 2)
    [record], _ = recorded(failing, errors=False)
    assert "Ada" not in json.dumps(record)
    assert record["error"] == {"name": "ValueError"}
    assert record["operationsByName"]["charge"]["error"] == {"name": "ValueError"}


def test_records_of_failures_only_are_an_option() -> None:
    assert recorded(order, only_failures=True)[0] == []
    assert len(recorded(failing, only_failures=True)[0]) == 1


def test_payloads_are_included_on_request_and_can_be_made_harmless() -> None:
    [record], _ = recorded(order, {"id": "A-1"}, input=True, output=True)
    assert record["input"] == {"id": "A-1"}
    assert record["output"] == {"order": {"id": "A-1"}}

    def without_id(value: Any) -> Any:
        return {**value, "id": "***"}

    [record], _ = recorded(order, {"id": "A-1"}, input=without_id)
    assert record["input"] == {"id": "***"}
    assert "output" not in record


def test_operations_of_one_name_are_summed_up_and_those_inside_others_are_an_option() -> None:
    async def item(ctx: DurableContext, number: int, _index: int) -> None:
        def check() -> None:
            if number == 2:
                raise ValueError("two")

        await ctx.step(check, name="check", config=StepConfig(retry_strategy=NoRetry()))

    async def workflow(event: Any, ctx: DurableContext) -> None:
        batch = await ctx.map([1, 2, 3], item, name="checks")
        assert batch.has_failure

    [record], _ = recorded(workflow)
    assert set(record["operationsByName"]) == {"checks"}
    [record], _ = recorded(workflow, all_operations=True)
    check = record["operationsByName"]["check"]
    assert (check["count"], check["failedCount"], check["maxAttempt"]) == (3, 1, 1)
    assert "error" not in check


def test_a_record_that_is_too_long_loses_operations_and_then_payloads_and_says_so() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        for number in range(event["steps"]):
            await ctx.step(lambda: None, name=f"{number}-{'n' * 240}")
        return event["text"]

    least = 128 * 1024
    [record], _ = recorded(workflow, {"steps": 400, "text": ""}, max_bytes=least)
    kept = list(record["operationsByName"])
    assert record["truncated"] is True
    assert kept[-1].startswith("399-")
    assert record["droppedOperations"] == 400 - len(kept)
    assert kept[0].startswith(f"{400 - len(kept)}-")
    size = len(json.dumps(record, separators=(",", ":")))
    assert least - 1_000 < size <= least

    event = {"steps": 1, "text": "é" * least}
    [record], _ = recorded(workflow, event, max_bytes=least, input=True, output=True)
    assert record["droppedInput"] is record["droppedOutput"] is True
    assert not {"input", "output"} & record.keys()
    [record], _ = recorded(
        workflow, event, max_bytes=least, input=lambda value: value["steps"], output=True
    )
    assert (record["input"], record["droppedOutput"]) == (1, True)


def test_a_long_error_is_cut_so_that_the_record_always_fits() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        raise ValueError(event * 30_000)

    [record], _ = recorded(workflow, "x", max_bytes=128 * 1024)
    assert record["error"]["message"] == "x" * 8_192 + "…"
    [record], _ = recorded(workflow, "\x01", max_bytes=128 * 1024)
    assert len(json.dumps(record)) < 128 * 1024


def test_separators_of_lines_stay_inside_the_line() -> None:
    lines: list[str] = []
    plugin = TelemetryRecordPlugin(write=lines.append, input=True)
    rig_of(order, options={"plugins": [plugin]}).run("a\u2028b\u2029c\x85d\ne")
    [line] = lines
    assert len(line.splitlines()) == 1
    assert json.loads(line)["input"] == "a\u2028b\u2029c\x85d\ne"


def test_sampling_is_decided_for_the_execution_and_not_for_the_invocation() -> None:
    assert recorded(order, sampled=0.0, at_suspension=True)[0] == []
    counts = []
    lines: list[str] = []
    plugin = TelemetryRecordPlugin(write=lines.append, sampled=0.5, at_suspension=True)
    rig = rig_of(order, options={"plugins": [plugin]})
    for _ in range(40):
        lines.clear()
        rig.run(None)
        counts.append(len(lines))
    assert set(counts) == {0, 2}


def test_an_invocation_that_raises_has_no_record() -> None:
    attempts: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise MemoryError
        return "done"

    records, _ = recorded(workflow, at_suspension=True)
    assert [record["status"] for record in records] in (["SUCCEEDED"], ["FAILED"])


def test_lines_go_to_standard_output_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    rig_of(order, options={"plugins": [TelemetryRecordPlugin()]}).run("A")
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampled": 1.5}, "sampled is 0 to 1, not 1.5"),
        ({"sampled": float("nan")}, "sampled is 0 to 1"),
        ({"sampled": "all"}, "sampled is 0 to 1, not 'all'"),
        ({"max_bytes": 2e5}, "max_bytes is 131072 or more, not 200000.0"),
        ({"input": "yes"}, "input is True, False or a function of the payload, not 'yes'"),
        ({"output": None}, "output is True, False or a function"),
        ({"write": "stdout"}, "write is a function that takes a line"),
        ({"max_bytes": 100}, "max_bytes is 131072 or more, not 100"),
        ({"at_suspension": True, "only_failures": True}, "either at_suspension or only_failures"),
    ],
)
def test_options_that_cannot_be_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TelemetryRecordPlugin(**options)


def test_text_that_is_not_unicode_does_not_cost_the_record() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        raise ValueError("half of a pair: \ud800")

    [record], _ = recorded(workflow)
    assert record["error"]["message"].startswith("half of a pair: ")
    assert record["status"] == "FAILED"


def test_an_execution_that_is_invoked_again_after_its_end_writes_another_record() -> None:
    lines: list[str] = []
    service = MemoryService()
    plugin = TelemetryRecordPlugin(write=lines.append)
    handler = durable_execution(plugins=[plugin])(order).bind(service)
    assert handler(service.event("1"), None)["Status"] == "PENDING"
    [wait] = [each for each in service.operations.values() if each.name == "delivery"]
    service.operations[wait.id] = msgspec.structs.replace(wait, status=OperationStatus.SUCCEEDED)
    for _ in range(2):
        assert handler(service.event("1"), None)["Status"] == "SUCCEEDED"
    first, second = map(json.loads, lines)
    assert first["executionArn"] == second["executionArn"]
    assert first["operationsByName"] == second["operationsByName"]
    assert first["emittedAt"] <= second["emittedAt"]


def test_a_status_is_no_operation_of_the_record() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.set_status("packing")
        await ctx.step(lambda: None, name="pack")
        await ctx.wait(SECOND, name="delivery")

    [record], _ = recorded(workflow, all_operations=True)
    assert list(record["operationsByName"]) == ["pack", "delivery"]


def test_a_payload_that_cannot_be_made_harmless_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def raises(value: Any) -> Any:
        return value["card"]

    def makes_no_json(value: Any) -> Any:
        nested: list[Any] = []
        nested.append(nested)
        return nested

    for option in (raises, makes_no_json):
        [record], _ = recorded(order, "A-1", input=option, output=True)
        assert "input" not in record
        assert (record["truncated"], record["droppedInput"]) == (True, True)
        assert record["status"] == "SUCCEEDED"
        assert record["output"] == {"order": "A-1"}
    assert caplog.text.count("left out") == 2
