"""The rules by which a run is judged: its history, its result and its log lines.

Each function raises ``Disagreement`` at the first thing that is not as it was expected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_NAME = re.compile(r"\$\{(\w+)\}")
_PATTERN = re.compile(r"\$\{/(.*)/\}", re.DOTALL)
_LOG_PATTERN = re.compile(r"/(.*)/", re.DOTALL)


class Disagreement(AssertionError):
    """The history or the result differs from the required one."""


class Bindings:
    """The values of ``${Name}``: of variables from the start, of operations from their first event on."""

    def __init__(self, variables: Mapping[str, Any] | None = None) -> None:
        self._values: dict[str, Any] = dict(variables or {})

    def copy(self) -> Bindings:
        """The same bindings, to look ahead with."""
        return Bindings(self._values)

    def filled(self, value: Any) -> Any:
        """A value with everything in it that is bound already, at any depth."""
        match value:
            case str():
                whole = _NAME.fullmatch(value)
                if whole is not None and whole[1] in self._values:
                    return self._values[whole[1]]
                return _NAME.sub(self._replaced, value)
            case dict():
                return {key: self.filled(each) for key, each in value.items()}
            case list():
                return [self.filled(each) for each in value]
            case _:
                return value

    def compare(self, expected: str, actual: Any) -> bool:
        """Compare a text, which may hold a placeholder, with the actual value; bind a new placeholder to it."""
        name = _NAME.fullmatch(expected)
        if name is not None and name[1] not in self._values:
            self._values[name[1]] = actual
            return True
        pattern = _PATTERN.fullmatch(expected)
        if pattern is not None:
            return re.search(self.filled(pattern[1]), str(actual)) is not None
        wanted: Any = self.filled(expected)
        return bool(wanted == actual)

    def _replaced(self, found: re.Match[str]) -> str:
        return str(self._values.get(found[1], found[0]))


def judge_history(
    expected: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], bindings: Bindings
) -> None:
    """Find each expected event by its number, and compare what is listed of it."""
    by_id = {event["EventId"]: event for event in events}
    for wanted in expected:
        number = wanted["EventId"]
        if number not in by_id:
            raise Disagreement(f"event {number} is missing, a {wanted['EventType']}")
        _compare(wanted, by_id[number], f"event {number}", bindings)


def judge_sound(events: Sequence[Mapping[str, Any]]) -> None:
    """Stricter than the suite: what holds of every history, whatever is expected of it."""
    if [event["EventId"] for event in events] != list(range(1, len(events) + 1)):
        raise Disagreement("the events are not numbered from 1")
    if events[0]["EventType"] != "ExecutionStarted":
        raise Disagreement(f"the first event is a {events[0]['EventType']}")
    for before, event in pairwise(events):
        where = f"event {event['EventId']}, a {event['EventType']}"
        if event["EventTimestamp"] < before["EventTimestamp"]:
            raise Disagreement(f"{where}, is older than the one before it")
        details = [key for key in event if key.endswith("Details")]
        if details != [f"{event['EventType']}Details"]:
            raise Disagreement(f"{where}, has {details}")
        if event["EventType"].startswith("Execution"):
            if before["EventType"] != "InvocationCompleted" or event is not events[-1]:
                raise Disagreement(f"{where}, does not follow the last invocation's end")
    _judge_operations([event for event in events[1:] if "Id" in event])


def _judge_operations(events: Sequence[Mapping[str, Any]]) -> None:
    """See that each operation starts, stays what it is, and ends once, in a context that is open."""
    facts: dict[str, tuple[Any, ...]] = {}
    ended: set[str] = set()
    for event in events:
        where = f"event {event['EventId']}, a {event['EventType']}"
        if event["EventType"].startswith("Execution"):
            continue
        operation_id, parent_id = event["Id"], event.get("ParentId")
        found = tuple(event.get(key) for key in ("Name", "SubType", "ParentId"))
        if operation_id not in facts and not event["EventType"].endswith("Started"):
            raise Disagreement(f"{where}, is of an operation that has not started")
        if facts.setdefault(operation_id, found) != found:
            raise Disagreement(f"{where}, is of an operation of another name or kind")
        if operation_id in ended:
            raise Disagreement(f"{where}, is of an operation that has ended")
        if parent_id is not None and (parent_id not in facts or parent_id in ended):
            raise Disagreement(f"{where}, is in a context that is not open")
        details = event[f"{event['EventType']}Details"]
        again = "NextAttemptDelaySeconds" in details.get("RetryDetails", {})
        if not event["EventType"].endswith("Started") and not again:
            ended.add(operation_id)


def judge_nothing_else(
    expected: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> None:
    """Stricter than the suite: see that nothing follows the last event that is listed but the end."""
    last = max(expected, key=lambda event: event["EventId"])
    is_end = last["EventType"].startswith("Execution")
    wanted = last["EventId"] + (0 if is_end else 1)
    if len(events) != wanted:
        raise Disagreement(f"there are {len(events)} events, and {wanted} were expected")


def judge_result(
    expected: Mapping[str, Any], status: str, result: str | None, bindings: Bindings
) -> None:
    """Compare how an execution ended, and what it returned if it succeeded."""
    if status != expected["ExecutionStatus"]:
        raise Disagreement(f"the execution is {status}, not {expected['ExecutionStatus']}")
    if status != "SUCCEEDED" or "Result" not in expected:
        return
    wanted = bindings.filled(expected["Result"])
    if result is None:
        raise Disagreement(f"there is no result, and {wanted!r} was expected")
    found = json.loads(result)
    if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
        raise Disagreement(f"the result is {found!r}, not {wanted!r}")


def _compare(expected: Any, actual: Any, where: str, bindings: Bindings) -> None:
    match expected:
        case "*":
            return
        case dict():
            if expected and not isinstance(actual, dict):
                raise Disagreement(f"{where} is {actual!r}, not an object")
            for key, value in expected.items():
                if key not in actual:
                    raise Disagreement(f"{where} has no {key}: {actual!r}")
                _compare(value, actual[key], f"{where}, {key}", bindings)
        case list():
            if not isinstance(actual, list) or len(actual) != len(expected):
                raise Disagreement(f"{where} is {actual!r}, not {len(expected)} values")
            for index, value in enumerate(expected):
                _compare(value, actual[index], f"{where}[{index}]", bindings)
        case str():
            if not bindings.compare(expected, actual):
                raise Disagreement(f"{where} is {actual!r}, not {bindings.filled(expected)!r}")
        case _:
            if expected != actual:
                raise Disagreement(f"{where} is {actual!r}, not {expected!r}")


@dataclass(frozen=True)
class Line:
    """A log line that is a JSON object, when it was written and when it was taken in."""

    timestamp: int
    ingested: int
    content: Mapping[str, Any]

    @property
    def moment(self) -> tuple[int, int]:
        return self.timestamp, self.ingested


def lines_of(arn: str, texts: Sequence[tuple[int, int, str]]) -> list[Line]:
    """The lines that exist for the judge: JSON objects that name the execution at their top."""
    lines = []
    for timestamp, ingested, text in texts:
        try:
            content = json.loads(text)
        except ValueError:
            continue
        if isinstance(content, dict) and arn in (
            content.get("durableExecutionArn"),
            content.get("executionArn"),
        ):
            lines.append(Line(timestamp, ingested, content))
    return lines


def judge_logs(
    expected: Sequence[Mapping[str, Any]], lines: Sequence[Line], bindings: Bindings
) -> None:
    """Count the lines that match each entry, and see that they came before and after others."""
    for entry in expected:
        found = _matching(entry["match"], lines, bindings)
        _count(entry, len(found), bindings)
        for anchor in entry.get("after") or []:
            _in_order(entry, _anchors(anchor, lines, bindings), found)
        for anchor in entry.get("before") or []:
            _in_order(entry, found, _anchors(anchor, lines, bindings))


def _matching(wanted: Mapping[str, Any], lines: Sequence[Line], bindings: Bindings) -> list[Line]:
    filled: Mapping[str, Any] = bindings.filled(wanted)
    unbound = [value for value in filled.values() if isinstance(value, str) and "${" in value]
    if unbound:
        raise Disagreement(f"nothing in the history was bound to {', '.join(unbound)}")
    return [
        line
        for line in lines
        if all(
            name in line.content and _same(value, line.content[name])
            for name, value in filled.items()
        )
    ]


def _same(wanted: Any, actual: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(actual, bool):
        if isinstance(wanted, str) and (pattern := _LOG_PATTERN.fullmatch(wanted)):
            return re.search(pattern[1], str(actual)) is not None
        return wanted is actual
    if isinstance(wanted, (int, float)):
        try:
            return float(actual) == wanted
        except (TypeError, ValueError):
            return False
    text = str(actual).strip()
    pattern = _LOG_PATTERN.fullmatch(str(wanted))
    if pattern is not None:
        return re.search(pattern[1], text) is not None
    return text == str(wanted).strip()


def _count(entry: Mapping[str, Any], found: int, bindings: Bindings) -> None:
    if "count" in entry:
        least = most = entry["count"]
    else:
        most = entry.get("max_count")
        least = entry.get("min_count", 1 if most is None else 0)
    if found < least or (most is not None and found > most):
        wanted = str(least) if least == most else f"{least} to {'any' if most is None else most}"
        what = bindings.filled(entry["match"])
        raise Disagreement(f"{found} log lines match {what}, and {wanted} were expected")


def _anchors(anchor: Mapping[str, Any], lines: Sequence[Line], bindings: Bindings) -> list[Line]:
    found = _matching(anchor, lines, bindings)
    if not found:
        raise Disagreement(f"no log line matches the anchor {bindings.filled(anchor)}")
    return found


def _in_order(entry: Mapping[str, Any], first: Sequence[Line], then: Sequence[Line]) -> None:
    # Lines of the same moment may have been written in either order.
    for earlier in first:
        for later in then:
            if later.moment < earlier.moment:
                raise Disagreement(f"{later.content} came before {earlier.content}: {entry}")
