"""The service that every SDK is measured against: it records, in memory, and counts.

It speaks the dictionaries of the Lambda API, as a client of that API takes and gives them; adapters put
them into the seam that an SDK has for its client. It decides nothing: a START is STARTED, and so on.
Its own CPU time is counted, so that it can be taken off what an SDK is charged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

RUN = "run"
ARN = f"arn:aws:lambda:us-east-1:123456789012:function:bench:$LATEST/durable-execution/bench/{RUN}"
STATUS = {
    "START": "STARTED",
    "SUCCEED": "SUCCEEDED",
    "FAIL": "FAILED",
    "RETRY": "PENDING",
    "CANCEL": "CANCELLED",
}
PAGE = 1_000

Answer = dict[str, Any]


class Service:
    """Operations by id; ``timestamp`` makes of milliseconds what the client at hand would give."""

    def __init__(
        self, seconds_per_call: float = 0.0, timestamp: Callable[[int], Any] = int
    ) -> None:
        self.operations: dict[str, Answer] = {}
        self.calls = 0
        self.reads = 0
        self._batches: list[list[Answer]] = []
        self._seconds = seconds_per_call
        self._timestamp = timestamp
        self._now = 1_700_000_000_000
        self._pages: list[Answer] = []

    # What clients call. Blocking and asynchronous ones take as long for it.

    def checkpoint(self, updates: list[Answer]) -> Answer:
        if self._seconds:
            time.sleep(self._seconds)
        return self._record(updates)

    async def checkpoint_async(self, updates: list[Answer]) -> Answer:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return self._record(updates)

    def state(self, marker: str) -> Answer:
        if self._seconds:
            time.sleep(self._seconds)
        return self._page(marker)

    async def state_async(self, marker: str) -> Answer:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return self._page(marker)

    # What the benchmark asks.

    def event(self, payload: str, *, paged: bool = False) -> Answer:
        """The event of the next invocation, its first page of state included."""
        execution: Answer = {
            "Id": RUN,
            "Type": "EXECUTION",
            "Status": "STARTED",
            "StartTimestamp": 1_700_000_000_000,
            "ExecutionDetails": {"InputPayload": payload},
        }
        kept = list(self.operations.values())
        first = [execution, *(kept[: PAGE - 1] if paged else kept)]
        rest = kept[PAGE - 1 :] if paged else []
        pages = [rest[i : i + PAGE] for i in range(0, len(rest), PAGE)]
        self._pages = [
            {"Operations": [self._as_client(op) for op in page], "NextMarker": str(number + 1)}
            for number, page in enumerate(pages)
        ]
        state: Answer = {"Operations": [_in_milliseconds(op) for op in first]}
        if self._pages:
            del self._pages[-1]["NextMarker"]
            state["NextMarker"] = "0"
        return {
            "DurableExecutionArn": ARN,
            "CheckpointToken": "token-0",
            "InitialExecutionState": state,
        }

    def reset_counts(self) -> None:
        self.calls = self.reads = 0
        self._batches = []

    def own_cpu(self) -> float:
        """What it took itself since then: as much as the same updates take another one, alone.

        Clocks around each call would cost more than the calls.
        """
        batches, twin = self._batches, Service(timestamp=self._timestamp)
        began = time.process_time()
        for updates in batches:
            twin._record(updates)
        return time.process_time() - began

    def _record(self, updates: list[Answer]) -> Answer:
        self.calls += 1
        self._batches.append(updates)
        self._now += 1
        told: dict[str, Answer] = {}
        for update in updates:
            told[update["Id"]] = self.operations[update["Id"]] = self._recorded(update)
        return {
            "CheckpointToken": f"token-{self.calls}",
            "NewExecutionState": {"Operations": [self._as_client(op) for op in told.values()]},
        }

    def _page(self, marker: str) -> Answer:
        self.reads += 1
        return self._pages[int(marker)]

    def _recorded(self, update: Answer) -> Answer:
        kind, status = update["Type"], STATUS[update["Action"]]
        known = self.operations.get(update["Id"])
        operation: Answer = {
            "Id": update["Id"],
            "Type": kind,
            "Status": status,
            "StartTimestamp": known["StartTimestamp"] if known else self._now,
        }
        for member in ("ParentId", "Name", "SubType"):
            if update.get(member) is not None:
                operation[member] = update[member]
        ended = status in ("SUCCEEDED", "FAILED", "CANCELLED")
        if ended:
            operation["EndTimestamp"] = self._now
        details: Answer = {}
        if update.get("Payload") is not None:
            details["Result"] = update["Payload"]
        if update.get("Error") is not None:
            details["Error"] = update["Error"]
        if kind == "STEP":
            operation["StepDetails"] = {"Attempt": int(ended), **details}
        elif kind == "CONTEXT":
            options = update.get("ContextOptions") or {}
            if "ReplayChildren" in options:
                details["ReplayChildren"] = options["ReplayChildren"]
            operation["ContextDetails"] = details
        return operation

    def _as_client(self, operation: Answer) -> Answer:
        """A copy, with timestamps as the client gives them."""
        copied = dict(operation)
        for member in ("StartTimestamp", "EndTimestamp"):
            if member in copied:
                copied[member] = self._timestamp(copied[member])
        return copied


def _in_milliseconds(operation: Answer) -> Answer:
    return dict(operation)
