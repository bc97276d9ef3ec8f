"""The finding of a rehearsal: the reason for which an execution cannot go on with the code of now."""

from __future__ import annotations

import msgspec

__all__ = ["Finding", "finding_document"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The difference between a log and the code, and the line of code.

    Attributes:
        kind: the kind of the difference: "another operation", "a missing operation", "a failure" or "broken
            code".
        expected: the operation that the log has, or that it has no end.
        actual: the operation that the code asks for, or the error with which it fails.
        operation_id: the id of the operation in the log, before which a fork can begin.
        source: the text of the line.
        hint: the error that the code handles while it asks, which may be the reason.
    """

    kind: str
    expected: str
    actual: str
    operation_id: str | None = None
    file: str | None = None
    line: int | None = None
    function: str | None = None
    source: str = ""
    hint: str = ""

    @property
    def place(self) -> str | None:
        """The line as FILE:LINE, in FUNCTION."""
        if self.file is None:
            return None
        line = "" if self.line is None else f":{self.line}"
        function = f", in {self.function}" if self.function else ""
        return f"{self.file}{line}{function}"


def finding_document(finding: Finding) -> dict[str, object]:
    """Build the document of a finding, with every member."""
    return {
        "kind": finding.kind,
        "expected": finding.expected,
        "actual": finding.actual,
        "operation_id": finding.operation_id,
        "file": finding.file,
        "line": finding.line,
        "function": finding.function,
        "source": finding.source,
        "hint": finding.hint,
    }
