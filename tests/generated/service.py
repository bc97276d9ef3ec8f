"""A small service of its own for the oracle: the wire's rules in one table, on plain JSON.

It shares no code with ``engine/``: what both accept is likely to be right, and a fault in one of them
does not hide in the other. It refuses what breaks the protocol by raising ``ProtocolError``.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from tests.generated.clock import VirtualClock

Json = dict[str, Any]

BEGAN = 1_767_225_600_000
RUN = "00000000-0000-4000-8000-00000000000a"
ARN = f"arn:aws:lambda:us-east-1:123456789012:function:generated:1/durable-execution/run/{RUN}"

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "STOPPED"})

# The states ("" is none yet) in which an action is legal, and the state after it.
RULES: dict[tuple[str, str], tuple[frozenset[str], str]] = {
    ("STEP", "START"): (frozenset({"", "READY"}), "STARTED"),
    ("STEP", "SUCCEED"): (frozenset({"", "STARTED", "READY"}), "SUCCEEDED"),
    ("STEP", "FAIL"): (frozenset({"", "STARTED", "READY"}), "FAILED"),
    ("STEP", "RETRY"): (frozenset({"", "STARTED", "READY"}), "PENDING"),
    ("CONTEXT", "START"): (frozenset({""}), "STARTED"),
    ("CONTEXT", "SUCCEED"): (frozenset({"", "STARTED"}), "SUCCEEDED"),
    ("CONTEXT", "FAIL"): (frozenset({"", "STARTED"}), "FAILED"),
    ("WAIT", "START"): (frozenset({""}), "STARTED"),
    ("WAIT", "CANCEL"): (frozenset({"STARTED"}), "CANCELLED"),  # or has lost the race with its end
    ("CALLBACK", "START"): (frozenset({""}), "STARTED"),
    ("CHAINED_INVOKE", "START"): (frozenset({""}), "STARTED"),
}

DETAILS = {
    "STEP": "StepDetails",
    "CONTEXT": "ContextDetails",
    "WAIT": "WaitDetails",
    "CALLBACK": "CallbackDetails",
    "CHAINED_INVOKE": "ChainedInvokeDetails",
}


class ProtocolError(Exception):
    """Raised for a request that breaks the protocol."""


class Refusal(Exception):
    """Raised for a request that a service may refuse without harm."""


@dataclass(frozen=True)
class Snapshot:
    """The log at one moment."""

    operations: tuple[Json, ...]
    updated: tuple[str, ...]
    # Whether the handler can know all of it in the order in which it happened.
    is_in_order: bool = True


class Service:
    """The service for one execution: its log, its timers, and the answers that are scheduled."""

    def __init__(self, clock: VirtualClock, payload: str, page: int | None = None) -> None:
        self.clock = clock
        self.page = page
        self.operations: dict[str, Json] = {
            RUN: {
                "Id": RUN,
                "Type": "EXECUTION",
                "Status": "STARTED",
                "StartTimestamp": BEGAN,
                "ExecutionDetails": {"InputPayload": payload},
            }
        }
        self.completed: Json | None = None
        self.snapshots: list[Snapshot] = []
        self.invoked: dict[str, int] = {}
        # Seconds that an invoked function takes; the schedule decides.
        self.latency: Callable[[], float] = lambda: 0.5
        # Decides if a change is reported later; and a flag to refuse the CANCEL of a wait that has ended.
        self.holds_back: Callable[[], bool] = lambda: False
        self.refuses = False
        # Whether the handler is about to call again, whatever it is told.
        self.is_sure_to_call: Callable[[], bool] = lambda: False
        # The latest end that was told, and the ends before it that were told after it.
        self._told_up_to = 0
        self._told_late: set[str] = set()
        self._began_at = clock.now
        self._last = BEGAN
        self._tokens = itertools.count(1)
        self._token: str | None = None
        self._unseen: dict[str, None] = {}
        self._updated: dict[str, None] = {}
        self._agenda: list[tuple[float, int, Callable[[int], bool]]] = []
        self._numbers = itertools.count()
        self._read: tuple[Json, ...] = ()

    # Time.

    def now(self) -> int:
        """Return the service's time in milliseconds."""
        return BEGAN + round((self.clock.now - self._began_at) * 1000)

    def at(self, seconds: float, happen: Callable[[int], bool]) -> None:
        """Schedule an event; its function returns ``True`` if it has changed the log."""
        due = self.clock.now + seconds
        heapq.heappush(self._agenda, (due, next(self._numbers), happen))

    def tick(self) -> None:
        """Run all events that are due, in order, each at a time of its own."""
        while self._agenda and self._agenda[0][0] <= self.clock.now + 1e-9:
            _, _, happen = heapq.heappop(self._agenda)
            happen(self._next_time())

    def jump(self) -> bool:
        """Go to the next event that changes the log; return ``False`` if there is none."""
        while not self._unseen:
            if not self._agenda:
                return False
            due, _, happen = heapq.heappop(self._agenda)
            self.clock.now = max(self.clock.now, due)
            happen(self._next_time())
        return True

    def _next_time(self) -> int:
        self._last = max(self._last + 1, self.now())
        return self._last

    # Invocations.

    def begin(self) -> Json:
        """Return the event of the next invocation, as Lambda passes it to the handler."""
        self.tick()
        self._token = f"token-{next(self._tokens)}"
        self._read = self._visible()
        updated = tuple(self._updated)
        self._unseen.clear()
        self._updated.clear()
        self._keep(updated)
        first = self._read if self.page is None else self._read[: self.page]
        return event_of(first, self._token, updated, more=len(first) < len(self._read))

    def end(self) -> None:
        """End the invocation, so that its token is no longer valid."""
        self._token = None

    @property
    def is_pending(self) -> bool:
        """True if an answer of PENDING is legal."""
        waiting = {("WAIT", "STARTED"), ("CALLBACK", "STARTED"), ("CHAINED_INVOKE", "STARTED")}
        return bool(self._unseen) or any(
            (op["Type"], op["Status"]) in waiting or op["Status"] in ("PENDING", "READY")
            for op in self.operations.values()
        )

    # The data plane.

    def checkpoint(self, body: bytes) -> bytes:
        """Record updates, all or none, and return the operations that have changed."""
        request: Json = msgspec.json.decode(body)
        if request["CheckpointToken"] != self._token:
            raise ProtocolError("a checkpoint came with a token that is used up")
        self.tick()
        at = self._next_time()
        kept = dict(self.operations)
        try:
            for update in request.get("Updates") or []:
                self._record(update, at)
        except (ProtocolError, Refusal):
            self.operations = kept
            raise
        self._token = f"token-{next(self._tokens)}"
        told = self._tell({update["Id"] for update in request.get("Updates") or []})
        changed = [in_seconds(self.operations[key]) for key in told]
        self._updated.clear()
        self._keep(())
        answer = {"CheckpointToken": self._token, "NewExecutionState": {"Operations": changed}}
        return msgspec.json.encode(answer)

    def _tell(self, mine: set[str]) -> list[str]:
        """Choose what an answer tells of what is new: what is asked for, and most of the rest.

        An end may be held back only while the body of a step runs, for the handler is sure to call again then. If
        it could suspend, its next invocation would find the end among others, and nothing tells that it is new.
        """
        may_hold_back = self.is_sure_to_call()
        told = [
            key for key in self._unseen if key in mine or not (may_hold_back and self.holds_back())
        ]
        ends = {key: self.operations[key].get("EndTimestamp", 0) for key in told}
        self._told_late |= {key for key, at in ends.items() if 0 < at < self._told_up_to}
        self._told_up_to = max([self._told_up_to, *ends.values()])
        for key in told:
            del self._unseen[key]
        return told

    @property
    def is_in_order(self) -> bool:
        """Tell if nothing is held back, and the log has the place of every end that came late.

        If the process died before that, nothing in the log would tell what it had seen by then.
        """
        noted = {
            msgspec.json.decode(op["StepDetails"]["Result"])["late"]
            for op in self.operations.values()
            if op.get("Name") == "late news"
        }
        return not (self._unseen or self._told_late - noted)

    @property
    def withholds_an_earlier_end(self) -> bool:
        """Tell if an end has not been told that is earlier than one which has.

        If the execution has ended, nothing tells that the handler did not know of it.
        """
        ends = (self.operations[key].get("EndTimestamp", 0) for key in self._unseen)
        return any(0 < at < self._told_up_to for at in ends)

    def state(self, token: str, marker: str | None) -> bytes:
        """Return a page of the log as it was when the invocation began."""
        if token != self._token:
            raise ProtocolError("a page was asked for with a token that is used up")
        return page_of(self._read, marker, self.page or 100)

    # Answers from outside.

    def answer(
        self, callback_id: str, result: str | None, error: Json | None, seconds: float
    ) -> None:
        """Answer a callback after so many seconds, unless it has ended by then."""
        details: Json = {"CallbackId": callback_id}
        if error is None:
            details["Result"] = result
        else:
            details["Error"] = error
        operation_id = callback_id.removeprefix("callback/")
        status = "FAILED" if error else "SUCCEEDED"
        self.at(seconds, lambda at: self._finish(operation_id, status, details, at))

    def _finish(self, operation_id: str, status: str, details: Json | None, at: int) -> bool:
        op = self.operations[operation_id]
        if op["Status"] in ENDED:
            return False
        known = op.get(DETAILS[op["Type"]]) or {}
        self._put({**op, "Status": status, "EndTimestamp": at}, {**known, **(details or {})})
        self._updated[operation_id] = None
        return True

    def _ready(self, operation_id: str) -> bool:
        op = self.operations[operation_id]
        if op["Status"] != "PENDING":
            return False
        self._put({**op, "Status": "READY"}, op["StepDetails"])
        self._updated[operation_id] = None
        return True

    def _put(self, op: Json, details: Json) -> None:
        op[DETAILS[op["Type"]]] = {key: v for key, v in details.items() if v is not None}
        self.operations[op["Id"]] = op
        self._unseen[op["Id"]] = None

    # Updates.

    def _record(self, update: Json, at: int) -> None:
        kind, action, key = update["Type"], update["Action"], update["Id"]
        if self.completed is not None:
            raise ProtocolError(f"{action} of {kind} {key} after the end of the execution")
        if kind == "EXECUTION":
            self.completed = update
            return
        op = self.operations.get(key)
        self._check(op, update)
        allowed, status = RULES[kind, action]
        before = op["Status"] if op else ""
        if (kind, action) == ("WAIT", "CANCEL") and before in ENDED:
            if self.refuses:
                raise Refusal("a wait that has ended cannot be cancelled")
            return
        if before not in allowed:
            raise ProtocolError(
                f"{action} of {kind} {update.get('Name')!r} {key}: it is {before or 'absent'}"
            )
        started = op or {
            "Id": key,
            "Type": kind,
            "StartTimestamp": at,
            **{name: update[name] for name in ("ParentId", "Name", "SubType") if name in update},
        }
        changed = {**started, "Status": status}
        if status in ENDED:
            changed["EndTimestamp"] = at
        known = started.get(DETAILS[kind]) or {}
        self._put(changed, {**known, **self._details(update, known, at)})

    def _check(self, op: Json | None, update: Json) -> None:
        if op is not None:
            for member in ("Type", "SubType", "Name", "ParentId"):
                if op.get(member) != update.get(member):
                    raise ProtocolError(
                        f"{update['Action']} of {update['Id']} with {member}"
                        f" {update.get(member)!r}, recorded as {op.get(member)!r}"
                    )
        parent = update.get("ParentId")
        while parent is not None:
            above = self.operations.get(parent)
            if above is None or above["Type"] != "CONTEXT":
                raise ProtocolError(f"{update['Id']} has the parent {parent}, which is no context")
            if above["Status"] in ENDED:
                raise ProtocolError(f"{update['Action']} of {update['Id']} in a context that ended")
            parent = above.get("ParentId")

    def _details(self, update: Json, known: Json, at: int) -> Json:
        kind, action, key = update["Type"], update["Action"], update["Id"]
        payload, error = update.get("Payload"), update.get("Error")
        match kind, action:
            case "STEP", "START":
                return {"Attempt": known.get("Attempt", 0), "NextAttemptTimestamp": None}
            case "STEP", "RETRY":
                seconds = update["StepOptions"]["NextAttemptDelaySeconds"]
                self.at(seconds, lambda _: self._ready(key))
                return {
                    "Attempt": known.get("Attempt", 0) + 1,
                    "NextAttemptTimestamp": at + seconds * 1000,
                    "Result": payload,
                    "Error": error,
                }
            case "STEP", _:
                attempt = known.get("Attempt", 0) + 1
                return {"Attempt": attempt, "Result": payload, "Error": error}
            case "CONTEXT", "START":
                return {}
            case "CONTEXT", _:
                options = update.get("ContextOptions") or {}
                kept = options.get("ReplayChildren") or None
                return {"Result": payload, "Error": error, "ReplayChildren": kept}
            case "WAIT", "START":
                seconds = update["WaitOptions"]["WaitSeconds"]
                self.at(seconds, lambda at: self._finish(key, "SUCCEEDED", None, at))
                return {"ScheduledEndTimestamp": at + seconds * 1000}
            case "CALLBACK", "START":
                seconds = (update.get("CallbackOptions") or {}).get("TimeoutSeconds") or 0
                if seconds:
                    late = {"Error": {"ErrorType": "Callback.Timeout", "ErrorMessage": "timed out"}}
                    self.at(seconds, lambda at: self._finish(key, "TIMED_OUT", late, at))
                return {"CallbackId": f"callback/{key}"}
            case "CHAINED_INVOKE", "START":
                self._call(key, update["ChainedInvokeOptions"]["FunctionName"], payload)
        return {}

    def _call(self, key: str, function: str, payload: str | None) -> None:
        """Invoke another function, which returns its payload or fails."""
        self.invoked[key] = self.invoked.get(key, 0) + 1
        status, details = "SUCCEEDED", {"Result": payload}
        if function.startswith("broken"):
            status, details = "FAILED", {"Error": {"ErrorType": "Broken", "ErrorMessage": "no"}}
        self.at(self.latency(), lambda at: self._finish(key, status, details, at))

    # The part of the log that a handler gets.

    def _visible(self) -> tuple[Json, ...]:
        """Return all operations but those in a context that has ended and is not rebuilt."""
        hidden: set[str] = set()
        shown: list[Json] = []
        for key, op in self.operations.items():
            above = op.get("ParentId")
            if above in hidden:
                hidden.add(key)
                continue
            shown.append(op)
            details = op.get("ContextDetails") or {}
            if (
                op["Type"] == "CONTEXT"
                and op["Status"] in ENDED
                and not details.get("ReplayChildren")
            ):
                hidden.add(key)
        return tuple(shown)

    def _keep(self, updated: tuple[str, ...]) -> None:
        self.snapshots.append(Snapshot(self._visible(), updated, self.is_in_order))


def event_of(
    operations: tuple[Json, ...], token: str, updated: tuple[str, ...], *, more: bool
) -> Json:
    """Make an event of an invocation, encoded and decoded as JSON."""
    state: Json = {
        "Operations": list(operations),
        "NextMarker": str(len(operations)) if more else "",
    }
    event = {
        "DurableExecutionArn": ARN,
        "CheckpointToken": token,
        "InitialExecutionState": state,
        "UpdatedOperationIds": list(updated),
    }
    return msgspec.json.decode(msgspec.json.encode(event))


def page_of(operations: tuple[Json, ...], marker: str | None, size: int) -> bytes:
    """Encode a page of operations, as the API does."""
    start = int(marker or 0)
    end = start + size
    page: Json = {"Operations": [in_seconds(op) for op in operations[start:end]]}
    if end < len(operations):
        page["NextMarker"] = str(end)
    return msgspec.json.encode(page)


def in_seconds(value: Any) -> Any:
    """Convert the timestamps in a value to seconds, as the API has them."""
    if isinstance(value, dict):
        return {
            key: member / 1000 if key.endswith("Timestamp") else in_seconds(member)
            for key, member in value.items()
        }
    return value
