"""A service in memory that records and counts, used to measure all SDKs.

Requests and responses are the dictionaries of the Lambda API; adapters pass them to each SDK in place of
its client. The service applies no rules: a START gives STARTED, and so on. Its own CPU time is measured,
so that it can be subtracted from an SDK's.
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
    """Operations by id; ``timestamp`` converts milliseconds to the type that the SDK's client returns."""

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

    # Called by clients. Blocking and asynchronous calls take equally long.

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

    # Called by the benchmark.

    def event(self, payload: str, *, paged: bool = False) -> Answer:
        """Return the event of the next invocation, with the first page of the state."""
        execution: Answer = {
            "Id": RUN,
            "Type": "EXECUTION",
            "Status": "STARTED",
            "StartTimestamp": 1_700_000_000_000,
            "ExecutionDetails": {"InputPayload": payload},
        }
        operations = list(self.operations.values())
        first = [execution, *(operations[: PAGE - 1] if paged else operations)]
        remaining = operations[PAGE - 1 :] if paged else []
        pages = [remaining[i : i + PAGE] for i in range(0, len(remaining), PAGE)]
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
        """Return the service's own CPU time since ``reset_counts``.

        Measured by sending the same updates to another service, because reading clocks around each call
        would take longer than the calls.
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
        changed: dict[str, Answer] = {}
        for update in updates:
            changed[update["Id"]] = self.operations[update["Id"]] = self._recorded(update)
        return {
            "CheckpointToken": f"token-{self.calls}",
            "NewExecutionState": {"Operations": [self._as_client(op) for op in changed.values()]},
        }

    def _page(self, marker: str) -> Answer:
        self.reads += 1
        return self._pages[int(marker)]

    def _recorded(self, update: Answer) -> Answer:
        kind, status = update["Type"], STATUS[update["Action"]]
        previous = self.operations.get(update["Id"])
        operation: Answer = {
            "Id": update["Id"],
            "Type": kind,
            "Status": status,
            "StartTimestamp": previous["StartTimestamp"] if previous else self._now,
        }
        for member in ("ParentId", "Name", "SubType"):
            if update.get(member) is not None:
                operation[member] = update[member]
        has_ended = status in ("SUCCEEDED", "FAILED", "CANCELLED")
        if has_ended:
            operation["EndTimestamp"] = self._now
        details: Answer = {}
        if update.get("Payload") is not None:
            details["Result"] = update["Payload"]
        if update.get("Error") is not None:
            details["Error"] = update["Error"]
        if kind == "STEP":
            operation["StepDetails"] = {"Attempt": int(has_ended), **details}
        elif kind == "CONTEXT":
            options = update.get("ContextOptions") or {}
            if "ReplayChildren" in options:
                details["ReplayChildren"] = options["ReplayChildren"]
            operation["ContextDetails"] = details
        return operation

    def _as_client(self, operation: Answer) -> Answer:
        """Return a copy with timestamps as the SDK's client returns them."""
        copied = dict(operation)
        for member in ("StartTimestamp", "EndTimestamp"):
            if member in copied:
                copied[member] = self._timestamp(copied[member])
        return copied


def _in_milliseconds(operation: Answer) -> Answer:
    return dict(operation)
