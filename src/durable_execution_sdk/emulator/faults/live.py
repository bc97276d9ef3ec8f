"""Faults that are planned while an execution runs: crashes, lost responses and throttling.

They strike where checkpoints arrive, so they work for every kind of worker. A crash ends the invocation for
the service at once: what the worker still sends is refused, whether it can be killed or not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import msgspec

from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.emulator.functions.invokers import exit_error
from durable_execution_sdk.engine.commands import FinishInvocation
from durable_execution_sdk.engine.rejections import conflict, invalid
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.data_plane import CheckpointRequest, CheckpointResponse
from durable_execution_sdk.protocol.error_codes import SERVICE_FAILED, STATUS, TOO_MANY_REQUESTS

__all__ = ["FaultKind", "LiveFault", "LiveFaults"]

_KILLED = 137
"""The exit status of a process that SIGKILL has ended."""


class FaultKind(StrEnum):
    """Faults of a checkpoint.

    ``CRASH_BEFORE``: the worker dies before the checkpoint is recorded; ``CRASH_AFTER``: after it was
    recorded, before the response. ``LOSE_RESPONSE``: the checkpoint is recorded, and the response is an
    error, so that the client sends it again. ``THROTTLE``: it is refused, as with too many requests.
    """

    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    LOSE_RESPONSE = "lose_response"
    THROTTLE = "throttle"


class LiveFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of a checkpoint to come: the ``checkpoint``-th from now on.

    With an ``operation``, the id or the name of one, only checkpoints that record it are counted. A
    ``THROTTLE`` refuses so many requests in a row; every other fault strikes once.
    """

    kind: FaultKind
    checkpoint: int = 1
    operation: str | None = None
    times: int = 1


class LiveFaults:
    """The faults that are planned for the executions of an emulator. Thread-safe."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._lock = threading.Lock()
        self._planned: dict[str, list[LiveFault]] = {}
        self._kill: Callable[[str], object] = lambda _: None
        self._save: Callable[[Mapping[str, Sequence[LiveFault]]], object] = lambda _: None

    def keep(
        self,
        planned: Mapping[str, Sequence[LiveFault]],
        save: Callable[[Mapping[str, Sequence[LiveFault]]], object],
    ) -> None:
        """Plan these faults, and call ``save`` with all that are planned after each change.

        A fault that strikes is no longer planned when it is saved, so it strikes once whatever it ends.
        """
        with self._lock:
            self._planned = {arn: list(faults) for arn, faults in planned.items()}
            self._save = save
            save(self._planned)

    def on_crash(self, kill: Callable[[str], object]) -> None:
        """Call ``kill`` at each crash with the ARN of the execution, to kill the worker that runs it."""
        self._kill = kill

    def plan(self, arn: str, fault: LiveFault) -> None:
        """Plan a fault of an open execution, beside those that are planned already."""
        if fault.checkpoint < 1 or fault.times < 1:
            raise invalid(
                f"A fault strikes at a checkpoint from 1 on, 1 time or more, not at {fault.checkpoint},"
                f" {fault.times} times."
            )
        with self._coordinator.holding():
            state = self._coordinator.state(arn)
            if state.is_closed:
                raise conflict(f"Cannot plan a fault of {arn}: it is {state.status}.")
        with self._lock:
            self._planned.setdefault(arn, []).append(fault)
            self._save(self._planned)

    def planned(self, arn: str) -> list[LiveFault]:
        """Return the faults that have not struck; their ``checkpoint`` counts from now."""
        with self._lock:
            return list(self._planned.get(arn, ()))

    def clear(self, arn: str) -> None:
        """Drop the faults of an execution that have not struck."""
        with self._lock:
            if self._planned.pop(arn, None) is not None:
                self._save(self._planned)

    def crash(self, arn: str) -> None:
        """Kill the worker that runs an execution now; raise ``ServiceError`` if none does."""
        if not self._end_invocation(arn):
            raise conflict(f"Cannot crash {arn}: no invocation of it runs now.")

    def checkpoint(
        self,
        request: CheckpointRequest,
        record: Callable[[CheckpointRequest], CheckpointResponse],
    ) -> CheckpointResponse:
        """Record a checkpoint with ``record``, with the fault that is planned for it, if any."""
        arn = request.durable_execution_arn
        match self._due(request):
            case FaultKind.CRASH_BEFORE:
                self._end_invocation(arn)
                raise _lost("the worker was killed before the checkpoint was recorded")
            case FaultKind.CRASH_AFTER:
                record(request)
                self._end_invocation(arn)
                raise _lost("the worker was killed after the checkpoint was recorded")
            case FaultKind.LOSE_RESPONSE:
                record(request)
                raise _lost("the checkpoint was recorded, and its response lost")
            case FaultKind.THROTTLE:
                raise ServiceError(
                    "Rate exceeded (a planned fault)",
                    code=TOO_MANY_REQUESTS,
                    status=STATUS[TOO_MANY_REQUESTS],
                )
            case None:
                return record(request)

    def is_planned(self, arn: str) -> bool:
        """True if a fault of the execution is planned."""
        return arn in self._planned

    def _due(self, request: CheckpointRequest) -> FaultKind | None:
        """Count a checkpoint; return the kind of the first fault that strikes it."""
        arn = request.durable_execution_arn
        names = {name for update in request.updates for name in (update.id, update.name)}
        due: LiveFault | None = None
        left: list[LiveFault] = []
        with self._lock:
            for fault in self._planned.pop(arn, ()):
                if due is not None or not (fault.operation is None or fault.operation in names):
                    left.append(fault)
                elif fault.checkpoint > 1:
                    left.append(msgspec.structs.replace(fault, checkpoint=fault.checkpoint - 1))
                else:
                    due = fault
                    if fault.kind is FaultKind.THROTTLE and fault.times > 1:
                        left.append(msgspec.structs.replace(fault, times=fault.times - 1))
            if left:
                self._planned[arn] = left
            self._save(self._planned)
        return None if due is None else due.kind

    def _end_invocation(self, arn: str) -> bool:
        """Let the running invocation fail, and kill its worker; return False if none runs."""
        with self._coordinator.holding():
            state = self._coordinator.find(arn)
            if state is None or state.invocation is None:
                return False
            request_id = state.invocation.request_id
            end = FinishInvocation(request_id=request_id, error=exit_error(request_id, _KILLED))
            if self._coordinator.attempt(arn, end) is None:
                return False
        self._kill(arn)
        return True


def _lost(reason: str) -> ServiceError:
    return ServiceError(
        f"No response: {reason} (a planned fault)",
        code=SERVICE_FAILED,
        status=STATUS[SERVICE_FAILED],
    )
