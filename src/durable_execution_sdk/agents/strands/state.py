"""The state of an agent in a workflow: what the log has, in whatever order its tools write and end.

Tools that run at once write to one state, as Strands has it, and each record has what its call has written. A write has a
turn, so that the record of a call that ended late does not undo what another has written since. What a call has written
and its record does not have yet, code of the workflow does not see, because a replay would not see it there; and what a
failed attempt has written is taken back.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from strands.agent.state import AgentState

from durable_execution_sdk.runtime.current import get_current
from durable_execution_sdk.runtime.tasks import WorkflowTask

__all__ = ["CallWrites", "TrackedState", "tracked"]


@dataclass(frozen=True)
class _Write:
    """The value that a key was given; ``gone`` where the key was deleted."""

    turn: int
    value: Any = None
    gone: bool = False


@dataclass(eq=False)
class CallWrites:
    """Holds what a call of a tool has written, until its record is there."""

    in_workflow: bool
    writes: dict[str, _Write] = field(default_factory=dict[str, _Write])

    @contextmanager
    def attempt(self, state: TrackedState) -> Generator[None]:
        """Note what the block writes; take it back if the block fails."""
        self.writes = {}
        state.began(self)
        token = _CALL.set(self)
        try:
            yield
        except BaseException:
            state.ended(self, {})
            raise
        finally:
            _CALL.reset(token)

    @property
    def record(self) -> dict[str, Any]:
        """The writes as JSON data."""
        return {
            key: {"turn": each.turn} if each.gone else {"turn": each.turn, "value": each.value}
            for key, each in sorted(self.writes.items())
        }


# The call whose code runs.
_CALL: ContextVar[CallWrites | None] = ContextVar("durable_strands_call", default=None)


class TrackedState(AgentState):
    """An agent's state that knows which call has written what."""

    def follow(self) -> None:
        """Begin to follow the writes."""
        self._turn = 0
        self._settled: dict[str, _Write] = {}
        self._open: list[CallWrites] = []
        self._writing = threading.RLock()  # plain functions write in threads

    def __reduce__(self) -> tuple[type[AgentState], tuple[Any]]:
        """Let copies be plain states with the same data."""
        return AgentState, (self.get(),)

    def set(self, key: str, value: Any) -> None:
        """Set a key."""
        with self._writing:
            before = super().get()
            super().set(key, value)
            self._note(key, before, _Write(0, super().get(key)))

    def delete(self, key: str) -> None:
        """Delete a key."""
        with self._writing:
            before = super().get()
            super().delete(key)
            self._note(key, before, _Write(0, gone=True))

    def get(self, key: str | None = None) -> Any:
        """Return the value of a key, or all data: to code of the workflow, without what steps have not recorded."""
        if not self._open or not isinstance(get_current(), WorkflowTask):
            return super().get(key)
        with self._writing:
            data = super().get()
            visible = [call for call in self._open if call.in_workflow]
            for each in _written(self._open):
                _put(data, each, self._newest(each, visible))
        return data if key is None else data.get(key)

    def began(self, call: CallWrites) -> None:
        """Note that a call runs."""
        with self._writing:
            if call not in self._open:
                self._open.append(call)

    def ended(self, call: CallWrites, record: Mapping[str, Mapping[str, Any]]) -> None:
        """Let the record of a call, if it has one, stand in the place of what it has written here."""
        with self._writing:
            keys = {*call.writes, *record}
            if call in self._open:
                self._open.remove(call)
            before = super().get()
            for key, each in record.items():
                self._settled.setdefault(key, _first(key, before))
                write = _Write(each["turn"], each.get("value"), "value" not in each)
                self._turn = max(self._turn, write.turn)
                if write.turn >= self._settled[key].turn:
                    self._settled[key] = write
            for key in sorted(keys):
                newest = self._newest(key, self._open)
                if newest.gone:
                    super().delete(key)
                else:
                    super().set(key, newest.value)

    def _note(self, key: str, before: Mapping[str, Any], write: _Write) -> None:
        self._settled.setdefault(key, _first(key, before))
        call = _CALL.get()
        if call is None or call not in self._open:
            self._settled[key] = write  # of the workflow's code: what is recorded later, is later
            return
        self._turn += 1
        call.writes[key] = replace(write, turn=self._turn)

    def _newest(self, key: str, calls: Iterable[CallWrites]) -> _Write:
        writes = [call.writes[key] for call in calls if key in call.writes]
        return max(writes, key=lambda each: each.turn, default=self._settled[key])


def tracked(agent: Any) -> TrackedState:
    """Return the state of an agent, which is followed from now on."""
    state = agent.state
    if not isinstance(state, TrackedState):
        # In place, since others may hold the object; it may be of a class of the user's.
        kind = type(state)
        state.__class__ = (
            TrackedState if kind is AgentState else type(kind.__name__, (TrackedState, kind), {})
        )
        state.follow()
    followed: TrackedState = state
    return followed


def _written(calls: Iterable[CallWrites]) -> set[str]:
    return {key for call in calls for key in call.writes}


def _first(key: str, data: Mapping[str, Any]) -> _Write:
    return _Write(0, data.get(key), key not in data)


def _put(data: dict[str, Any], key: str, write: _Write) -> None:
    if write.gone:
        data.pop(key, None)
    else:
        data[key] = write.value
