"""Lines of logs in words."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from durable_execution_sdk import JsonFormatter
from durable_execution_sdk.rendering.log_lines import log_text

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST/durable-execution/n/id"


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"msg": message, "levelname": "INFO", "name": "durable_execution", **fields}
    )
    made.durable_execution_arn = made.executionArn = ARN
    made.request_id = made.aws_request_id = "r"
    made.is_replay = False
    return made


def line(message: str, **fields: object) -> str:
    return JsonFormatter().format(record(message, **fields))


def test_a_record_of_the_sdk_is_level_operation_message_and_fields() -> None:
    text = line("paid", operation_id="i", operation_name="charge", attempt=1, amount=7, by="Ada L")
    assert log_text(text) == 'INFO charge: paid amount=7 by="Ada L"'
    assert log_text(text, {"i": "items/map-item-0/charge"}).startswith(
        "INFO items/map-item-0/charge: paid"
    )
    assert log_text(line("came")) == "INFO came"


def test_what_is_not_usual_is_said() -> None:
    text = line("again", operation_name="charge", attempt=2, is_replay=True)
    text = text.replace('"isReplay":false', '"isReplay":true')
    assert log_text(text) == "INFO charge: again attempt=2 isReplay=true"
    assert log_text(line("x", name="shop.bank")) == "INFO x logger=shop.bank"


def test_an_error_is_told_with_its_trace() -> None:
    try:
        raise ValueError("no funds")
    except ValueError:
        text = line("failed", exc_info=sys.exc_info(), levelname="ERROR")
    first, *trace = log_text(text).split("\n")
    assert first == "ERROR failed"
    assert trace[0] == "  Traceback (most recent call last):"
    assert [each for each in trace if "ValueError: no funds" in each] == ["  ValueError: no funds"]
    bare = json.dumps({"level": "ERROR", "message": "m", "errorType": "E", "errorMessage": "why"})
    assert log_text(bare) == "ERROR m\n  E: why"


def test_records_of_other_loggers_are_read_too() -> None:
    node = {"timestamp": "t", "level": "INFO", "requestId": "r", "message": {"a": [1]}}
    assert log_text(json.dumps(node)) == 'INFO {"a":[1]}'
    assert log_text(json.dumps({"level": "info", "time": 1, "msg": "hi"})) == "info hi"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "{",
        '{"level": "INFO"}',
        '{"level": 3, "message": "m"}',
        "[1]",
        '{"message": "m"}',
        "{" * 3_000,
        '{"level":"INFO","message":"\\ud800"',
    ],
)
def test_every_other_line_stays_as_it_is(text: str) -> None:
    assert log_text(text) == text
