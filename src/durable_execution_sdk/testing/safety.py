"""Reports of a workflow that was run again and again, each time disturbed in another way."""

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
    """What a disturbance did: ``where`` it came, and ``what`` is wrong after it."""

    where: str
    what: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.where}: {self.what}"


class HarmError(DurableTestError, AssertionError):
    """Disturbances do harm to a workflow; ``report`` says which, and what they do."""

    def __init__(self, report: SafetyReport) -> None:
        super().__init__(str(report))
        self.report = report


class SafetyReport(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """What came of a check. True if no disturbance did harm.

    ``runs`` is how many disturbed runs there were, ``skipped`` how many more there might have been
    but for the bound that was given. ``interrupted`` are places at which an at-most-once step was cut
    off, so that its ``StepInterruptedError`` changed how the execution went on: no harm, but worth a
    look. ``notes`` name what could not be compared, and options that allow for time.
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
        """Whether no disturbance did harm."""
        return not self.harms

    def __bool__(self) -> bool:
        """Whether no disturbance did harm."""
        return self.ok

    def raise_if_failed(self) -> None:
        """Raise ``HarmError``, an ``AssertionError``, if a disturbance did harm.

        Its message is the whole report; of a plain ``assert report`` pytest shows a part.
        """
        __tracebackhide__ = True
        if not self.ok:
            raise HarmError(self)

    def __repr__(self) -> str:
        """What a failed ``assert`` shows, as far as it shows it."""
        return str(self)

    def __str__(self) -> str:
        """What was tried, what did harm, and what was left out."""
        places = len({harm.where for harm in self.harms})
        verdict = f"harm at {places} of them" if self.harms else "no harm"
        lines = [f"{self.function}: {self.runs} {self.what}, {verdict}"]
        lines += [f"  {harm}" for harm in self.harms[:_MOST_SHOWN]]
        if len(self.harms) > _MOST_SHOWN:
            lines.append(f"  and {len(self.harms) - _MOST_SHOWN} more")
        if self.interrupted:
            lines.append(f"  an at-most-once step was interrupted at {len(self.interrupted)}:")
            lines += [f"    {each}" for each in self.interrupted[:_MOST_SHOWN]]
        if self.skipped:
            lines.append(f"  {self.skipped} more were left out: raise the bound to try them")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)
