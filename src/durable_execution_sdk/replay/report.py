"""The report of a replay: nothing, or the first place where code and history part."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from durable_execution_sdk.errors import DurableError
from durable_execution_sdk.replay.places import Place

__all__ = ["Divergence", "DivergenceKind", "ReplayError", "ReplayReport"]


class DivergenceKind(StrEnum):
    """In which way code and history part."""

    OTHER_OPERATION = "another operation"
    OTHER_RESULT = "another result"
    NEW_OPERATION = "a new operation"
    OTHER_ARGUMENTS = "other arguments"
    MISSING_OPERATION = "a missing operation"
    OTHER_END = "another end"


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """The first place where the code does not do what the history holds.

    ``expected`` is the history's operation or end, ``actual`` the code's. ``place`` is the line of
    the user's code that asked, as far as there is one. ``invocation`` counts from 1.
    """

    kind: DivergenceKind
    expected: str
    actual: str
    invocation: int
    place: Place | None = None
    operation_id: str | None = None
    hint: str = ""

    def __str__(self) -> str:
        """A paragraph with both sides, the line and what to do."""
        lines = [
            f"replay found {self.kind} in invocation {self.invocation}",
            f"  history:  {self.expected}",
            f"  code:     {self.actual}",
        ]
        if self.place is not None:
            where = "after:   " if self.kind is DivergenceKind.MISSING_OPERATION else "at:      "
            lines.append(f"  {where} {self.place}")
            if self.place.text:
                lines.append(f"              {self.place.text}")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class ReplayError(DurableError, AssertionError):
    """The current code does not replay a recorded history; ``report`` says where they part."""

    def __init__(self, report: ReplayReport) -> None:
        super().__init__(str(report))
        self.report = report


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of replaying a history. True if the code does what the history holds.

    ``recorded_as`` is the name of the function that was recorded, where the history tells it.
    ``moments`` is how many states of the log the code was run over, ``skipped`` how many were left
    out because there were more than was asked for; ``operations`` is how many the log holds. ``notes``
    name operations that the code adds after the recorded end: executions can go on with them.
    """

    function: str
    recorded_as: str | None = None
    operations: int
    moments: int
    skipped: int
    divergence: Divergence | None = None
    notes: list[str] = []

    @property
    def ok(self) -> bool:
        """Whether the code does what the history holds."""
        return self.divergence is None

    def __bool__(self) -> bool:
        """Whether the code does what the history holds."""
        return self.ok

    def raise_if_failed(self) -> None:
        """Raise ``ReplayError``, an ``AssertionError``, if code and history part.

        Its message is the whole report; of a plain ``assert report`` pytest shows a part.
        """
        __tracebackhide__ = True
        if not self.ok:
            raise ReplayError(self)

    def __repr__(self) -> str:
        """What a failed ``assert`` shows, as far as it shows it."""
        return str(self)

    def __str__(self) -> str:
        """One line, or the divergence."""
        if self.divergence is not None:
            other = self.recorded_as not in (None, self.function.rpartition(".")[2])
            note = f"\n  The history is one of the function {self.recorded_as!r}." if other else ""
            return f"{self.function}: {self.divergence}{note}"
        done = (
            f"{self.function} replays its history: {_count(self.operations, 'operation')}, from"
            f" {_count(self.moments, 'state')} of the log"
        )
        done += f" ({self.skipped} more were left out)" if self.skipped else ""
        return "\n".join([done, *(f"  note: {note}" for note in self.notes)])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
