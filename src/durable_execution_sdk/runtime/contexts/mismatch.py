"""The error for another operation than the log holds at a place. Loaded when it is first raised.

The likely kind of change is a guess, for the message only. Two things tell kinds apart that the log alone does not:
another record with the label that the code asks for, and a line in the code of today with the name that the log holds.
"""

from __future__ import annotations

import linecache
import re
import sys
from types import CodeType, FrameType

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.operations import Operation, OperationType
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.log.divergence import (
    Change,
    divergence,
    label_of_record,
    nearest_before,
    task_of,
)
from durable_execution_sdk.runtime.log.gate import (
    SourceLine,
    is_of_the_user,
    is_of_the_workflow,
    source_line,
)

__all__ = ["mismatch"]

_CALLS = {
    OperationType.WAIT: ("wait", "wait_until"),
    OperationType.CALLBACK: ("create_callback",),
    OperationType.CHAINED_INVOKE: ("invoke",),
}
# Numbers of a scope among which operations before and after are looked for: some may have no record.
_BEFORE = 10
_LOOKED_AT = 20


def mismatch(scope: IdScope, record: Operation, asked: Operation) -> DeterminismError:
    """Return the error if the log holds ``record`` where the code asks for an operation like ``asked``."""
    members = {
        "type": (record.type, asked.type),
        "subtype": (record.sub_type, asked.sub_type),
        "name": (record.name, asked.name),
        "parent": (record.parent_id, asked.parent_id),
    }
    differing = [member for member, (held, found) in members.items() if held != found]
    asking = source_line()
    change, line = _likely_change(scope, record, asked, asking)
    lines = [] if asking is None else [f"The code asks for it at {asking}"]
    if line is not None:
        lines.append(f"What the log holds may be that at {line}")
    first = max(scope.claimed - _BEFORE, 0)
    return divergence(
        scope.position,
        f"the log holds {label_of_record(record)}, the code asked for {label_of_record(asked)}"
        f" ({', '.join(differing)} differ{'s' if len(differing) == 1 else ''})",
        change,
        lines=lines,
        before=nearest_before(
            scope.context_state.run.journal,
            (scope.path.operation_id(scope.context, n) for n in range(first, scope.claimed)),
        ),
    )


def _likely_change(
    scope: IdScope, record: Operation, asked: Operation, asking: SourceLine | None
) -> tuple[Change, SourceLine | None]:
    """Return the likely change if the log holds ``record`` where the code asks for an operation like ``asked``.

    ``asking`` is the line that asks. Also returns another line with the recorded operation, if there is one.
    """
    journal, label = scope.context_state.run.journal, label_of_record(asked)
    line = _line_with(record, other_than=asking)
    others = [each for each in journal.missed({record.parent_id}) if label_of_record(each) == label]
    following = [
        scope.path.operation_id(scope.context, scope.claimed + n) for n in range(1, _LOOKED_AT)
    ]
    in_task = task_of(record.id) is not None
    is_same_kind = (record.type, record.sub_type) == (asked.type, asked.sub_type)
    if any(each.id in following for each in others):
        change = Change.REMOVED if line is None else Change.REORDERED
    elif not in_task and any(task_of(each.id) for each in others):
        change = Change.GATHER_TO_SEQUENCE
    elif in_task and others:
        change = Change.TASK_ADDED
    elif line is not None:
        change = Change.INSERTED
    elif not is_same_kind:
        change = Change.REPLACED
    elif _line_with(asked) is not None:
        change = Change.RENAMED
    else:  # the code computes the names
        change = Change.TASK_ADDED if in_task and _has_siblings(scope) else Change.SHIFTED
    return change, line


def _has_siblings(scope: IdScope) -> bool:
    """Return ``True`` if the log held an operation at this place of another task of the same function."""
    journal = scope.context_state.run.journal
    row, _, number = scope.path.parts[-1].rpartition("_")
    if not number.isdecimal():
        return False
    text = scope.path.text.removesuffix(f"{row}_{number}-")
    siblings = (int(number) - 1, int(number) + 1)
    ends = tuple(f"{text}{row}_{each}-{scope.claimed}" for each in siblings)
    return any(each.endswith(ends) for each in journal.held_ids())


def _line_with(record: Operation, other_than: SourceLine | None = None) -> SourceLine | None:
    """Return a line of the workflow's code that runs now with an operation like a record.

    A name stands there as a word, an operation without a name as its call.
    """
    words = [record.name] if record.name else _CALLS.get(record.type, ())
    if not words:
        return None
    call = "" if record.name else r"\s*\("
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w){call}" for word in words))
    found: list[SourceLine] = []
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - who asks
    while frame is not None and is_of_the_workflow(frame):
        code = frame.f_code
        if is_of_the_user(code.co_filename):
            found += [
                SourceLine(code.co_filename, number, code.co_qualname)
                for number in _numbers(code)
                if pattern.search(_code_of(code.co_filename, number))
            ]
        frame = frame.f_back
    at = 0 if other_than is None else other_than.line
    # One that follows is likelier to be the recorded operation than one before.
    return min(
        (each for each in found if each.line != at),
        key=lambda each: (each.line < at, abs(each.line - at)),
        default=None,
    )


def _numbers(code: CodeType) -> list[int]:
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    own = {number for _, _, number in code.co_lines() if number and number > code.co_firstlineno}
    return sorted(own.union(*map(_numbers, inner)))


def _code_of(file: str, number: int) -> str:
    line = linecache.getline(file, number).partition("#")[0]
    return "" if line.lstrip().startswith(("def ", "async def ", "@")) else line
