"""Reports of checks that run a workflow many times, each with another disturbance."""

from __future__ import annotations

import msgspec

from durable_execution_sdk.testing.errors import DurableTestError

__all__ = ["Harm", "HarmError", "SafetyReport"]

_MOST_SHOWN = 10

MAY_BE_TIMING = (
    "if time may decide here, as in a race with a timeout or a batch that ends early, allow it:"
    " same_result=False for the result, same_log=False for the operations"
)


class Harm(msgspec.Struct, frozen=True):
    """The harm of one disturbance: ``where`` is the disturbance, ``what`` the difference after it."""

    where: str
    what: str

    def __str__(self) -> str:
        """Write the harm in one line."""
        return f"{self.where}: {self.what}"


class HarmError(DurableTestError, AssertionError):
    """Disturbances do harm to a workflow; ``report`` lists them.

    Cause: the workflow does a thing twice, loses one, or ends differently after a crash.

    Cure: the report names the disturbance and the operation; put the effect into a step, and make the step idempotent.
    """

    def __init__(self, report: SafetyReport) -> None:
        super().__init__(str(report))
        self.report = report


class SafetyReport(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """The result of a check; true if no disturbance did harm.

    ``runs`` is the number of disturbed runs, ``skipped`` the number left out because of the given bound.
    ``interrupted`` lists disturbances that interrupted an at-most-once step, whose
    ``StepInterruptedError`` then changed the execution: that is no harm, but worth a look. ``notes``
    name values that are not compared, and options for workflows that depend on time.
    """

    function: str
    what: str
    runs: int
    skipped: int = 0
    harms: list[Harm] = []
    interrupted: list[Harm] = []
    notes: list[str] = []

    @property
    def ok(self) -> bool:
        """True if no disturbance did harm."""
        return not self.harms

    def __bool__(self) -> bool:
        """True if no disturbance did harm."""
        return self.ok

    def raise_if_failed(self) -> None:
        """Raise ``HarmError``, an ``AssertionError``, if a disturbance did harm.

        Its message is the whole report; for a plain ``assert report``, pytest shows only a part.
        """
        __tracebackhide__ = True
        if not self.ok:
            raise HarmError(self)

    def __repr__(self) -> str:
        """Return the report, which a failed ``assert report`` shows in part."""
        return str(self)

    def __str__(self) -> str:
        """Write the number of runs, the harms, and the notes."""
        places = len({harm.where for harm in self.harms})
        verdict = f"harm at {places} of them" if self.harms else "no harm"
        lines = [f"{self.function}: {self.runs} {self.what}, {verdict}"]
        lines += [f"  {harm}" for harm in self.harms[:_MOST_SHOWN]]
        if len(self.harms) > _MOST_SHOWN:
            lines.append(f"  and {len(self.harms) - _MOST_SHOWN} more")
        if self.interrupted:
            lines.append(f"  an at-most-once step was interrupted at {len(self.interrupted)}:")
            lines += [f"    {interruption}" for interruption in self.interrupted[:_MOST_SHOWN]]
        if self.skipped:
            lines.append(f"  {self.skipped} more were left out: raise the bound to try them")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)
