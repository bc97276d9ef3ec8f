"""Execute commands under one lock: decide them, store their events, perform their effects.

Effects that concern other executions (start a child, notify a parent) are performed at once; those that
run user code go to the schedule, for a driver.

Events are stored, safe from a power loss, before code outside the lock sees them; threads share the
commits that this takes (``group_commit``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

from durable_execution_sdk.emulator.clock import Clock
from durable_execution_sdk.emulator.event_bus import EventBus, Observer
from durable_execution_sdk.emulator.other_processes import catch_up
from durable_execution_sdk.emulator.repository import Repository, is_reusable
from durable_execution_sdk.emulator.schedule.schedule import Schedule
from durable_execution_sdk.emulator.stores.group_commit import GroupCommit
from durable_execution_sdk.emulator.stores.store import (
    Counts,
    ExecutionRecord,
    NameTakenError,
    Search,
    Store,
)
from durable_execution_sdk.engine import machine
from durable_execution_sdk.engine.commands import (
    Command,
    FinishChainedInvoke,
    MoveTime,
    StartExecution,
    Tick,
)
from durable_execution_sdk.engine.deadlines import clock_deadline
from durable_execution_sdk.engine.effects import (
    CallFunction,
    Effect,
    ForgetExecution,
    InvokeHandler,
    NotifyParent,
    StartChild,
)
from durable_execution_sdk.engine.events import Event, ExecutionDeleted, ParentLink
from durable_execution_sdk.engine.execution_time import ExecutionTime
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS
from durable_execution_sdk.protocol.operations import OperationStatus

_T = TypeVar("_T")


class Coordinator:
    """Executes commands on the executions of a store. Thread-safe."""

    def __init__(self, store: Store, clock: Clock, limits: Limits) -> None:
        self.store = store
        self.clock = clock
        self.limits = limits
        self.schedule = Schedule()
        self._broadcast = EventBus()
        self._lock = GroupCommit(store, self._broadcast.publish, self._broadcast.deliver)
        self._repository = Repository(store, limits, self._take_in)
        self._effects: deque[Effect] = deque()
        self._carrying_out = False
        self._pulse: int | None = None
        # Events for threads that wait for work, and the call that sets them.
        self.sleeper, self.wake = self._broadcast.sleeper, self._broadcast.wake

    def holding(self) -> AbstractContextManager[None]:
        """Return a context manager that holds the lock, for a read and a write that belong together.

        When the outermost one is left, everything written under the lock is stored.
        """
        return self._lock.holding()

    def find(self, arn: str) -> ExecutionState | None:
        """Return an execution's state after all due timers; read it while holding, never change it."""
        with self.holding():
            state = self._repository.find(arn)
            return None if state is None else self._as_of_now(state)

    def state(self, arn: str) -> ExecutionState:
        """Like ``find``, but raise ``ServiceError`` when there is no such execution."""
        with self.holding():
            return self._up_to_now(arn)

    def recorded(self, arn: str) -> ExecutionState:
        """Return the stored state of an execution without firing due timers; raise if there is none."""
        with self.holding():
            return self._repository.state(arn)

    def events(self, arn: str) -> list[Event]:
        """Return all stored events of an execution."""
        with self.holding():
            return self._repository.events(arn)

    def counts(self, record: ExecutionRecord) -> Counts:
        """Return the counts of an execution; those that the store does not have are counted and kept."""
        with self.holding():
            return self._repository.counts(record)

    def recording(self, arn: str) -> Callable[[], list[Event]]:
        """Return a function that decodes and returns the events stored up to now."""
        with self.holding():
            return self._repository.recording(arn)

    def submit(self, arn: str, command: Command) -> ExecutionState:
        """Execute a command after all due timers, and return the state after it."""
        return self.answer(arn, command, lambda state: state)

    def attempt(self, arn: str, command: Command) -> ExecutionState | None:
        """Execute a command that the engine decided upon; ``None`` if another process has made it pointless since."""
        with suppress(Rejected):
            return self.submit(arn, command)
        return None

    def answer(self, arn: str, command: Command, view: Callable[[ExecutionState], _T]) -> _T:
        """Execute a command after all due timers, and return ``view`` of the state after it."""
        return self._lock.run(self._answer, arn, command, view)

    def _answer(self, arn: str, command: Command, view: Callable[[ExecutionState], _T]) -> _T:
        state = self._up_to_now(arn)
        return view(self._after(self._repository.submit(state, command, self.clock.now())))

    def start(self, command: StartExecution) -> ExecutionState:
        """Start an execution, or return the existing one with its name and input."""
        name = ExecutionArn.parse(command.arn).execution_name
        with self.holding():
            while True:
                now = self.clock.now()
                record = self.store.find_name(name)
                existing = None if record is None else self._repository.find(record.arn)
                if existing is not None and not is_reusable(existing, command, now):
                    return self._up_to_now(existing.arn)
                if record is not None:
                    self._forget(record.arn)
                    self._broadcast.add(record.arn, [ExecutionDeleted(at=now)])
                with suppress(NameTakenError):
                    return self._after(self._repository.create(command, now))

    def add(self, events: list[Event]) -> ExecutionState:
        """Add an open execution with these events; raise ``NameTakenError`` if its name exists."""
        with self.holding():
            return self._after((self._repository.add(events), events))

    def refresh(self) -> None:
        """Read other processes' changes, and fire all due timers."""
        with self.holding():
            pulse = self.store.pulse()
            if pulse != self._pulse:
                self._catch_up(self._pulse)
                self._pulse = pulse
            self._fire_due()

    def now(self, arn: str) -> int:
        """Return the time of an open execution, as this process knows it; takes no lock."""
        return self.schedule.time(arn).now(self.clock.now())

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call ``observer`` with all events once they are stored; the returned function ends that."""
        return self._broadcast.subscribe(observer)

    def close(self) -> None:
        """Close the store, with everything in it that was written."""
        self._lock.close()

    def _catch_up(self, since: int | None) -> None:
        """Read the changes since the store's pulse was ``since``."""
        if since is None:
            self._finish_deletions()
        now = self.clock.now()
        catch_up(self.store, self._repository, self.schedule, self._broadcast, since, now)
        self._carry_out_all()

    def _fire_due(self) -> None:
        for arn in self.schedule.due(self.clock.now()):
            self._up_to_now(arn)

    def _up_to_now(self, arn: str) -> ExecutionState:
        return self._as_of_now(self._repository.state(arn))

    def _as_of_now(self, state: ExecutionState) -> ExecutionState:
        deadline = clock_deadline(state)
        if deadline is None or deadline > (now := self.clock.now()):
            return state
        return self._after(self._repository.submit(state, Tick(), now))

    def _after(self, result: tuple[ExecutionState, list[Event]]) -> ExecutionState:
        state, events = result
        if events:
            self._broadcast.add(state.arn, events)
            self.schedule.note(state)
            self._effects.extend(machine.effects(state, events))
        if self._effects:
            self._carry_out_all()
        if events:
            self.wake()
        return state

    def _take_in(self, state: ExecutionState, events: list[Event]) -> None:
        if events:
            self._broadcast.add(state.arn, events)
        self.schedule.note(state)
        self._effects.extend(machine.outstanding_effects(state))
        self.wake()

    def _carry_out_all(self) -> None:
        # Effects cause further effects: a queue keeps them from recursing.
        if self._carrying_out:
            return
        self._carrying_out = True
        try:
            while self._effects:
                effect = self._effects.popleft()
                try:
                    self._carry_out(effect)
                except (KeyboardInterrupt, SystemExit):
                    self._effects.appendleft(effect)
                    raise
        finally:
            self._carrying_out = False

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case InvokeHandler():
                pass  # The schedule reads this from the state.
            case CallFunction():
                self.schedule.note_call(effect, self.clock.now())
            case StartChild():
                self._start_child(effect)
            case NotifyParent():
                self._keep_up(effect.parent_arn, effect.time)
                self.attempt(
                    effect.parent_arn,
                    FinishChainedInvoke(
                        operation_id=effect.operation_id,
                        status=effect.status,
                        result=effect.result,
                        error=effect.error,
                    ),
                )
            case ForgetExecution():
                self._forget(effect.arn)

    def _start_child(self, effect: StartChild) -> None:
        existing = self._repository.find(effect.arn)
        if existing is not None:
            # It may have ended, and the process died before it notified the parent.
            self._effects.extend(machine.outstanding_effects(existing))
            return
        command = StartExecution(
            arn=effect.arn,
            input=effect.input,
            execution_timeout=effect.execution_timeout or LONGEST_TIMER_SECONDS,
            function_arn=effect.function_arn,
            parent=ParentLink(arn=effect.parent_arn, operation_id=effect.operation_id),
            tenant_id=effect.tenant_id,
            trace_id=effect.trace_id,
            time=effect.time,
        )
        try:
            self.start(command)
        except Rejected as error:
            failure = ErrorObject(error_type=error.code, error_message=error.message)
            self.attempt(
                effect.parent_arn,
                FinishChainedInvoke(
                    operation_id=effect.operation_id,
                    status=OperationStatus.FAILED,
                    error=failure,
                ),
            )

    def _keep_up(self, arn: str, time: ExecutionTime) -> None:
        """Move the time of an execution to that of one that it invoked, if it is later.

        So an execution that waits for one that skipped thirty days records that it took thirty days.
        """
        state = self._repository.find(arn)
        if state is not None and state.time.stands_at is None:
            self.attempt(arn, MoveTime(to=time.now(self.clock.now())))

    def _forget(self, arn: str) -> None:
        self.store.delete(arn)
        self._repository.forget(arn)
        self.schedule.forget(arn)

    def _finish_deletions(self) -> None:
        for record in self.store.search(Search(statuses=[ExecutionStatus.DELETING])):
            self._forget(record.arn)
