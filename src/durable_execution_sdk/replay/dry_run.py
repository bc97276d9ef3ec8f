"""The next invocation of an open execution, up to the first new thing that it would do.

Before replay has asked for all recorded operations, an invocation starts no body and sends no update: its gate
is closed (``runtime.log.gate``). A dry run is that invocation. Where the gate opens it ends, if the code has asked
for a new operation or a body is to run. Otherwise it goes on until then: ends of contexts that have only their
own end to record are taken as recorded. So it finds what the invocation itself would find, no more and no less: a
divergence from the log, an input that no longer fits, and any other exception of workflow code before its first
new operation. Workflow code outside of operations runs, with its side effects.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from msgspec.structs import replace

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    Invocation,
    Outcome,
    OutcomeStatus,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import Operation, OperationType, label_of
from durable_execution_sdk.replay.check import rehearsal_context
from durable_execution_sdk.replay.payloads import short
from durable_execution_sdk.replay.rehearsal_log import difference_text, differing_members
from durable_execution_sdk.replay.report import Divergence, DivergenceKind
from durable_execution_sdk.replay.source_places import Place, asking_place, raising_place
from durable_execution_sdk.runtime.bodies import Attempting, Bodies
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.log.gate import Gate
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.verdicts import Suspend

__all__ = ["DryRun", "dry_run"]

_FRAME = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+), in (?P<function>.+)')


def dry_run(handler: AnyHandler, invocation: Invocation) -> Divergence | None:
    """Run an invocation up to its first new operation; return the reason for which it would fail, if it would.

    Raises what the handler raises when Lambda is to invoke again, which fails no execution.
    """
    findings = _Findings()
    # Plugins must not be called: a dry run is not an invocation.
    settings = replace(handler.settings, observers=None, on_divergence=None)
    dry: AnyHandler = DurableHandler(
        handler.__wrapped__, _NoPlane(), settings, partial(DryRun, findings)
    )
    context = rehearsal_context(invocation.durable_execution_arn)
    answer = dry(codec.encode_invocation(invocation), context)
    outcome = codec.decode_outcome(answer)
    if findings.divergence is not None or outcome.status is not OutcomeStatus.FAILED:
        return findings.divergence
    return _failure(outcome, invocation)


class _NoBodies(Bodies):
    """The bodies of a dry run, which wait at a gate that never opens."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
        super().__init__(loop)
        self._tell = tell

    def start(
        self, operation: Attempting[Any], body: Coroutine[object, object, None]
    ) -> asyncio.Task[None]:
        """Tell of the body, and let it wait."""
        self._tell()
        return super().start(operation, body)


class _Findings:
    """The divergence of a dry run, the last operation that the code asked for, and the error handled then."""

    def __init__(self) -> None:
        self.divergence: Divergence | None = None
        self.last: tuple[Completion[Any], Operation | None, Place | None] | None = None
        self.handled: BaseException | None = None


class DryRun(InvocationRun):
    """An invocation that ends where it would begin to do something new."""

    def __init__(self, findings: _Findings, *args: Any) -> None:
        super().__init__(*args)
        self._findings = findings
        self._is_new = False
        if self.gate is None:
            # An empty log needs no gate in a real invocation.
            self.gate = self.bodies.gate = Gate(self.journal, self.loop)
            self.checkpointer.is_held = True

    def make_bodies(self, loop: asyncio.AbstractEventLoop) -> Bodies:
        """Make the object that tells of bodies, of which none runs."""
        return _NoBodies(loop, self._begin_anew)

    def claim(self, claimant: Completion[Any]) -> Operation | None:
        """Note the operation that the code asks for, and the line that does."""
        record = super().claim(claimant)
        self._findings.last = (claimant, record, asking_place())
        self._findings.handled = sys.exception()
        if record is None and isinstance(claimant, DurableOperation):
            # A timer of asyncio is recorded only if nothing else happens.
            self._begin_anew()
        return record

    def open_gate(self) -> None:
        """End the invocation if what follows is new."""
        if self.ended.done():
            # The workflow has returned or raised, and that is the outcome.
            self.checkpointer.discard()
            self.checkpointer.let_go()
        elif self._is_new:
            self.end(Suspend())
        else:
            super().open_gate()
            self.bodies.gate = Gate(self.journal, self.loop)

    def _begin_anew(self) -> None:
        """Note that something new is to begin: no more is found out than until the next rest."""
        self._is_new = True
        if self.gate is None:
            self.end(Suspend())

    def fail(self, error: BaseException) -> None:
        """Note the divergence."""
        if self._findings.divergence is None and isinstance(error, DeterminismError):
            divergence = self._divergence(error)
            self._findings.divergence = replace(divergence, hint=_hint(self._findings.handled))
        super().fail(error)

    def _divergence(self, error: DeterminismError) -> Divergence:
        claimant, record, place = self._findings.last or (None, None, None)
        if isinstance(claimant, DurableOperation) and record is not None:
            differing = differing_members(record, claimant)
            if differing:
                return _found(
                    DivergenceKind.OTHER_OPERATION,
                    label_of(record.type, record.sub_type, record.name),
                    f"{claimant.label} ({difference_text(differing)})",
                    place,
                    record.id,
                )
        missed = [] if self.gate is None else self.gate.missed()
        if missed:
            return self._missing(missed, place)
        return _found(DivergenceKind.OTHER_OPERATION, "another course", str(error), place)

    def _missing(self, missed: list[Operation], place: Place | None) -> Divergence:
        first = min(missed, key=lambda record: (record.start_timestamp or 0, record.id))
        new = [] if self.gate is None else self.gate.new
        line = new[0][1] if new else None
        return _found(
            DivergenceKind.MISSING_OPERATION,
            label_of(first.type, first.sub_type, first.name),
            ", ".join(operation.label for operation, _ in new) or "nothing more",
            place if line is None else Place(line.file, line.line, line.function),
            first.id,
        )


def _found(
    kind: DivergenceKind,
    expected: str,
    actual: str,
    place: Place | None,
    operation_id: str | None = None,
) -> Divergence:
    return Divergence(
        kind=kind,
        expected=expected,
        actual=actual,
        invocation=0,
        place=place,
        operation_id=operation_id,
    )


def _hint(handled: BaseException | None) -> str:
    """Name the error that the code handles, which may be the reason for the divergence."""
    if handled is None:
        return ""
    place = raising_place(handled)
    raised = "" if place is None else f", raised at {place.file}:{place.line}, in {place.function}"
    return f"it does so while it handles {type(handled).__name__}: {short(str(handled))}{raised}"


def _failure(outcome: Outcome, invocation: Invocation) -> Divergence:
    """Return the divergence of code that raises before it does anything new."""
    recorded = [
        operation
        for operation in invocation.initial_execution_state.operations
        if operation.type != OperationType.EXECUTION
    ]
    last = max(recorded, key=_time_of, default=None)
    error = outcome.error or ErrorObject()
    text = (
        ": ".join(filter(None, (error.error_type, short(error.error_message or "")))) or "an error"
    )
    return _found(
        DivergenceKind.FAILURE,
        "no end"
        if last is None
        else f"no end after {label_of(last.type, last.sub_type, last.name)}",
        f"it fails with {text}",
        _place_of(error),
    )


def _time_of(operation: Operation) -> float:
    return operation.end_timestamp or operation.start_timestamp or 0


def _place_of(error: ErrorObject) -> Place | None:
    """Return the innermost line of the error's stack trace."""
    for frame in reversed(error.stack_trace or []):
        found = _FRAME.match(frame)
        if found is not None:
            return Place(found["file"], int(found["line"]), found["function"])
    return None


class _NoPlane:
    """A service that acknowledges everything and records nothing."""

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Acknowledge the updates."""
        return CheckpointResponse(checkpoint_token=request.checkpoint_token)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Return an empty page: the invocation has the whole log."""
        del request
        return StatePage(operations=[])

    def now(self) -> int:
        """Return the computer's time."""
        return time.time_ns() // 1_000_000
