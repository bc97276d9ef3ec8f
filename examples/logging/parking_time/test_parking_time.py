"""structlog's lines come once too, with the fields of the execution."""

import json

import pytest
import structlog
from examples.logging.parking_time.app import PROCESSORS, park

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "TO 123"


@pytest.fixture(autouse=True)
def configured():
    """Configure structlog as the application does, whatever other tests have left."""
    structlog.configure(processors=PROCESSORS)
    yield
    structlog.reset_defaults()


def test_lines_come_once(durable_runner, capsys):
    result = durable_runner(park).run_sync(EVENT)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [
        "the car is parked",
        "photographed",
        "the time is up",
    ]
    assert lines[1]["operation_name"] == "photograph"
    assert {line["durable_execution_arn"] for line in lines} == {result.arn}


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(park).run_sync(EVENT), "parking_time")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(park, EVENT).raise_if_failed()
