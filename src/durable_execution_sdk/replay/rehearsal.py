"""A workflow over a recorded log in which nothing happens: no body runs, nothing is recorded.

The log is all there is. What has not ended in it stays as it is, so code that waits for it waits, and
that is where the run stops. Contexts that have succeeded are built again, so the code in them is
looked at too. Workflow code itself does run: what it does outside its operations, it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from durable_execution_sdk.errors import InternalError
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.model.operation import (
    Operation,
    OperationType,
)
from durable_execution_sdk.model.update import OperationUpdate
from durable_execution_sdk.operations.child import MAX_STORED_RESULT_BYTES
from durable_execution_sdk.replay.payloads import (
    is_same_function,
    is_same_payload,
    short,
)
from durable_execution_sdk.replay.script import FUNCTIONS, Result, Script
from durable_execution_sdk.runtime.suspension import WentAway
from durable_execution_sdk.runtime.workflow import Attempting, Claimant, Reader, Workflow

__all__ = ["Rehearsal", "Spectator"]


class Rehearsal(Workflow):
    """Runs the code over the log, and lets nothing happen."""

    is_rehearsal: ClassVar[bool] = True

    def __init__(self, script: Script, *args: Any) -> None:
        super().__init__(*args)
        self._script = script
        script.arguments.begin()

    def claim(self, claimant: Claimant) -> Operation | None:
        """Compare what the code asks for with what the log holds; the first difference ends it all."""
        self._script.arguments.take(claimant)
        record = super().claim(claimant)
        self._script.ask(claimant, record)
        if self._script.divergence is None:
            return record
        self.end(WentAway())
        return None

    def built_again(self, record: Operation, payload: str, read: Reader) -> str:
        """The recorded result, which must be the built one, unless it was too large to be recorded."""
        recorded = record.context_details.result if record.context_details else None
        if recorded is None or len(payload.encode()) > MAX_STORED_RESULT_BYTES:
            return payload
        if record.sub_type in FUNCTIONS:
            is_same = is_same_payload(recorded, payload, read)
            self._script.take_result(Result(record, recorded, payload, is_same))
        return recorded

    def invoked_again(
        self, record: Operation, function_name: str, write: Callable[[], str], read: Reader
    ) -> None:
        """Compare the function and the payload of an invoke with those of the history."""
        started = self._script.recording.invokes.get(record.id)
        if started is None:
            return
        given = started.input.payload if started.input and not started.input.truncated else None
        try:
            payload = write()
        except Exception as error:
            payload = f"a payload that cannot be written ({error})"
        if is_same_function(started.function_name, function_name) and (
            given is None or is_same_payload(given, payload, read)
        ):
            return
        self._script.invoke_differs(
            record,
            f"{started.function_name} with {short(given)}",
            f"{function_name} with {short(payload)}",
        )
        self.end(WentAway())

    def submit(self, update: OperationUpdate) -> None:
        """Record nothing; how the execution completes itself is what came of it."""
        if update.type is OperationType.EXECUTION:
            self._script.completion = update

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record nothing."""

    def start_body(self, operation: Attempting, body: Any) -> NoReturn:
        """Run no body, whatever asks for it."""
        body.close()
        raise InternalError(f"{operation.label} was about to run in a rehearsal")

    def expect(self, due_at: float | None) -> None:
        """Nothing will change."""

    def _is_waiting_for_service(self) -> bool:
        return bool(self._script.waits_for())


class Spectator:
    """The service, during a rehearsal: it takes note of an end that is too large for a response."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record nothing, and give no token for more."""
        for update in request.updates:
            if update.type is OperationType.EXECUTION:
                self._script.completion = update
        return CheckpointResponse(checkpoint_token=None)

    async def get_state(self, request: StateRequest) -> StatePage:
        """There are no further pages."""
        return StatePage(operations=[])

    def now(self) -> int:
        """The time at which the log was as it is."""
        return round(self._script.moment.at)
