"""Patches: changed code beside the code that it replaces, for executions that began before the change.

``ctx.patched("id")`` is ``True`` where the new code may run: if an earlier call was answered so in this execution,
which its marker in the log says, or if nothing that is recorded is still to be asked for (*U* is empty), so that the
code has not been here before. Otherwise it is ``False``, which is always safe.

*U* is what the gate counts (``runtime.log.gate``), over all contexts whose functions run. To look at the scope of the
call only would be wrong: a call in a new task would be answered with ``True`` while its siblings are replayed.

The marker is one STEP that takes no number from a scope, so no other id shifts. It stands in the queue before all
that the new code records, so the log never holds a part of that without the marker. Replay need not ask for it
(``Journal.marked``): a call may be removed once only the new code is left.

A later invocation has to give the same answers. For ``True`` the marker sees to it. A ``False`` is given again as
long as the record that it was given for stays in the state and is not asked for before the call. It does not stay if
its context ends, for the service leaves out what is in a context that has ended::

    async def old_part(child):                       # log: old_part STARTED, its step "slow" READY
        await child.step(slow)

    running = ctx.run_in_child_context(old_part)
    if ctx.patched("pay twice"):                     # invocation 2: U is {slow}, so False
        ...
    await ctx.step(pay_once)                         # its body runs, and the process dies before the call ends
                                                     # invocation 3: old_part SUCCEEDED, U is empty

Nor is the call itself made again if it stands in a context that has ended, and a later call would find nothing ahead.
In these two cases the marker records ``false``, for the whole execution. It costs one operation, once.

Inside a context that is built again from its records, only a marker that ended before the context did counts: that is
the code that the context ran.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.operations.lifecycle.argument_checks import checked_name
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.log.ids import ITEMS_OF_MAPS, PATCH_NAME, patch_marker_id
from durable_execution_sdk.runtime.run import InvocationRun

__all__ = ["Patches", "is_taken", "patched"]

_ANSWERS = {True: "true", False: "false"}


class Patches:
    """The patches that an invocation has asked for; that of a rehearsal looks at the whole history."""

    def __init__(self, run: InvocationRun) -> None:
        self._run = run
        # The answers by the ids of the markers, and the counts of the calls that have answers of their own.
        self.answers: dict[str, bool] = {}
        self.counts: dict[str, int] = {}

    def record_of(self, operation_id: str) -> Operation | None:
        """Return the record of a marker, or of a context whose function runs."""
        return self._run.journal.get(operation_id)

    def ahead(self) -> list[Operation]:
        """Return the recorded operations that the code has not asked for yet: U."""
        gate = self._run.gate
        return [] if gate is None else gate.missed()

    def asked(self, name: str, *, is_new: bool = False) -> None:
        """Take note of a call, and if its answer is a ``True`` that is not recorded yet."""


def patched(scope: IdScope, patch_id: str, *, each_time: bool) -> bool:
    """Return ``True`` if the code that a patch adds may run here; record the answer if that is needed."""
    name = _checked(patch_id)
    context_state = scope.context_state
    run = context_state.run
    patches: Patches = run.patches or Patches(run)
    run.patches = patches
    if each_time:
        place = f"{scope.context}{scope.path.text}|{patch_id}"
        number = patches.counts[place] = patches.counts.get(place, 0) + 1
        marker_id = patch_marker_id(f"each|{place}|{number}")
    else:
        marker_id = patch_marker_id(f"once|{patch_id}")
    marker = patches.record_of(marker_id)
    ended = _end_of(context_state, patches) if context_state.is_rebuilt else None
    if ended is not None:
        patches.asked(name)
        return marker is not None and is_taken(marker) and _is_by(marker, ended)
    known = patches.answers.get(marker_id)
    if known is None and marker is not None:
        known = patches.answers[marker_id] = is_taken(marker)
        if run.reporter is not None:
            run.reporter.claimed(marker_id)
    if known is not None or context_state.is_over:
        patches.asked(name)
        return bool(known)
    ahead = patches.ahead()
    answer = patches.answers[marker_id] = not ahead
    patches.asked(name, is_new=answer)
    if answer or not _is_lasting(scope, ahead, each_time=each_time):
        scope.has_news = scope.has_news or answer
        run.journal.marked(marker_id)
        update = OperationUpdate(
            id=marker_id,
            type=OperationType.STEP,
            action=OperationAction.SUCCEED,
            parent_id=context_state.parent_id if each_time else None,
            name=name,
            sub_type=OperationSubType.STEP,
            payload=_ANSWERS[answer],
        )
        if run.reporter is not None:  # observers are told of a start before an end
            run.reporter.submitted(replace(update, action=OperationAction.START))
        run.leave_behind(update)
    return answer


def is_taken(marker: Operation) -> bool:
    """Return ``True`` if a marker says that the new code runs."""
    details = marker.step_details
    return details is None or details.result != _ANSWERS[False]


def _checked(patch_id: object) -> str:
    if not isinstance(patch_id, str) or not patch_id:
        raise ConfigError(
            f'ctx.patched takes the id of the patch, as in ctx.patched("new-tax"), not {patch_id!r}'
        )
    name = checked_name(f"{PATCH_NAME}{patch_id}", "patch")
    assert name is not None
    return name


def _end_of(context_state: ContextState, patches: Patches) -> Operation | None:
    """Return the record of the innermost context around the code that has ended; ``None`` if none has."""
    around: ContextState | None = context_state
    while around is not None:
        record = patches.record_of(around.operation_id) if around.operation_id else None
        if record is not None and record.end_timestamp is not None:
            return record
        around = around.parent
    return None


def _is_by(marker: Operation, ended: Operation) -> bool:
    # Updates of one call may have one time, and the marker comes before the end in it.
    return (marker.end_timestamp or 0) <= (ended.end_timestamp or 0)


def _is_lasting(scope: IdScope, ahead: Sequence[Operation], *, each_time: bool) -> bool:
    """Return ``True`` if replay comes to the answer ``False`` again by itself, as long as it asks at all."""
    around: ContextState | None = scope.context_state
    lasting: set[str | None] = {None}
    if each_time:
        while around is not None:
            lasting.add(around.parent_id)
            around = around.parent
    elif scope.context_state.parent_id is not None or scope.path.items:
        return False
    return any(
        record.parent_id in lasting and not record.id.startswith(ITEMS_OF_MAPS) for record in ahead
    )
