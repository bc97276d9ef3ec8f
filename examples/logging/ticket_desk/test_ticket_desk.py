"""Each line is a JSON object with the names of Lambda's log format."""

import io
import json

from examples.logging.ticket_desk.app import handler, take_ticket

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "t-1"


def test_a_line_is_an_object(durable_runner):
    written = io.StringIO()
    before = handler.setStream(written)
    durable_runner(take_ticket).run_sync(EVENT)
    handler.setStream(before)
    taken, assigned = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (taken["level"], taken["message"], taken["ticket"]) == ("INFO", "ticket taken", "t-1")
    assert (assigned["operationName"], assigned["attempt"]) == ("assign", 1)
    assert taken["executionArn"] == assigned["executionArn"]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(take_ticket).run_sync(EVENT), "ticket_desk")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(take_ticket, EVENT).raise_if_failed()
