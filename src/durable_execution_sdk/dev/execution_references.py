"""Executions as people name them: by name, by ARN, by the beginning of an id, or as the last one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from durable_execution_sdk.dev.processes import lineage
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.store import ExecutionRecord, Search

__all__ = ["LAST", "executions_named"]

LAST = "@last"
"""Names the execution that was started last, by a caller and not by another execution."""

_ID = re.compile(r"[0-9a-zA-Z-]{4,}")


def executions_named(emulator: Emulator, reference: str, most: int) -> Sequence[ExecutionRecord]:
    """Return the executions that a reference names: one, none, or several whose ids begin with it."""
    store = emulator.store
    named = emulator.find_name(reference)
    if reference == LAST and named is None:
        named = _last_started(emulator)
    record = store.find(reference if named is None else named)
    if record is not None:
        return [record]
    return store.search(Search(run_id=reference, limit=most)) if _ID.fullmatch(reference) else []


def _last_started(emulator: Emulator) -> str | None:
    """Return the ARN of the newest execution that no other one invoked, if there are any."""
    after = None
    while records := emulator.store.search(Search(after=after)):
        for record in records:
            if len(list(islice(lineage(emulator, record.arn), 2))) == 1:
                return record.arn
        after = (records[-1].started_at, records[-1].number)
    return None
