"""Index of the open executions: due invocations and calls, running invocations, and deadlines.

The cost of a query is proportional to the size of its result, never to the number of open executions:
a driver queries after each invocation, and there may be thousands.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TypeVar

from durable_execution_sdk.emulator.due_times import DueTimes
from durable_execution_sdk.engine.deadlines import next_deadline
from durable_execution_sdk.engine.effects import CallFunction
from durable_execution_sdk.engine.state import ExecutionState, TimerKind
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS

CallKey = tuple[str, str]
"""The chained invoke that a call belongs to: the execution's ARN and the operation's id."""

DISPATCH_MILLISECONDS = 300
"""Longest delay of an invoked function's start while its caller's invocation still runs.

AWS takes longer to start a function than a caller takes to suspend, so there the result never appears
in the log before the caller's invocation has ended. Without this delay it sometimes would here.
"""

_FIRST_PORTION = 8

_K = TypeVar("_K")


class _Index:
    """Due work and deadlines of some executions: those of one family, or all."""

    def __init__(self) -> None:
        # OrderedDict, because iterating a dict is slow once many of its first entries were removed.
        self.ready: OrderedDict[str, None] = OrderedDict()
        self.running: dict[str, None] = {}
        self.deadlines = DueTimes[str]()
        self.awaited = DueTimes[str]()
        self.calls: OrderedDict[CallKey, CallFunction] = OrderedDict()

    @property
    def is_empty(self) -> bool:
        return not (self.ready or self.running or self.calls or len(self.deadlines))

    def note(self, state: ExecutionState) -> None:
        arn = state.arn
        _mark(self.ready, arn, belongs=state.wants_invocation)
        _mark(self.running, arn, belongs=state.invocation is not None)
        deadline = next_deadline(state)
        self.deadlines.set(arn, deadline)
        self.awaited.set(arn, None if _has_only_longest_timeout(state) else deadline)

    def forget(self, arn: str) -> None:
        self.ready.pop(arn, None)
        self.running.pop(arn, None)
        self.deadlines.set(arn, None)
        self.awaited.set(arn, None)


class _FamilyIndex(_Index):
    """An execution, and all executions that it invoked directly or indirectly."""

    def __init__(self) -> None:
        super().__init__()
        self.parents: dict[str, str] = {}


class Schedule:
    """Index of executions by due work, running invocation and deadline; all and by family.

    Not thread-safe: callers hold the coordinator's lock.
    """

    def __init__(self) -> None:
        self._all = _Index()
        self._families: dict[str, _FamilyIndex] = {}
        self._roots: dict[str, str] = {}
        self._dispatched: dict[str, dict[str | CallKey, int]] = {}
        self._dispatchers: dict[str | CallKey, str] = {}

    @property
    def arns(self) -> set[str]:
        """The ARNs of all indexed executions."""
        return {*self._all.ready, *self._all.running, *self._all.deadlines.every_key()}

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
                self._dispatch(arn, state.parent.arn, state.started_at)
        self._all.note(state)
        self._family(arn).note(state)

    def note_or_forget(self, arn: str, state: ExecutionState | None) -> None:
        """Update the index from an execution's newest state; ``None`` means that it was deleted."""
        if state is None:
            self.forget(arn)
        else:
            self.note(state)

    def note_call(self, call: CallFunction, now: int) -> None:
        """Add a due call of a function that is not durable; a repeated one is ignored."""
        key = call.parent_arn, call.operation_id
        if key not in self._all.calls:
            self._all.calls[key] = self._family(call.parent_arn).calls[key] = call
            self._dispatch(key, call.parent_arn, now)

    def drop_call(self, key: CallKey) -> None:
        """Remove a call that was made or is no longer needed."""
        self._all.calls.pop(key, None)
        self._family(key[0]).calls.pop(key, None)
        self._undispatch(key)
        self._remove_if_empty(key[0])

    def forget(self, arn: str) -> None:
        """Remove an execution; its calls and the executions that it invoked stay."""
        self._all.forget(arn)
        self._undispatch(arn)
        root = self._roots.get(arn, arn)
        if root in self._families:
            self._families[root].forget(arn)
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

    def _index(self, family: str | None) -> _Index:
        """Return the index that contains the family; it may hold members of a larger family too."""
        if family is None:
            return self._all
        return self._families.get(self._roots.get(family, family)) or _Index()

    def _family(self, arn: str) -> _FamilyIndex:
        root = self._roots.get(arn, arn)
        family = self._families.get(root)
        if family is None:
            family = self._families[root] = _FamilyIndex()
        return family

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


def _mark(arns: dict[str, None], arn: str, *, belongs: bool) -> None:
    if belongs:
        arns.setdefault(arn)
    else:
        arns.pop(arn, None)


def _has_only_longest_timeout(state: ExecutionState) -> bool:
    return (
        state.execution_timeout >= LONGEST_TIMER_SECONDS
        and len(state.timers) == 1
        and ("", TimerKind.EXECUTION_TIMEOUT) in state.timers
    )
