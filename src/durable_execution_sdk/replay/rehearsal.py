"""An invocation over a recorded log that runs no step and records nothing.

Operations that have not ended in the log never end, so the run stops where the code waits for one.
Contexts that succeeded run their functions again, so that the code in them is checked. Workflow code
outside of operations runs, with its side effects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from durable_execution_sdk.errors import InternalError
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.operations.patched import Patches
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.limits import MAX_STORED_RESULT_BYTES
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationStatus,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationUpdate, text_bytes
from durable_execution_sdk.replay.payloads import (
    is_same_function,
    is_same_payload,
    short,
)
from durable_execution_sdk.replay.rehearsal_log import FUNCTIONS, RehearsalLog, Result
from durable_execution_sdk.runtime.bodies import Attempting, Bodies
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.log.ids import is_self_numbered
from durable_execution_sdk.runtime.run import InvocationRun, Reader
from durable_execution_sdk.runtime.verdicts import Suspend

__all__ = ["Rehearsal", "RehearsalDataPlane"]


# The service alone ends these.
_OF_THE_SERVICE = frozenset(
    {OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE}
)


class _NoBodies(Bodies):
    """The bodies of a rehearsal, of which none runs."""

    def start(self, operation: Attempting[Any], body: Any) -> NoReturn:
        """Refuse to run a body. Reaching this is a defect of the rehearsal."""
        body.close()
        raise InternalError(f"{operation.label} was about to run in a rehearsal")


class _PatchesOfHistory(Patches):
    """The patches of a rehearsal, which are answered by the whole history and not by its beginning."""

    def __init__(self, run: InvocationRun, rehearsal_log: RehearsalLog) -> None:
        super().__init__(run)
        self._rehearsal_log = rehearsal_log

    def record_of(self, operation_id: str) -> Operation | None:
        """Return the record in the history, which also holds what follows this moment."""
        return self._rehearsal_log.recording.operations.get(operation_id)

    def ahead(self) -> list[Operation]:
        """Return the operations that the code has not asked for; for a history that has ended, at least one.

        The end of an execution is ahead of all its code: no invocation follows that could take a patch.
        """
        ahead = [each for each in self._rehearsal_log.unclaimed if self._is_ahead(each)]
        has_ended = self._rehearsal_log.recording.ending is not None
        return ahead or (self._rehearsal_log.moment.operations[:1] if has_ended else [])

    def _is_ahead(self, operation: Operation) -> bool:
        """Tell whether an execution at the end of the history has yet to ask for this operation."""
        if is_self_numbered(operation.id, operation.name):
            return False
        around = self.record_of(operation.parent_id or "")
        while around is not None:
            if around.status in TERMINAL_STATUSES:
                return False
            around = self.record_of(around.parent_id or "")
        return True

    def asked(self, name: str, *, is_new: bool = False) -> None:
        """Take note of the patch; a new one may lead to operations that are new too."""
        self._rehearsal_log.take_patch(name, is_new=is_new)


class Rehearsal(InvocationRun):
    """The state of an invocation whose operations are only compared with the log."""

    is_rehearsal: ClassVar[bool] = True

    def __init__(self, rehearsal_log: RehearsalLog, *args: Any) -> None:
        super().__init__(*args)
        self._rehearsal_log = rehearsal_log
        self.patches = _PatchesOfHistory(self, rehearsal_log)
        rehearsal_log.arguments.begin()

    def make_bodies(self, loop: asyncio.AbstractEventLoop) -> Bodies:
        """Make the object that refuses to run a body."""
        return _NoBodies(loop)

    def claim(self, claimant: Completion[Any]) -> Operation | None:
        """Compare an operation with the log; end the invocation at the first divergence."""
        self._rehearsal_log.arguments.take(claimant)
        record = super().claim(claimant)
        self._rehearsal_log.ask(claimant, record)
        if self._rehearsal_log.divergence is None:
            if record is not None and isinstance(claimant, DurableOperation):
                self._take_pending(claimant, record)
            return record
        self.end(Suspend())
        return None

    def _take_pending(self, operation: DurableOperation[Any], record: Operation) -> None:
        """Let an operation that the service has yet to end count as pending, as in a real replay."""
        is_retried = record.status == OperationStatus.PENDING
        if record.status not in TERMINAL_STATUSES and (
            is_retried or record.type in _OF_THE_SERVICE
        ):
            operation.is_pending = True
            self.registered[operation.operation_id] = operation

    def built_again(self, record: Operation, payload: str, read: Reader) -> str:
        """Return the recorded result of a context, after comparing it with that of its function.

        A result that was too large to record is the function's. The record may also be that of the input with which an
        execution goes on as a new one, which is a STEP.
        """
        details = record.context_details or record.step_details
        recorded = None if details is None else details.result
        is_step = record.context_details is None
        if recorded is None or (not is_step and text_bytes(payload) > MAX_STORED_RESULT_BYTES):
            return payload
        if is_step or record.sub_type in FUNCTIONS:
            is_same = is_same_payload(recorded, payload, read)
            self._rehearsal_log.take_result(Result(record, recorded, payload, is_same))
        return recorded

    def invoked_again(
        self, record: Operation, function_name: str, write: Callable[[], str], read: Reader
    ) -> None:
        """Compare the function and the payload of an invoke with those of the history."""
        started = self._rehearsal_log.recording.invokes.get(record.id)
        if started is None:
            return
        recorded_payload = (
            started.input.payload if started.input and not started.input.truncated else None
        )
        try:
            payload = write()
        except Exception as error:
            payload = f"a payload that cannot be written ({error})"
        if is_same_function(started.function_name, function_name) and (
            recorded_payload is None or is_same_payload(recorded_payload, payload, read)
        ):
            return
        self._rehearsal_log.invoke_differs(
            record,
            f"{started.function_name} with {short(recorded_payload)}",
            f"{function_name} with {short(payload)}",
        )
        self.end(Suspend())

    def submit(self, update: OperationUpdate) -> None:
        """Record nothing; keep an update that completes the execution as the outcome."""
        if update.type == OperationType.EXECUTION:
            self._rehearsal_log.completion = update

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record nothing."""

    def expect(self, due_at: float | None) -> None:
        """Ignore timers: no time passes in a rehearsal."""

    def is_waiting_for_service(self) -> bool:
        """Return ``True`` if the history is still to complete an operation that code awaits."""
        # Code that polls waits for an operation too, and it is not known for which one.
        is_polling = self.is_restless or bool(self.tasks.held)
        return self._rehearsal_log.comes_to_rest(for_any=is_polling)


class RehearsalDataPlane:
    """The data plane of a rehearsal; keeps the completion of a result too large for a response."""

    def __init__(self, rehearsal_log: RehearsalLog) -> None:
        self._rehearsal_log = rehearsal_log

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record nothing, and return no token for further checkpoints."""
        for update in request.updates:
            if update.type == OperationType.EXECUTION:
                self._rehearsal_log.completion = update
        return CheckpointResponse(checkpoint_token=None)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Return an empty page: the invocation has the whole log."""
        return StatePage(operations=[])

    def now(self) -> int:
        """Return the time of the moment's last event."""
        return round(self._rehearsal_log.moment.at)
