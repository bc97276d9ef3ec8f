"""The open executions that ran with other code: those that an edit concerns, and their rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from durable_execution_sdk.dev.reload.rehearsal_process import Rehearsals, Target, Verdict
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.steering.holds import has_other_code
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.engine.views.handler_view import next_invocation
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.ids import ExecutionArn

__all__ = ["Admission", "Rehearsed", "changed_code", "rehearse_open"]


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that was rehearsed with code of this digest, when its log had so many events."""

    arn: str
    code: str
    event_count: int
    verdict: Verdict


class _Task(msgspec.Struct, frozen=True, kw_only=True):
    arn: str
    code: str
    event_count: int
    invocation: bytes


def rehearse_open(
    emulator: Emulator,
    arns: Iterable[str],
    target: Callable[[str], Target | None],
    rehearsals: Rehearsals,
) -> list[Rehearsed]:
    """Rehearse those of the executions that are open and ran with other code than that of now.

    ``target`` returns the handler of a function, ``None`` for one that cannot be rehearsed.
    """
    by_target: dict[str, tuple[Target, list[_Task]]] = {}
    for arn in arns:
        function = ExecutionArn.parse(arn).function_name
        chosen = target(function)
        task = None if chosen is None else _task(emulator, arn)
        if chosen is not None and task is not None:
            by_target.setdefault(function, (chosen, []))[1].append(task)
    return [
        Rehearsed(
            arn=each.arn,
            code=each.code,
            event_count=each.event_count,
            verdict=rehearsals.rehearse(chosen, each.invocation),
        )
        for chosen, tasks in by_target.values()
        for each in tasks
    ]


def changed_code(emulator: Emulator, arn: str) -> str | None:
    """Return the digest of the code of now, if an execution is open and ran with other code."""
    parts = ExecutionArn.parse(arn)
    function = emulator.functions.get(parts.function_name, parts.version)
    if function is None or function.code is None:
        return None
    with emulator.coordinator.holding():
        state = emulator.coordinator.find(arn)
        if state is None or state.is_closed or not has_other_code(state, function.code):
            return None
    return function.code


def _task(emulator: Emulator, arn: str) -> _Task | None:
    code = changed_code(emulator, arn)
    if code is None:
        return None
    try:
        state = emulator.snapshot(arn)
    except ServiceError:
        return None  # It was deleted in this moment.
    clock = emulator.clock.now()
    invocation = next_invocation(state, state.time.now(clock) - clock)
    return _Task(
        arn=state.arn,
        code=code,
        event_count=state.event_count,
        invocation=codec.encode_invocation_event(invocation),
    )


class Admission:
    """Admits executions to an invocation with changed code: those that were rehearsed as they are now.

    ``ask`` is called with others, under the coordinator's lock; it has to see to their rehearsal.
    """

    def __init__(self, ask: Callable[[str], None]) -> None:
        self._ask = ask
        self._fit: dict[str, tuple[str, int]] = {}

    def admit(self, state: ExecutionState, code: str) -> bool:
        """Answer the question of ``emulator.holds``."""
        if self._fit.pop(state.arn, None) == (code, state.event_count):
            return True
        self._ask(state.arn)
        return False

    def take(self, rehearsed: Rehearsed) -> None:
        """Note that an execution can go on with this code from its log as it was rehearsed."""
        self._fit[rehearsed.arn] = (rehearsed.code, rehearsed.event_count)
