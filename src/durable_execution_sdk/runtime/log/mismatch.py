"""The error for another operation than the log holds at a place. Loaded when it is first raised."""

from __future__ import annotations

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.log.divergence import asked_at, divergence, nearest_before
from durable_execution_sdk.runtime.log.gate import source_line
from durable_execution_sdk.runtime.log.likely_change import change_of_mismatch, label_of_record

__all__ = ["mismatch"]

# Numbers of a scope among which the operations before are looked for: some may have no record.
_BEFORE = 10


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
    change, line = change_of_mismatch(scope, record, asked, asking)
    lines = asked_at(asking)
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
