"""The report of a replay: success, or the first divergence between code and history."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from durable_execution_sdk.errors import DurableError
from durable_execution_sdk.replay.source_places import Place
from durable_execution_sdk.version import PAGES

__all__ = [
    "HINT_CHANGED",
    "HINT_INVOKE",
    "HINT_SWAPPED",
    "Divergence",
    "DivergenceKind",
    "ReplayError",
    "ReplayReport",
]


HINT_CHANGED = (
    "The code has changed since, or it branches on something that is not recorded: executions at this"
    " point cannot go on with it. Put the old code back beside the new (if ctx.patched(...): new, else: old), keep"
    " their function version until they have ended, or fork them before the change (durable fork). See"
    f" {PAGES}/changing-code.md"
)
HINT_INVOKE = (
    "Executions that have started this invoke keep it, and go on; others invoke as the code does now. If that is not"
    " meant, put the old code back. If an environment variable names the function, replay with the one of the history:"
    f" VARIABLE=FUNCTION durable replay. See {PAGES}/changing-code.md"
)
HINT_SWAPPED = (
    "Items or branches have changed places, and the log identifies them by their index: executions"
    " that have recorded some of them would take the result of one for that of another."
)


class DivergenceKind(StrEnum):
    """The kinds of divergence between code and history."""

    OTHER_OPERATION = "another operation"
    OTHER_RESULT = "another result"
    NEW_OPERATION = "a new operation"
    OTHER_ARGUMENTS = "other arguments"
    MISSING_OPERATION = "a missing operation"
    OTHER_END = "another end"
    FAILURE = "a failure"


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """The first difference between the code and the history.

    ``expected`` is the operation or the end in the history, ``actual`` that of the code. ``place`` is
    the line of user code that asked for the operation, if there is one. ``invocation`` counts from 1.
    """

    kind: DivergenceKind
    expected: str
    actual: str
    invocation: int
    place: Place | None = None
    operation_id: str | None = None
    hint: str = ""

    def __str__(self) -> str:
        """Write a paragraph with both sides, the line of code and a hint."""
        lines = [
            f"replay found {self.kind} in invocation {self.invocation}",
            f"  history:  {self.expected}",
            f"  code:     {self.actual}",
        ]
        if self.place is not None:
            label = "after:   " if self.kind is DivergenceKind.MISSING_OPERATION else "at:      "
            lines.append(f"  {label} {self.place}")
            if self.place.text:
                lines.append(f"              {self.place.text}")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class ReplayError(DurableError, AssertionError):
    """The current code does not replay a recorded history; ``report`` holds the divergence.

    Cause: operations were added, removed, renamed or moved since the history was recorded.

    Cure: guard the change with ``ctx.patched``, keep the old code for open executions under a version, or record the
    history again if no execution is open.
    """

    def __init__(self, report: ReplayReport) -> None:
        super().__init__(str(report))
        self.report = report


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of replaying a history; true if the code replays it.

    ``recorded_as`` is the name of the recorded function, if an ARN is known. ``operations`` is the
    number of operations in the log, ``moments`` the number of states of the log that were replayed, and
    ``skipped`` the number left out because of ``max_moments``. ``notes`` describe changes that running
    executions can continue with, such as operations after the recorded end. ``patches`` are the ids of the
    patches whose new code the history has taken, and ``patches_gone`` those for which the code did not ask.
    """

    function: str
    recorded_as: str | None = None
    operations: int
    moments: int
    skipped: int
    divergence: Divergence | None = None
    notes: list[str] = []
    patches: list[str] = []
    patches_gone: list[str] = []

    @property
    def ok(self) -> bool:
        """True if the code replays the history."""
        return self.divergence is None

    def __bool__(self) -> bool:
        """True if the code replays the history."""
        return self.ok

    def raise_if_failed(self) -> None:
        """Raise ``ReplayError``, an ``AssertionError``, if the code diverges.

        Its message is the whole report; for a plain ``assert report``, pytest shows only a part.
        """
        __tracebackhide__ = True
        if not self.ok:
            raise ReplayError(self)

    def __repr__(self) -> str:
        """Return the report, which a failed ``assert report`` shows in part."""
        return str(self)

    def __str__(self) -> str:
        """Write the summary and the notes, or the divergence."""
        if self.divergence is not None:
            is_other_function = self.recorded_as not in (None, self.function.rpartition(".")[2])
            note = (
                f"\n  The history is one of the function {self.recorded_as!r}."
                if is_other_function
                else ""
            )
            return f"{self.function}: {self.divergence}{note}{self._patches_of_a_divergence}"
        summary = (
            f"{self.function} replays its history: {_count(self.operations, 'operation')}, from"
            f" {_count(self.moments, 'state')} of the log"
        )
        summary += f" ({self.skipped} more were left out)" if self.skipped else ""
        taken = [f"  patches taken: {_quoted(self.patches)}"] if self.patches else []
        return "\n".join([summary, *taken, *(f"  note: {note}" for note in self.notes)])

    @property
    def _patches_of_a_divergence(self) -> str:
        taken = (
            f"\n  The history took the patches: {_quoted(self.patches)}." if self.patches else ""
        )
        if not self.patches_gone:
            return taken
        return (
            f"{taken}\n  The code has not asked for {_quoted(self.patches_gone)}: if the calls of ctx.patched were"
            " removed, the new code of the patches must stay, or executions such as this one need them back."
        )


def _quoted(patches: list[str]) -> str:
    return ", ".join(f"'{patch}'" for patch in patches)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
