"""Requirements of our own, beside those of AWS's suite: a handler, an event, and the story it makes.

A story has a line for each event from the second on, such as ``StepFailed/Step S <C Error=*``: its type
and subtype, a name for the operation's id and one for its parent's, and what its details hold: numbers,
and texts, in which ``_`` is a space.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.requirements import Requirement

from durable_execution_sdk import DurableHandler


class InferredRequirement:
    """A requirement with the handler that fulfils it."""

    def __init__(
        self,
        name: str,
        handler: DurableHandler[Any, Any],
        story: str,
        *,
        event: Any = None,
        status: str | None = "SUCCEEDED",
        result: Any = ...,
        actions: list[dict[str, Any]] | None = None,
        logs: list[dict[str, Any]] | None = None,
    ) -> None:
        self.handler = handler
        expected = None if status is None else {"ExecutionStatus": status}
        if expected is not None and result is not ...:
            expected["Result"] = result
        told = [line.split() for line in story.splitlines() if line.strip()]
        content = {
            "Input": event,
            "ExpectedResult": expected,
            "ExpectedExecutionHistory": [
                _event(number, words) for number, words in enumerate(told, start=2)
            ],
            "CallbackActions": actions,
            "ExpectedLogs": logs,
            "AsyncInvoke": actions is not None,
        }
        self.requirement = Requirement(name, "neighbours", name, content)

    def __repr__(self) -> str:
        return self.requirement.id


def _event(number: int, words: list[str]) -> dict[str, Any]:
    event_type, _, sub_type = words[0].partition("/")
    details: dict[str, Any] = {}
    event: dict[str, Any] = {
        "EventId": number,
        "EventType": event_type,
        "EventTimestamp": "*",
        f"{event_type}Details": details,
    }
    if sub_type:
        event["SubType"] = sub_type
    for word in words[1:]:
        path, is_value, value = word.partition("=")
        if word.startswith("<"):
            event["ParentId"] = "${" + word[1:] + "}"
        elif path == "Name":
            event["Name"] = value
        elif is_value:
            _put(details, path.split("."), value)
        else:
            event["Id"] = "${" + word + "}"
    return event


def _put(details: dict[str, Any], path: list[str], value: str) -> None:
    for key in path[:-1]:
        details = details.setdefault(key, {})
    details[path[-1]] = int(value) if value.isdecimal() else value.strip("'").replace("_", " ")


def success(name: str = "*", delay: int = 1, **payload: Any) -> dict[str, Any]:
    """The answer to a callback: ``payload=...``, or none."""
    given = {"Payload": payload["payload"]} if payload else {}
    return {"CallbackName": name, "Operation": "success", "Delay": delay, **given}


def failure(name: str = "*", delay: int = 1) -> dict[str, Any]:
    """An answer that says no."""
    error = {"ErrorType": "RejectedError", "ErrorMessage": "not approved"}
    return {"CallbackName": name, "Operation": "failure", "Delay": delay, "Payload": error}


def heartbeat(name: str = "*", delay: int = 0) -> dict[str, Any]:
    """A sign of life."""
    return {"CallbackName": name, "Operation": "heartbeat", "Delay": delay}
