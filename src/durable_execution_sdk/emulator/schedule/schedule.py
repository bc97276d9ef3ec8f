"""Index of the open executions: due invocations and calls, running invocations, and deadlines.

The cost of a query is proportional to the size of its result, never to the number of open executions:
a driver queries after each invocation, and there may be thousands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TypeVar

from durable_execution_sdk.emulator.schedule.family_index import (
    CallKey,
    FamilyIndex,
    Index,
    TimeMove,
)
from durable_execution_sdk.engine.effects import CallFunction
from durable_execution_sdk.engine.execution_time import REAL_TIME, ExecutionTime
from durable_execution_sdk.engine.state import ExecutionState

DISPATCH_MILLISECONDS = 300
"""Longest delay of an invoked function's start while its caller's invocation still runs.

AWS takes longer to start a function than a caller takes to suspend, so there the result never appears
in the log before the caller's invocation has ended. Without this delay it sometimes would here.
"""

_FIRST_PORTION = 8

_K = TypeVar("_K")


class Schedule:
    """Index of executions by due work, running invocation and deadline; all and by family.

    Not thread-safe: callers hold the coordinator's lock.
    """

    def __init__(self) -> None:
        self._skips_real_time = False
        self._all = Index()
        self._families: dict[str, FamilyIndex] = {}
        self._roots: dict[str, str] = {}
        self._dispatched: dict[str, dict[str | CallKey, int]] = {}
        self._dispatchers: dict[str | CallKey, str] = {}
        # The times that are not the clock's, and the families that have changed since their moves were read.
        self._times: dict[str, ExecutionTime] = {}
        self._changed: dict[str, None] = {}
        self._held: set[str] = set()

    @property
    def arns(self) -> set[str]:
        """The ARNs of all indexed executions."""
        return {
            *self._all.ready,
            *self._all.running,
            *self._all.withheld,
            *self._all.deadlines.every_key(),
            *self._times,
        }

    def skip_real_time(self) -> None:
        """Let the executions whose time is real skip it like the others."""
        self._skips_real_time = True
        self._changed.update(dict.fromkeys(self._families))

    def note(self, state: ExecutionState) -> None:
        """Update the index from an execution's newest state."""
        arn = state.arn
        if state.is_closed:
            self.forget(arn)
            return
        if state.parent is not None:
            self._adopt(arn, state.parent.arn)
            if state.invocation_count:
                self._undispatch(arn)
            else:
                self._dispatch(arn, state.parent.arn, state.time.on_clock(state.started_at))
        if state.time is not REAL_TIME:
            self._times[arn] = state.time
        else:
            self._times.pop(arn, None)
        is_held = arn in self._held
        self._all.note(state, is_held=is_held)
        family = self._family(arn)
        family.note(state, is_held=is_held)
        self._note_change(arn, family)

    def note_or_forget(self, arn: str, state: ExecutionState | None) -> None:
        """Update the index from an execution's newest state; ``None`` means that it was deleted."""
        if state is None:
            self.forget(arn)
        else:
            self.note(state)

    def hold(self, state: ExecutionState) -> None:
        """Leave an open execution out of the work that is due, until it is released; its family skips no time."""
        if not state.is_closed:
            self._held.add(state.arn)
            self.note(state)

    def release(self, arn: str, state: ExecutionState | None) -> None:
        """End a hold."""
        self._held.discard(arn)
        self.note_or_forget(arn, state)

    def note_call(self, call: CallFunction, now: int) -> None:
        """Add a due call of a function that is not durable; a repeated one is ignored."""
        key = call.parent_arn, call.operation_id
        if key not in self._all.calls:
            self._all.calls[key] = self._family(call.parent_arn).calls[key] = call
            self._dispatch(key, call.parent_arn, now)

    def drop_call(self, key: CallKey) -> None:
        """Remove a call that was made or is no longer needed."""
        self._all.calls.pop(key, None)
        family = self._family(key[0])
        family.calls.pop(key, None)
        self._note_change(key[0], family)
        self._undispatch(key)
        self._remove_if_empty(key[0])

    def forget(self, arn: str) -> None:
        """Remove an execution; its calls and the executions that it invoked stay."""
        self._all.forget(arn)
        self._held.discard(arn)
        self._times.pop(arn, None)
        self._undispatch(arn)
        family = self._families.get(self._roots.get(arn, arn))
        if family is not None:
            family.forget(arn)
            self._note_change(arn, family)
            self._remove_if_empty(arn)

    def due(self, now: int) -> list[str]:
        """Return the executions whose deadline has passed, earliest deadline first."""
        return self._all.deadlines.due(now)

    def ready(self, family: str | None, now: int) -> Iterator[list[str]]:
        """Yield portions of the executions that are due for invocation, longest due first."""
        for arns in _in_portions(self._index(family).ready):
            yield [
                arn for arn in arns if not self._is_early(arn, now) and self._belongs(arn, family)
            ]

    def running(self, family: str | None) -> list[str]:
        """Return the executions whose log has an invocation that began and has not ended."""
        return [arn for arn in self._index(family).running if self._belongs(arn, family)]

    def calls(self, family: str | None, now: int) -> Iterator[list[CallFunction]]:
        """Yield portions of the due calls of functions that are not durable."""
        index = self._index(family)
        for keys in _in_portions(index.calls):
            yield [
                index.calls[key]
                for key in keys
                if not self._is_early(key, now) and self._belongs(key[0], family)
            ]

    def time(self, arn: str) -> ExecutionTime:
        """Return the time of an open execution; ``REAL_TIME`` for one that is not indexed."""
        return self._times.get(arn, REAL_TIME)

    def moves(self, family: str | None) -> list[TimeMove]:
        """Return the moves of time that have become possible; each is returned once.

        Only families that have changed since the last call are looked at.
        """
        if not self._changed:
            return []
        roots = list(self._changed) if family is None else [self._roots.get(family, family)]
        moves: list[TimeMove] = []
        for root in roots:
            changed = root in self._changed
            self._changed.pop(root, None)
            if changed and root in self._families:
                moves += self._families[root].moves(skips_real_time=self._skips_real_time)
        return moves

    def dispatch(self) -> None:
        """End all start delays (see ``DISPATCH_MILLISECONDS``)."""
        self._dispatched.clear()
        self._dispatchers.clear()

    def is_dispatching(self, family: str | None, now: int) -> bool:
        """True while a start delay holds back a function (see ``DISPATCH_MILLISECONDS``)."""
        if family is not None and self._is_early(family, now):
            return True
        return any(
            now < next(reversed(self._dispatched[arn].values())) + DISPATCH_MILLISECONDS
            for arn in self.running(family)
            if arn in self._dispatched
        )

    def next_deadline(self, family: str | None) -> int | None:
        """Return the earliest deadline that is worth waiting for.

        The execution timeout alone does not count when it is the service's maximum of 366 days: an
        execution with no other timer waits for an external event.
        """
        index = self._index(family)
        if family is None or index is self._families.get(family):
            return index.awaited.earliest()
        members = [arn for arn in index.awaited.every_key() if self._belongs(arn, family)]
        times = (index.awaited.time(arn) for arn in members)
        return min((at for at in times if at is not None), default=None)

    def _index(self, family: str | None) -> Index:
        """Return the index that contains the family; it may hold members of a larger family too."""
        if family is None:
            return self._all
        return self._families.get(self._roots.get(family, family)) or Index()

    def _family(self, arn: str) -> FamilyIndex:
        root = self._roots.get(arn, arn)
        family = self._families.get(root)
        if family is None:
            family = self._families[root] = FamilyIndex()
        return family

    def _note_change(self, arn: str, family: FamilyIndex) -> None:
        """Remember a family whose time may be moved."""
        if self._skips_real_time or family.moves_time:
            self._changed[self._roots.get(arn, arn)] = None

    def _adopt(self, arn: str, parent: str) -> None:
        if arn not in self._roots:
            root = self._roots[arn] = self._roots.get(parent, parent)
            self._family(root).parents[arn] = parent

    def _remove_if_empty(self, arn: str) -> None:
        root = self._roots.get(arn, arn)
        family = self._families.get(root)
        if family is not None and family.is_empty:
            del self._families[root]
            for member in family.parents:
                del self._roots[member]

    def _dispatch(self, key: str | CallKey, parent: str, since: int) -> None:
        self._dispatched.setdefault(parent, {}).setdefault(key, since)
        self._dispatchers[key] = parent

    def _undispatch(self, key: str | CallKey) -> None:
        parent = self._dispatchers.pop(key, None)
        if parent is not None:
            waiting = self._dispatched[parent]
            del waiting[key]
            if not waiting:
                del self._dispatched[parent]

    def _is_early(self, key: str | CallKey, now: int) -> bool:
        """True while the caller's invocation runs and the start delay has not passed."""
        parent = self._dispatchers.get(key)
        return (
            parent is not None
            and parent in self._all.running
            and now < self._dispatched[parent][key] + DISPATCH_MILLISECONDS
        )

    def _belongs(self, arn: str, family: str | None) -> bool:
        if family is None or arn == family or self._roots.get(arn) == family:
            return True
        parents = self._family(arn).parents
        member = parents.get(arn)
        while member is not None and member != family:
            member = parents.get(member)
        return member is not None


def _in_portions(index: Mapping[_K, object]) -> Iterator[list[_K]]:
    """Yield the keys in order, in portions of doubling size: the first few are usually enough.

    The mapping may change between portions, so an iteration can miss keys; the next one yields them.
    """
    start, size = 0, _FIRST_PORTION
    while portion := list(islice(index, start, start + size)):
        yield portion
        start += size
        size *= 2
