"""The judge itself: it lets pass what holds, and each lie is found."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from tests.conformance.judge import (
    Bindings,
    Disagreement,
    Line,
    judge_history,
    judge_logs,
    judge_nothing_else,
    judge_result,
    judge_sound,
    lines_of,
)

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST/durable-execution/n/r"

EVENTS: list[dict[str, Any]] = [
    {"EventId": 1, "EventType": "ExecutionStarted", "ExecutionStartedDetails": {}},
    {
        "EventId": 2,
        "EventType": "ContextStarted",
        "SubType": "RunInChildContext",
        "Id": "c",
        "Name": "child",
        "ContextStartedDetails": {},
    },
    {
        "EventId": 3,
        "EventType": "StepFailed",
        "SubType": "Step",
        "Id": "s",
        "ParentId": "c",
        "StepFailedDetails": {
            "Error": {"Payload": {"ErrorType": "shop.TransientError", "StackTrace": ["a", "b"]}},
            "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 5},
        },
    },
    {"EventId": 4, "EventType": "InvocationCompleted", "InvocationCompletedDetails": {}},
    {
        "EventId": 5,
        "EventType": "ExecutionSucceeded",
        "ExecutionSucceededDetails": {"Result": {"Payload": '"hi abc"'}},
    },
]

EXPECTED: list[dict[str, Any]] = [
    {
        "EventId": 2,
        "EventType": "ContextStarted",
        "SubType": "RunInChildContext",
        "Id": "${CTX}",
        "Name": "${NAME}",
        "ContextStartedDetails": {},
    },
    {
        "EventId": 3,
        "EventType": "StepFailed",
        "Id": "${STEP}",
        "ParentId": "${CTX}",
        "StepFailedDetails": {
            "Error": {"Payload": {"ErrorType": "${/.*TransientError$/}", "StackTrace": ["a", "*"]}},
            "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": "${/^[0-5]$/}"},
        },
    },
    {"EventId": 4, "EventType": "InvocationCompleted", "InvocationCompletedDetails": "*"},
    {
        "EventId": 5,
        "EventType": "ExecutionSucceeded",
        "ExecutionSucceededDetails": {"Result": {"Payload": '"hi ${WHO}"'}},
    },
]


def bindings() -> Bindings:
    return Bindings({"WHO": "abc"})


def test_a_history_that_holds_passes_and_what_is_not_listed_is_ignored() -> None:
    judge_history(EXPECTED, EVENTS, bindings())
    judge_history(EXPECTED[1:2], EVENTS, bindings())
    judge_nothing_else(EXPECTED, EVENTS)


def put(number: int, path: str, value: Any) -> list[dict[str, Any]]:
    """The events with another value at a place, or without it."""
    events = copy.deepcopy(EVENTS)
    place: Any = events[number - 1]
    *way, last = path.split(".")
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return events


@pytest.mark.parametrize(
    "events",
    [
        EVENTS[:2] + EVENTS[3:],
        put(2, "EventType", "ContextFailed"),
        put(2, "SubType", "Map"),
        put(2, "Name", None),
        put(2, "ContextStartedDetails", None),
        put(3, "ParentId", "s"),
        put(3, "ParentId", None),
        put(3, "StepFailedDetails.Error", None),
        put(3, "StepFailedDetails.Error.Payload.ErrorType", "TransientErrors"),
        put(3, "StepFailedDetails.Error.Payload.StackTrace", ["a"]),
        put(3, "StepFailedDetails.Error.Payload.StackTrace", ["b", "a"]),
        put(3, "StepFailedDetails.RetryDetails.CurrentAttempt", 2),
        put(3, "StepFailedDetails.RetryDetails.NextAttemptDelaySeconds", 6),
        put(3, "StepFailedDetails", "text"),
        put(4, "InvocationCompletedDetails", None),
        put(5, "ExecutionSucceededDetails.Result.Payload", '"hi ab"'),
        put(5, "ExecutionSucceededDetails.Result.Payload", '"hi  abc"'),
        put(5, "ExecutionSucceededDetails.Result", {}),
        [{**event, "EventId": 6 - event["EventId"]} for event in EVENTS],
    ],
    ids=str,
)
def test_a_history_with_one_lie_in_it_does_not_pass(events: list[dict[str, Any]]) -> None:
    with pytest.raises(Disagreement):
        judge_history(EXPECTED, events, bindings())


def test_a_name_stands_for_the_same_thing_everywhere() -> None:
    twice = [
        {"EventId": 2, "EventType": "A", "Id": "${X}"},
        {"EventId": 3, "EventType": "A", "Id": "${X}"},
    ]
    one, other = (
        {"EventId": 2, "EventType": "A", "Id": "i"},
        {"EventId": 3, "EventType": "A", "Id": "j"},
    )
    with pytest.raises(Disagreement, match="event 3, Id is 'j', not 'i'"):
        judge_history(twice, [one, other], Bindings())
    judge_history(twice, [one, {**other, "Id": "i"}], Bindings())


def event(number: int, event_type: str, details: Any = None, **members: Any) -> dict[str, Any]:
    common = {"EventId": number, "EventTimestamp": 100 + number, "EventType": event_type}
    return {**common, f"{event_type}Details": details or {}, **members}


RETRY = {"RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 1}}

SOUND = [
    event(1, "ExecutionStarted"),
    event(2, "ContextStarted", Id="c", Name="child"),
    event(3, "StepStarted", Id="s", ParentId="c"),
    event(4, "StepFailed", RETRY, Id="s", ParentId="c"),
    event(5, "InvocationCompleted"),
    event(6, "StepStarted", Id="s", ParentId="c"),
    event(7, "StepSucceeded", Id="s", ParentId="c"),
    event(8, "ContextSucceeded", Id="c", Name="child"),
    event(9, "InvocationCompleted"),
    event(10, "ExecutionSucceeded"),
]


def instead(number: int, *other: dict[str, Any]) -> list[dict[str, Any]]:
    return [*SOUND[: number - 1], *other, *SOUND[number:]]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (SOUND[1:], "numbered from 1"),
        (instead(5), "numbered from 1"),
        (instead(1, event(1, "StepStarted", Id="x")), "first event"),
        (instead(5, {**event(5, "InvocationCompleted"), "EventTimestamp": 1}), "older"),
        (instead(5, event(5, "InvocationCompleted", WaitStartedDetails={})), "has"),
        (instead(5, {**SOUND[4], "EventType": "Other"}), "has"),
        (instead(9, event(9, "WaitStarted", Id="w")), "last invocation's end"),
        (instead(9, event(9, "ExecutionSucceeded")), "last invocation's end"),
        (instead(3, event(3, "StepSucceeded", Id="s", ParentId="c")), "has not started"),
        (instead(6, event(6, "StepStarted", Id="s", ParentId="c", Name="x")), "name or kind"),
        (instead(6, event(6, "StepStarted", Id="s")), "name or kind"),
        (instead(4, event(4, "StepFailed", Id="s", ParentId="c")), "has ended"),
        (instead(5, event(5, "StepStarted", Id="t", ParentId="b")), "not open"),
        ([*SOUND[:8], event(9, "StepStarted", Id="t", ParentId="c")], "not open"),
    ],
    ids=str,
)
def test_a_history_that_no_service_would_have_is_noticed(
    events: list[dict[str, Any]], said: str
) -> None:
    judge_sound(SOUND)
    with pytest.raises(Disagreement, match=said):
        judge_sound(events)


def test_events_that_nobody_listed_at_the_end_are_noticed() -> None:
    more = [*EVENTS, {"EventId": 6, "EventType": "ExecutionSucceeded"}]
    with pytest.raises(Disagreement, match="6 events"):
        judge_nothing_else(EXPECTED, more)
    judge_nothing_else(EXPECTED[:-1], EVENTS)
    with pytest.raises(Disagreement, match="6 events"):
        judge_nothing_else(EXPECTED[:-1], more)


@pytest.mark.parametrize(
    ("expected", "status", "result", "holds"),
    [
        ({"ExecutionStatus": "FAILED"}, "FAILED", None, True),
        ({"ExecutionStatus": "FAILED"}, "TIMED_OUT", None, False),
        ({"ExecutionStatus": "SUCCEEDED"}, "SUCCEEDED", '"whatever"', True),
        ({"ExecutionStatus": "SUCCEEDED", "Result": None}, "SUCCEEDED", "null", True),
        ({"ExecutionStatus": "SUCCEEDED", "Result": None}, "SUCCEEDED", '""', False),
        ({"ExecutionStatus": "SUCCEEDED", "Result": None}, "SUCCEEDED", None, False),
        ({"ExecutionStatus": "SUCCEEDED", "Result": "${WHO}"}, "SUCCEEDED", '"abc"', True),
        ({"ExecutionStatus": "SUCCEEDED", "Result": ["${WHO}"]}, "SUCCEEDED", '["ab"]', False),
        ({"ExecutionStatus": "SUCCEEDED", "Result": {"a": 1}}, "SUCCEEDED", '{"a":1}', True),
        ({"ExecutionStatus": "SUCCEEDED", "Result": {"a": 1}}, "SUCCEEDED", '{"a":1,"b":2}', False),
        ({"ExecutionStatus": "SUCCEEDED", "Result": '"HI"'}, "SUCCEEDED", '"\\"HI\\""', True),
        ({"ExecutionStatus": "SUCCEEDED", "Result": "3"}, "SUCCEEDED", "3", False),
    ],
)
def test_results(expected: dict[str, Any], status: str, result: str | None, holds: bool) -> None:
    if holds:
        judge_result(expected, status, result, bindings())
    else:
        with pytest.raises(Disagreement):
            judge_result(expected, status, result, bindings())


LINES = [
    Line(10, 0, {"hook": "start", "n": 1, "first": True, "message": " hello abc \n"}),
    Line(10, 1, {"hook": "start", "n": 2, "first": False}),
    Line(11, 2, {"hook": "end", "n": 2, "status": "SUCCEEDED"}),
]


@pytest.mark.parametrize(
    ("entry", "holds"),
    [
        ({"match": {"hook": "start"}, "count": 2}, True),
        ({"match": {"hook": "start"}, "count": 1}, False),
        ({"match": {"hook": "start"}}, True),
        ({"match": {"hook": "middle"}}, False),
        ({"match": {"hook": "middle"}, "count": 0}, True),
        ({"match": {"hook": "start"}, "count": 0}, False),
        ({"match": {"hook": "start"}, "min_count": 2}, True),
        ({"match": {"hook": "start"}, "min_count": 3}, False),
        ({"match": {"hook": "start"}, "max_count": 1}, False),
        ({"match": {"hook": "middle"}, "max_count": 1}, True),
        ({"match": {"n": 2}, "count": 2}, True),
        ({"match": {"n": 2.0}, "count": 2}, True),
        ({"match": {"n": "2"}, "count": 2}, True),
        ({"match": {"n": "/^[12]$/"}, "count": 3}, True),
        ({"match": {"first": True}, "count": 1}, True),
        ({"match": {"first": 1}, "count": 0}, True),
        ({"match": {"n": True}, "count": 0}, True),
        ({"match": {"first": "/.*/"}, "count": 2}, True),
        ({"match": {"message": "hello abc"}, "count": 1}, True),
        ({"match": {"message": "/hello ${WHO}/"}, "count": 1}, True),
        ({"match": {"message": "hello"}}, False),
        ({"match": {"hook": "${UNBOUND}"}, "count": 0}, False),
        ({"match": {"hook": "end"}, "after": [{"hook": "start"}]}, True),
        ({"match": {"hook": "start"}, "before": [{"hook": "end"}]}, True),
        ({"match": {"hook": "start"}, "after": [{"hook": "end"}]}, False),
        ({"match": {"hook": "end"}, "before": [{"n": 1}]}, False),
        ({"match": {"hook": "end"}, "after": [{"hook": "middle"}]}, False),
    ],
    ids=str,
)
def test_log_lines(entry: dict[str, Any], holds: bool) -> None:
    if holds:
        judge_logs([entry], LINES, bindings())
    else:
        with pytest.raises(Disagreement):
            judge_logs([entry], LINES, bindings())


def test_lines_of_one_moment_may_have_come_in_either_order() -> None:
    together = [Line(5, 5, {"hook": "a"}), Line(5, 5, {"hook": "b"})]
    judge_logs([{"match": {"hook": "a"}, "after": [{"hook": "b"}]}], together, Bindings())
    judge_logs([{"match": {"hook": "b"}, "after": [{"hook": "a"}]}], together, Bindings())


def test_only_json_objects_that_name_the_execution_exist_for_the_judge() -> None:
    texts = [
        json.dumps({"executionArn": ARN, "message": "one"}),
        json.dumps({"durableExecutionArn": ARN, "message": "two"}),
        json.dumps({"durableExecutionArn": ARN + "x", "message": "of another"}),
        json.dumps({"inner": {"executionArn": ARN}}),
        json.dumps([ARN]),
        f"executionArn {ARN}",
        "",
    ]
    found = lines_of(ARN, [(0, number, text) for number, text in enumerate(texts)])
    assert [line.content["message"] for line in found] == ["one", "two"]
