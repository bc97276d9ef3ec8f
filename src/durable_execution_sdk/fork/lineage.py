"""The whole history of an execution that may itself be a fork: that of its origin, and then its own."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.fork.chunks import Chunk, Seed, chunk_id, read_chunk, seed_from
from durable_execution_sdk.fork.envelope import envelope_of
from durable_execution_sdk.fork.open_operations import ended_attempts, folded
from durable_execution_sdk.protocol.history import EventInput, HistoryEvent

__all__ = ["Lineage", "input_of", "time_shift", "whole_history", "with_input"]


class Lineage(Struct, frozen=True, kw_only=True):
    """The events of an execution and of its origins. ``stored`` are the ids of contexts whose results were changed."""

    events: list[HistoryEvent]
    stored: list[str] = []


def whole_history(events: Sequence[HistoryEvent], name: str) -> Lineage:
    """Return the events of an execution as if its origin, and that one's, had been the same execution.

    ``name`` is the execution's. Of an execution that is no fork these are its own. Raises ``ConfigError`` for a fork
    that has not recorded all of its origin's history.
    """
    started = events[0]
    if envelope_of(name, input_of(started)) is None:
        return Lineage(events=list(events))
    chunks = _chunks(events)
    seed = seed_from(chunks)
    if seed is None:
        raise ConfigError(
            f"{name} is a fork that has not recorded the history of its origin completely, so there is nothing"
            " to go on from: fork its origin again"
        )
    own_ids = {chunk_id(part) for part in chunks}
    shift = time_shift(seed, started.event_timestamp)
    attempts = ended_attempts(folded(seed.events))
    own = [
        _moved(event, shift, attempts)
        for event in events[1:]
        if event.id is None or event.id not in own_ids
    ]
    numbered = [replace(event, event_id=n) for n, event in enumerate([*seed.events, *own], 1)]
    return Lineage(events=numbered, stored=seed.stored)


def input_of(started: HistoryEvent) -> str | None:
    """Return the input in the event ExecutionStarted."""
    details = started.execution_started_details
    return None if details is None else details.input.payload


def with_input(started: HistoryEvent, payload: str) -> HistoryEvent:
    """Return the event ExecutionStarted with another input."""
    details = started.execution_started_details
    assert details is not None
    return replace(
        started, execution_started_details=replace(details, input=EventInput(payload=payload))
    )


def time_shift(seed: Seed, started_at: float) -> float:
    """Return the milliseconds that are added to the times of a fork, so that all of them follow those of the seed.

    That is 0 unless the clock of the new execution is behind that of the old one. It follows from the log alone.
    """
    last = max(event.event_timestamp for event in seed.events)
    return max(0, last + 1 - started_at)


def _chunks(events: Sequence[HistoryEvent]) -> dict[int, Chunk]:
    by_id = {
        event.id: event.step_succeeded_details.result.payload
        for event in events
        if event.step_succeeded_details is not None
    }
    chunks: dict[int, Chunk] = {}
    while (next_id := chunk_id(len(chunks) + 1)) in by_id:
        chunks[len(chunks) + 1] = read_chunk(by_id[next_id])
    return chunks


def _moved(event: HistoryEvent, shift: float, attempts: dict[str, int]) -> HistoryEvent:
    """Return an event of the fork itself with the times and the numbers of attempts of the whole history."""
    if shift:
        event = replace(event, event_timestamp=event.event_timestamp + shift)
        if (wait := event.wait_started_details) is not None:
            moved = replace(wait, scheduled_end_timestamp=wait.scheduled_end_timestamp + shift)
            event = replace(event, wait_started_details=moved)
    earlier = attempts.get(event.id or "", 0)
    if earlier and (succeeded := event.step_succeeded_details) is not None:
        number = succeeded.retry_details.current_attempt + earlier
        retry = replace(succeeded.retry_details, current_attempt=number)
        return replace(event, step_succeeded_details=replace(succeeded, retry_details=retry))
    if earlier and (failed := event.step_failed_details) is not None:
        number = failed.retry_details.current_attempt + earlier
        retry = replace(failed.retry_details, current_attempt=number)
        return replace(event, step_failed_details=replace(failed, retry_details=retry))
    return event
