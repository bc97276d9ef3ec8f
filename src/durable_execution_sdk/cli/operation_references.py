"""Names for operations on the command line, in place of ids of 64 letters."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence

from durable_execution_sdk.cli.payloads import read_json
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.engine.views.progress import ExecutionProgress, OperationProgress
from durable_execution_sdk.rendering.family import title

_MOST_NAMED = 12
_MOST_NEAR = 5
_FORMS = (
    "An operation is its name (charge), a path where that is ambiguous (items/map-item-1/price), with a number"
    " for one of several (price#2), or its id"
)


def operation_id(progress: ExecutionProgress, reference: str) -> str:
    """Return the id of the operation that a reference names.

    A reference is an id, or the operation's name, preceded by those of its contexts where it is ambiguous:
    ``items/map-item-1/price``. An operation without a name has its kind as a name. ``charge#2`` is the
    second operation that has the name. Raises ``Refusal`` if no operation or several have it.
    """
    if any(entry.operation.id == reference for entry in progress.operations):
        return reference
    paths = _paths(progress.operations)
    found = _ending_in(paths, reference)
    name, _, number = reference.rpartition("#")
    if not found and number.isdecimal():
        found = _ending_in(paths, name)[int(number) - 1 : int(number)] if int(number) else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refusal(f"there is no operation {reference!r}{_nearest(paths, reference)}. {_FORMS}")
    named = [f"{'/'.join(paths[operation_id])}" for operation_id in found]
    if len(set(named)) == len(named):
        raise Refusal(
            f"{len(found)} operations are named {reference!r}: {_listed(named)}. Write the path of the one that"
            f" is meant, or its number: {reference}#1 to {reference}#{len(found)}"
        )
    raise Refusal(
        f"{len(found)} operations are named {reference!r}; say which of them, in the order in which they"
        f" started: {reference}#1 to {reference}#{len(found)}"
    )


def result_option(progress: ExecutionProgress, option: str) -> tuple[str, str]:
    """Read a value of ``--result``: return the id of the operation, and the JSON text."""
    reference, has_value, value = option.partition("=")
    if not has_value:
        raise Refusal(f"--result {option}: write it as OPERATION=JSON")
    return operation_id(progress, reference), read_json(value, f"--result {reference}")


def reference_of(progress: ExecutionProgress, operation_id: str) -> str:
    """Return a reference that names an operation and no other: its path, with a number if several have it."""
    paths = _paths(progress.operations)
    path = paths[operation_id]
    same = [key for key, each in paths.items() if each == path]
    text = "/".join(path)
    return text if len(same) == 1 else f"{text}#{same.index(operation_id) + 1}"


def all_references(progress: ExecutionProgress) -> list[str]:
    """Return a reference for each operation, in start order; see ``reference_of``."""
    texts = ["/".join(path) for path in _paths(progress.operations).values()]
    having, seen = Counter(texts), Counter[str]()
    references: list[str] = []
    for text in texts:
        seen[text] += 1
        references.append(text if having[text] == 1 else f"{text}#{seen[text]}")
    return references


def named_in(message: str, progress: ExecutionProgress) -> str:
    """Write the paths of operations in place of their ids, for a message of the engine."""
    for operation_id, path in _paths(progress.operations).items():
        known = re.escape(operation_id)
        # A replacement in which backslashes, which a name may have, stand for themselves.
        name = repr("/".join(path)).replace("\\", r"\\")
        message = re.sub(rf"'[^']*' \({known}\)", name, message)
        message = re.sub(rf"\b{known}\b", name, message)
    return message


def _ending_in(paths: dict[str, tuple[str, ...]], reference: str) -> list[str]:
    """Return the ids of the operations whose path is, or ends in, the reference."""
    texts = {operation_id: "/".join(path) for operation_id, path in paths.items()}
    whole = [operation_id for operation_id, text in texts.items() if text == reference]
    return whole or [
        operation_id for operation_id, text in texts.items() if text.endswith(f"/{reference}")
    ]


def _paths(operations: Sequence[OperationProgress]) -> dict[str, tuple[str, ...]]:
    """Map the ids of operations to the names of their contexts and their own, in start order."""
    paths: dict[str, tuple[str, ...]] = {}
    for entry in operations:
        operation = entry.operation
        above = paths.get(operation.parent_id or "", ())
        paths[operation.id] = (*above, title(operation))
    return paths


def _nearest(paths: dict[str, tuple[str, ...]], reference: str) -> str:
    """Name the operations whose paths are most like a reference; all if there are few."""
    names = list(dict.fromkeys("/".join(path) for path in paths.values()))
    if len(names) <= _MOST_NAMED:
        return f"; those of the execution: {', '.join(names) or 'none'}"
    near = difflib.get_close_matches(reference, names, n=_MOST_NEAR, cutoff=0)
    return f"; the nearest of {len(names)}: {', '.join(near)}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{shown}, ..." if len(names) > _MOST_NAMED else shown
