"""Runs a requirement against a service, and says how it came out."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.conformance.judge import (
    Bindings,
    Disagreement,
    judge_history,
    judge_logs,
    judge_nothing_else,
    judge_result,
    judge_sound,
    lines_of,
)
from tests.conformance.requirements import Requirement
from tests.conformance.service import Service

POLL_SECONDS = 2
PATIENCE_SECONDS = 30
TERMINAL = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut"}

Lines = Callable[[], Sequence[tuple[int, int, str]]]


def validate(
    requirement: Requirement, service: Service, function: str, lines: Lines = lambda: ()
) -> None:
    """Invoke the function, and judge what came of it: history, result, log lines."""
    bindings = Bindings(requirement.variables(random.Random()))
    event = bindings.filled(requirement.event)
    if requirement.is_asynchronous:
        arn = service.invoke(function, event, asynchronous=True)
        events = _Poll(requirement, service, arn, bindings).until_ended()
    else:
        arn = service.invoke(function, event, asynchronous=False)
        events = service.history(arn)
    try:
        judge_history(requirement.history, events, bindings)
        judge_sound(events)
        if requirement.lists_everything:
            judge_nothing_else(requirement.history, events)
        if requirement.result is not None:
            judge_result(requirement.result, *service.outcome(arn), bindings)
        if requirement.logs:
            judge_logs(requirement.logs, lines_of(arn, lines()), bindings)
    except Disagreement as error:
        error.add_note(_told(events))
        error.add_note("\n".join(text for *_, text in lines()))
        raise


class _Poll:
    """Looks at an execution every two seconds, and answers its callbacks."""

    def __init__(
        self, requirement: Requirement, service: Service, arn: str, bindings: Bindings
    ) -> None:
        self._requirement = requirement
        self._service = service
        self._arn = arn
        self._bindings = bindings
        self._actions: list[dict[str, Any]] = bindings.filled(requirement.actions)
        self._answered: set[str] = set()

    def until_ended(self) -> list[dict[str, Any]]:
        """The history of the execution once it has ended, or once all that is asked has happened."""
        seen, quiet = 0, 0
        while True:
            self._service.pass_time(self._arn, 0)
            events = self._service.history(self._arn)
            if any(event["EventType"] in TERMINAL for event in events) or self._is_enough(events):
                return events
            quiet = 0 if len(events) > seen else quiet + POLL_SECONDS
            seen = len(events)
            if quiet >= PATIENCE_SECONDS:
                problem = Disagreement(f"nothing happened for {PATIENCE_SECONDS} seconds")
                problem.add_note(_told(events))
                raise problem
            if self._requirement.actions:
                self._answer(events)
            self._service.pass_time(self._arn, POLL_SECONDS)

    def _is_enough(self, events: list[dict[str, Any]]) -> bool:
        if self._requirement.result is not None:
            return False
        try:
            judge_history(self._requirement.history, events, self._bindings.copy())
        except Disagreement:
            return False
        return True

    def _answer(self, events: list[dict[str, Any]]) -> None:
        contexts = {
            event["Id"]: event.get("Name") for event in events if "ContextStartedDetails" in event
        }
        for event in events:
            if "CallbackStartedDetails" not in event or event["Id"] in self._answered:
                continue
            name = event.get("Name") or contexts.get(event.get("ParentId"))
            action = self._action_for(name)
            self._service.pass_time(self._arn, action.get("Delay", 0))
            self._send(action, event)

    def _action_for(self, name: str | None) -> dict[str, Any]:
        for action in self._actions:
            wanted = action["CallbackName"]
            pattern = re.fullmatch(r"\$\{/(.*)/\}", wanted)
            if wanted in ("*", name) or (pattern and re.search(pattern[1], str(name))):
                self._actions.remove(action)
                return action
        raise Disagreement(f"no action is left for the callback {name!r}")

    def _send(self, action: dict[str, Any], event: dict[str, Any]) -> None:
        callback_id = event["CallbackStartedDetails"]["CallbackId"]
        match action["Operation"]:
            case "heartbeat":
                self._service.beat(callback_id)
                return
            case "success":
                payload = json.dumps(action["Payload"]).encode() if "Payload" in action else None
                self._service.succeed(callback_id, payload)
            case "failure":
                self._service.fail(callback_id, action.get("Payload") or {})
            case operation:
                raise Disagreement(f"nobody knows the operation {operation!r}")
        self._answered.add(event["Id"])


def _told(events: Sequence[dict[str, Any]]) -> str:
    hidden = {"EventType", "EventId", "EventTimestamp"}
    return "\n".join(
        f"{event['EventId']} {event['EventType']} "
        + str({key: value for key, value in event.items() if key not in hidden})[:300]
        for event in events
    )
