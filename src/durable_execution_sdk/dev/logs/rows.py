"""The rows of the tables of lines and notes, and the records that they hold."""

from __future__ import annotations

from durable_execution_sdk.dev.functions.records import CodeNote, LogLine

__all__ = ["LineRow", "NoteRow", "code_note", "log_line"]

NoteRow = tuple[int, str, str, str, int, "str | None", "str | None", "int | None"]
LineRow = tuple[int, str | None, str | None, str | None, str, str, int, str, str]


def log_line(row: LineRow) -> LogLine:
    """Build a line."""
    number, arn, request_id, operation_id, function, version, at, stream, text = row
    return LogLine(
        number=number,
        arn=arn,
        request_id=request_id,
        operation_id=operation_id,
        function=function,
        version=version,
        at=at,
        stream=stream,
        text=text,
    )


def code_note(row: NoteRow) -> CodeNote:
    """Build a note."""
    number, arn, operation_id, file, line, function, awaited_type, branches = row
    return CodeNote(
        number=number,
        arn=arn,
        operation_id=operation_id,
        file=file,
        line=line,
        function=function,
        awaited_type=awaited_type,
        branches=branches,
    )
