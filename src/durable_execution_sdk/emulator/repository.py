"""States of executions, folded from their stored events; commands become stored events here.

The store is the source of truth; the states here are a cache. A state is taken out of the cache before
it is changed, and put back once its events are stored. Events of other processes are read when needed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from durable_execution_sdk.emulator.stores.store import (
    ConflictError,
    Counts,
    ExecutionRecord,
    Standing,
    Store,
)
from durable_execution_sdk.engine import machine
from durable_execution_sdk.engine.commands import Command, StartExecution
from durable_execution_sdk.engine.events import Event, StepSucceeded, decode_event, encode_event
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import not_found
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.engine.views.progress import CustomStatus
from durable_execution_sdk.errors import StoreError
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import is_status

_MAX_CLOSED_CACHED = 64
"""Number of closed executions whose state is cached; others are read again when needed."""


@dataclass(slots=True)
class _CacheEntry:
    state: ExecutionState
    head: int


class Repository:
    """Decides commands on the newest state and stores their events.

    ``on_news`` is called for executions that are read for the first time, and for events that another
    process stored. Not thread-safe: callers hold a lock.
    """

    def __init__(
        self, store: Store, limits: Limits, on_news: Callable[[ExecutionState, list[Event]], None]
    ) -> None:
        self._store = store
        self._limits = limits
        self._on_news = on_news
        self._cache: dict[str, _CacheEntry] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()

    def find(self, arn: str) -> ExecutionState | None:
        """Return the newest state of an execution, or ``None`` if there is no such execution."""
        entry = self._caught_up(arn)
        return None if entry is None else entry.state

    def state(self, arn: str) -> ExecutionState:
        """Return the newest state of an execution; raise ``Rejected`` if there is none."""
        state = self.find(arn)
        if state is None:
            raise not_found(f"Durable execution not found: {arn}")
        return state

    def events(self, arn: str) -> list[Event]:
        """Return all events of an execution."""
        return self.recording(arn)()

    def recording(self, arn: str) -> Callable[[], list[Event]]:
        """Return a function that decodes and returns the events stored up to now."""
        self.state(arn)
        encoded_events = self._store.events(arn)
        return lambda: [_decoded(arn, data) for data in encoded_events]

    def head(self, arn: str) -> int:
        """Return the number of an execution's events in the cached state; 0 if none is cached."""
        entry = self._cache.get(arn)
        return 0 if entry is None else entry.head

    def create(self, command: StartExecution, now: int) -> tuple[ExecutionState, list[Event]]:
        """Start an execution; raise ``NameTakenError`` if its name exists."""
        events = machine.decide(None, command, now, self._limits)
        return self.add(events), events

    def add(self, events: list[Event]) -> ExecutionState:
        """Add an open execution with these events; raise ``NameTakenError`` if its name exists."""
        state = _fold(None, events)
        arn = ExecutionArn.parse(state.arn)
        self._store.create(
            ExecutionRecord(
                arn=state.arn,
                name=arn.execution_name,
                function=arn.function_name,
                version=arn.version,
                status=state.status,
                started_at=state.started_at,
                counts=counts_of(state),
                status_event=status_event_of(events),
            ),
            list(map(encode_event, events)),
        )
        self._keep(state.arn, _CacheEntry(state, len(events)))
        return state

    def submit(
        self, state: ExecutionState, command: Command, now: int
    ) -> tuple[ExecutionState, list[Event]]:
        """Decide a command and store its events; return the state after them and the events.

        When another process has appended since ``state`` was read, the store refuses the append, and
        the command is decided again on the newest state.
        """
        arn = state.arn
        while True:
            events = machine.decide(state, command, now, self._limits)
            if not events:
                return state, events
            head = self._cache[arn].head
            try:
                return self._append(arn, state, events, head), events
            except ConflictError:
                self._read_again(arn, head)
                state = self.state(arn)

    def counts(self, record: ExecutionRecord, *, keeps: bool = True) -> Counts:
        """Return the counts of an execution; those that the store does not have are counted, and kept unless told not to."""
        if record.counts is not None:
            return record.counts
        events = [_decoded(record.arn, data) for data in self._store.events(record.arn)]
        if not events:
            return Counts(operations=0, attempts=0)  # It was deleted since.
        counts = counts_of(_fold(None, events))
        if keeps:
            self._store.count(record.arn, len(events), counts)
        return counts

    def forget(self, arn: str) -> None:
        """Drop the cached state of an execution."""
        self._cache.pop(arn, None)
        self._closed.pop(arn, None)

    def _append(
        self, arn: str, state: ExecutionState, events: list[Event], head: int
    ) -> ExecutionState:
        # The store's index needs the status after the events, and ``evolve`` changes the state in
        # place. So the cached state is taken out, and put back only if the append succeeds.
        entry = self._cache.pop(arn)
        new_state = _fold(state, events)
        self._store.append(
            arn,
            head,
            list(map(encode_event, events)),
            Standing(
                status=new_state.status,
                is_open=not new_state.is_closed,
                ended_at=new_state.ended_at,
                counts=counts_of(new_state),
                status_event=status_event_of(events, head),
            ),
        )
        entry.state, entry.head = new_state, head + len(events)
        self._keep(arn, entry)
        return new_state

    def _caught_up(self, arn: str) -> _CacheEntry | None:
        entry = self._cache.get(arn)
        encoded_events = self._store.events(arn, entry.head if entry is not None else 0)
        if not encoded_events:
            return entry
        events = [_decoded(arn, data) for data in encoded_events]
        if entry is None:
            entry = self._add(arn, None, events, len(events))
            self._on_news(entry.state, [])
        else:
            self._cache.pop(arn)
            entry = self._add(arn, entry.state, events, entry.head + len(events))
            self._on_news(entry.state, events)
        return entry

    def _read_again(self, arn: str, head: int) -> None:
        self._closed.pop(arn, None)
        events = [_decoded(arn, data) for data in self._store.events(arn)]
        if events:
            entry = self._add(arn, None, events, len(events))
            self._on_news(entry.state, events[head:])

    def _add(
        self, arn: str, state: ExecutionState | None, events: list[Event], head: int
    ) -> _CacheEntry:
        entry = _CacheEntry(_fold(state, events), head)
        self._keep(arn, entry)
        return entry

    def _keep(self, arn: str, entry: _CacheEntry) -> None:
        self._cache[arn] = entry
        if entry.state.is_closed:
            self._closed[arn] = None
            self._closed.move_to_end(arn)
            while len(self._closed) > _MAX_CLOSED_CACHED:
                oldest, _ = self._closed.popitem(last=False)
                self._cache.pop(oldest, None)


def _fold(state: ExecutionState | None, events: list[Event]) -> ExecutionState:
    for event in events:
        state = machine.evolve(state, event)
    assert state is not None
    return state


def counts_of(state: ExecutionState) -> Counts:
    """Return the numbers of operations and attempts that have begun."""
    # The first entry is the execution itself.
    return Counts(operations=len(state.order) - 1, attempts=state.attempts)


def status_event_of(events: Sequence[Event], head: int = 0) -> int | None:
    """Return the number of the last of these events that records a status, if any does; ``head`` events are before them."""
    for number in range(len(events), 0, -1):
        event = events[number - 1]
        if isinstance(event, StepSucceeded) and is_status(event.operation.id, event.operation.name):
            return head + number
    return None


def recorded_status(store: Store, record: ExecutionRecord) -> CustomStatus | None:
    """Read the status that the code of an execution set last, of which the store has the number of the event."""
    data = None if record.status_event is None else store.event(record.arn, record.status_event)
    event = None if data is None else _decoded(record.arn, data)
    return (
        CustomStatus(payload=event.result, at=event.at)
        if isinstance(event, StepSucceeded)
        else None
    )


def _decoded(arn: str, data: bytes) -> Event:
    try:
        return decode_event(data)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"cannot read an event of {arn}: {error}; the store was damaged, or written by a newer"
            " version of durable-execution-sdk: use that version, or choose another file"
        ) from error


def is_reusable(existing: ExecutionState, command: StartExecution, now: int) -> bool:
    """Return ``True`` if a command to start may use the name of this execution again."""
    existing_function = ExecutionArn.parse(existing.arn).function_name
    function = ExecutionArn.parse(command.arn).function_name
    # Names are unique in the account. An execution of another function counts as one with another
    # input: JSON holds no NUL, so the prefix makes the payloads differ.
    payload = command.input if existing_function == function else f"{function}\0{command.input}"
    return machine.may_reuse_name(existing, payload, now)
