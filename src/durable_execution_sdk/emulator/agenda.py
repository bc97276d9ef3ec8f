"""What is to be done, and when: an index over the open executions, made from their states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from durable_execution_sdk.emulator.functions import MAX_EXECUTION_TIMEOUT
from durable_execution_sdk.engine.deadlines import next_deadline
from durable_execution_sdk.engine.effects import CallFunction
from durable_execution_sdk.engine.state import ExecutionState, TimerKind

CallKey = tuple[str, str]
"""Whose chained invoke a call is for: the execution's ARN and the operation's id."""

DISPATCH_MILLISECONDS = 300
"""How long a function that was invoked by another one keeps that one's turn to suspend.

The service takes longer than a suspension to get a function going, so its end is not in the log before
the end of the invocation that asked for it. Here it would be, now and then.
"""


class Agenda:
    """Which executions are to be invoked, are running, or wait for a time."""

    def __init__(self) -> None:
        self._ready: dict[str, None] = {}
        self._running: dict[str, None] = {}
        self._deadlines: dict[str, int] = {}
        self._awaited: dict[str, int] = {}
        self._parents: dict[str, str] = {}
        self._calls: dict[CallKey, CallFunction] = {}
        self._dispatched: dict[str | CallKey, tuple[str, int]] = {}

    @property
    def arns(self) -> set[str]:
        """Every execution that has something on the agenda."""
        return {*self._ready, *self._running, *self._deadlines}

    def note(self, state: ExecutionState) -> None:
        """Take in an execution's newest state."""
        arn = state.arn
        if state.is_closed:
            self.forget(arn)
            return
        if state.parent is not None:
            self._parents[arn] = state.parent.arn
            if state.invocation_count:
                self._dispatched.pop(arn, None)
            else:
                self._dispatched[arn] = state.parent.arn, state.started_at
        _mark(self._ready, arn, belongs=state.wants_invocation)
        _mark(self._running, arn, belongs=state.invocation is not None)
        deadline = next_deadline(state)
        _set(self._deadlines, arn, deadline)
        _set(self._awaited, arn, None if _is_last_resort(state) else deadline)

    def note_or_forget(self, arn: str, state: ExecutionState | None) -> None:
        """Take in an execution's newest state, or that it is gone."""
        if state is None:
            self.forget(arn)
        else:
            self.note(state)

    def note_call(self, call: CallFunction, now: int) -> None:
        """Take in a call of a plain function; the same one counts once."""
        key = call.parent_arn, call.operation_id
        if key not in self._calls:
            self._calls[key] = call
            self._dispatched[key] = call.parent_arn, now

    def drop_call(self, key: CallKey) -> None:
        """A call was made, or is no longer wanted."""
        self._calls.pop(key, None)
        self._dispatched.pop(key, None)

    def forget(self, arn: str) -> None:
        """An execution has nothing to do any more; its own calls and children still may."""
        self._ready.pop(arn, None)
        self._running.pop(arn, None)
        self._deadlines.pop(arn, None)
        self._awaited.pop(arn, None)
        self._dispatched.pop(arn, None)

    def due(self, now: int) -> list[str]:
        """Executions whose deadline has come, the earliest first."""
        due = [(deadline, arn) for arn, deadline in self._deadlines.items() if deadline <= now]
        return [arn for _, arn in sorted(due)]

    def ready(self, family: str | None, now: int) -> list[str]:
        """Executions that are to be invoked, the longest ready first."""
        early = self._early(now)
        return [arn for arn in self._of(family, self._ready) if arn not in early]

    def running(self, family: str | None) -> list[str]:
        """Executions of which an invocation began and has not ended."""
        return list(self._of(family, self._running))

    def calls(self, family: str | None, now: int) -> list[CallFunction]:
        """Plain functions that are to be called."""
        wanted = set(self._of(family, {arn: None for arn, _ in self._calls}))
        early = self._early(now)
        return [
            call
            for key, call in self._calls.items()
            if call.parent_arn in wanted and key not in early
        ]

    def dispatch(self) -> None:
        """Let no function wait any longer for whoever invoked it."""
        self._dispatched.clear()

    def is_dispatching(self, family: str | None, now: int) -> bool:
        """Whether functions are about to run that wait for whoever invoked them to suspend."""
        early = self._early(now).items()
        arns = (key if isinstance(key, str) else parent for key, parent in early)
        return any(self._of(family, arns))

    def next_deadline(self, family: str | None) -> int | None:
        """When time has something to do next that is worth waiting for.

        Nobody waits for the timeout of an execution that may take as long as the service allows,
        unless it also waits for something that time would bring later.
        """
        return min((self._awaited[arn] for arn in self._of(family, self._awaited)), default=None)

    def _of(self, family: str | None, arns: Iterable[str]) -> Iterator[str]:
        return (arn for arn in arns if family is None or self._belongs(arn, family))

    def _early(self, now: int) -> dict[str | CallKey, str]:
        """What is not to run yet, and whose turn to suspend that is."""
        if not self._running:
            return {}
        return {
            key: parent
            for key, (parent, since) in self._dispatched.items()
            if parent in self._running and now < since + DISPATCH_MILLISECONDS
        }

    def _belongs(self, arn: str, family: str) -> bool:
        member: str | None = arn
        while member is not None:
            if member == family:
                return True
            member = self._parents.get(member)
        return False


def _mark(arns: dict[str, None], arn: str, *, belongs: bool) -> None:
    if belongs:
        arns.setdefault(arn)
    else:
        arns.pop(arn, None)


def _set(times: dict[str, int], arn: str, at: int | None) -> None:
    if at is None:
        times.pop(arn, None)
    else:
        times[arn] = at


def _is_last_resort(state: ExecutionState) -> bool:
    return (
        state.execution_timeout >= MAX_EXECUTION_TIMEOUT
        and len(state.timers) == 1
        and ("", TimerKind.EXECUTION_TIMEOUT) in state.timers
    )
