"""Every execution's state, folded from the store: command in, stored events out.

The store decides what happened. What is held here is only a fold of it, which catches up with what
other processes appended, and is thrown away when a fold is cut short.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from durable_execution_sdk.emulator.stores.store import (
    ConflictError,
    ExecutionRecord,
    Standing,
    Store,
)
from durable_execution_sdk.engine import machine
from durable_execution_sdk.engine.commands import Command, StartExecution
from durable_execution_sdk.engine.events import Event, decode_event, encode_event
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import not_found
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.errors import StoreError
from durable_execution_sdk.model.ids import ExecutionArn

_CLOSED_HELD = 64
"""How many closed executions are kept folded; others are read again when somebody asks."""


@dataclass(slots=True)
class _Held:
    state: ExecutionState
    head: int


class Ledger:
    """Decides commands on the newest state, and stores what they lead to.

    ``on_news`` hears of executions that are read for the first time, and of events that somebody else
    stored since. Not thread-safe: the caller has a lock.
    """

    def __init__(
        self, store: Store, limits: Limits, on_news: Callable[[ExecutionState, list[Event]], None]
    ) -> None:
        self._store = store
        self._limits = limits
        self._on_news = on_news
        self._held: dict[str, _Held] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()

    def find(self, arn: str) -> ExecutionState | None:
        """The newest state of an execution, or ``None`` if there is no such execution."""
        held = self._caught_up(arn)
        return None if held is None else held.state

    def state(self, arn: str) -> ExecutionState:
        """The newest state of an execution that has to be there."""
        found = self.find(arn)
        if found is None:
            raise not_found(f"Durable execution not found: {arn}")
        return found

    def events(self, arn: str) -> list[Event]:
        """All events of an execution."""
        return self.recording(arn)()

    def recording(self, arn: str) -> Callable[[], list[Event]]:
        """All events of an execution as of now, which are read when they are asked for."""
        self.state(arn)
        stored = self._store.events(arn)
        return lambda: [_decoded(arn, data) for data in stored]

    def head(self, arn: str) -> int:
        """How many of an execution's events are folded; 0 when none is."""
        held = self._held.get(arn)
        return 0 if held is None else held.head

    def create(self, command: StartExecution, now: int) -> tuple[ExecutionState, list[Event]]:
        """Add an execution; ``NameTakenError`` if its name is there already."""
        events = machine.decide(None, command, now, self._limits)
        arn = ExecutionArn.parse(command.arn)
        self._store.create(
            ExecutionRecord(
                arn=command.arn,
                name=arn.execution_name,
                function=arn.function_name,
                version=arn.version,
                status=_fold(None, events).status,
                started_at=events[0].at,
            ),
            list(map(encode_event, events)),
        )
        return self._hold(command.arn, None, events, len(events)).state, events

    def submit(
        self, state: ExecutionState, command: Command, now: int
    ) -> tuple[ExecutionState, list[Event]]:
        """Decide a command on the newest state, and store its events; returns the state after them.

        If the state is not the newest after all, the store says so, and it is decided again.
        """
        arn = state.arn
        while True:
            events = machine.decide(state, command, now, self._limits)
            if not events:
                return state, events
            head = self._held[arn].head
            try:
                return self._append(arn, state, events, head), events
            except ConflictError:
                self._read_again(arn, head)
                state = self.state(arn)

    def forget(self, arn: str) -> None:
        """Drop what is held of an execution."""
        self._held.pop(arn, None)
        self._closed.pop(arn, None)

    def _append(
        self, arn: str, state: ExecutionState, events: list[Event], head: int
    ) -> ExecutionState:
        # The index in the store needs the status after the events, and ``evolve`` may change the
        # state in place. So from here on the held state is good only if the append succeeds.
        held = self._held.pop(arn)
        after = _fold(state, events)
        self._store.append(
            arn,
            head,
            list(map(encode_event, events)),
            Standing(status=after.status, is_open=not after.is_closed, ended_at=after.ended_at),
        )
        held.state, held.head = after, head + len(events)
        self._keep(arn, held)
        return after

    def _caught_up(self, arn: str) -> _Held | None:
        held = self._held.get(arn)
        stored = self._store.events(arn, held.head if held is not None else 0)
        if not stored:
            return held
        events = [_decoded(arn, data) for data in stored]
        if held is None:
            held = self._hold(arn, None, events, len(events))
            self._on_news(held.state, [])
        else:
            self._held.pop(arn)
            held = self._hold(arn, held.state, events, held.head + len(events))
            self._on_news(held.state, events)
        return held

    def _read_again(self, arn: str, head: int) -> None:
        self._closed.pop(arn, None)
        events = [_decoded(arn, data) for data in self._store.events(arn)]
        if events:
            held = self._hold(arn, None, events, len(events))
            self._on_news(held.state, events[head:])

    def _hold(
        self, arn: str, state: ExecutionState | None, events: list[Event], head: int
    ) -> _Held:
        held = _Held(_fold(state, events), head)
        self._keep(arn, held)
        return held

    def _keep(self, arn: str, held: _Held) -> None:
        self._held[arn] = held
        if held.state.is_closed:
            self._closed[arn] = None
            self._closed.move_to_end(arn)
            while len(self._closed) > _CLOSED_HELD:
                oldest, _ = self._closed.popitem(last=False)
                self._held.pop(oldest, None)


def _fold(state: ExecutionState | None, events: list[Event]) -> ExecutionState:
    for event in events:
        state = machine.evolve(state, event)
    assert state is not None
    return state


def _decoded(arn: str, data: bytes) -> Event:
    try:
        return decode_event(data)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"cannot read an event of {arn}: {error}; the store was damaged, or written by a newer"
            " version of durable-execution-sdk: use that version, or choose another file"
        ) from error
