"""The numbers of the service stand in ``protocol.limits``, and its codes in ``protocol.error_codes``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from durable_execution_sdk.protocol import error_codes, limits

PACKAGE = Path(limits.__file__).parents[1]
HOMES = {PACKAGE / "protocol" / "limits.py", PACKAGE / "protocol" / "error_codes.py"}

# Smaller numbers than these are too common to be told apart from numbers of the project.
NUMBERS = {
    number
    for number in vars(limits).values()
    if isinstance(number, int) and number >= limits.MAX_ID_CHARACTERS
} | {limits.LONGEST_INVOCATION_SECONDS * 1_000}

# Numbers of this project, or of other standards, that equal a number of the service.
OURS = """
# Percentages, units, columns, and numbers of HTTP and Python
aws/control_plane.py _iso_8601()
aws/framing.py _read_head()
aws/signer.py _BLOCK_BYTES
cli/arguments/durations.py _MILLISECONDS
cli/main.py context_settings
rendering/time_and_origin.py _SMALLEST_OFFSET
telemetry/embedded_metrics.py _LONGEST_NAME
telemetry/embedded_metrics.py _MOST_VALUES
dev/functions/runtime_api.py status_code
operations/inboxes/inbox.py _MOST_OPEN
client/messages/inbox_ref.py _MAX_ID_CHARACTERS
dev/functions/code_notes.py _MOST_CHARACTERS
batch_completion.py _check_share()
batch_completion.py tolerated_failure_percentage
engine/limits.py _SECOND
operations/map.py share_counts
rendering/outline.py _SHORTEST_SHOWN
rendering/times.py span()
serdes/annotations.py _IS_COROUTINE_FUNCTION
# Sizes of caches, and bounds of memory and of work
dev/feed/recent_inputs.py _LOOKED_AT
dev/logs/run_table.py _MOST_ATTEMPTS
dev/functions/notes/run_notes.py _MOST_WAITING
dev/reload/kept_code.py MOST_SOURCE_BYTES
dev/reload/kept_code.py _DIGEST
aws/framing.py _LARGEST_HEAD
aws/framing.py maxsize
dev/functions/launcher.py _watch()
dev/functions/process.py _read()
dev/functions/runtime_api.py _HEADER_BYTES
dev/functions/runtime_api.py _next_event()
emulator/schedule/due_times.py _SLACK
emulator/repository.py _MAX_CLOSED_CACHED
runtime/settings.py MOST_CACHED_FUNCTIONS
telemetry/reported_ends.py _REMEMBERED_EXECUTIONS
protocol/ids.py maxsize
replay/check.py _MOST_MOMENTS
runtime/log/ids.py _MOST_ROOT_IDS
runtime/log/state_pages.py _MOST_EMPTY
runtime/run.py _TURNED_DOWN_AT_MOST
runtime/settings.py DEFAULT_MAX_THREADS
runtime/tasks/identity.py _MOST_ROWS
runtime/tasks/__init__.py UNCHECKED_MOVES
scaffold/project.py _LONGEST_NAME
serdes/annotations.py _function_of()
server/backend.py _LONG
server/backend.py _NESTED
server/heads.py MOST_HEADERS
server/heads.py MOST_HEAD_BYTES
testing/checks/golden.py _LONGEST_PAYLOAD
testing/checks/replay.py check_replay()
testing/checks/replay.py check_replay_sync()
testing/local/drive.py HOPELESS_FAILURES
# How much of an exception is recorded
runtime/error_objects/from_exception.py _LONGEST_TYPE
runtime/error_objects/from_exception.py _MOST_MEMBERS
runtime/error_objects/class_lookup.py _MOST_OF_A_NAME
runtime/error_objects/inspection.py _LONGEST_PATH
runtime/error_objects/packing.py _MOST_VALUES
runtime/error_objects/size_limit.py _SPACES
runtime/error_objects/texts.py _LONGEST_TYPE
runtime/error_objects/texts.py _MOST_LEAVES
"""


# The upper bound of a repetition in a regular expression.
QUANTIFIER = re.compile(r"\{\d*,(\d+)\}")


def numbers_in(tree: ast.AST) -> Iterator[tuple[int, ast.expr]]:
    """Yield the numbers that stand for themselves; not the 1,000 that turns seconds into milliseconds."""
    parts: list[tuple[ast.AST, bool]] = [(tree, False)]
    while parts:
        around, is_part = parts.pop()
        for node in ast.iter_child_nodes(around):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for bound in QUANTIFIER.findall(node.value):
                    yield int(bound), node
                continue
            if isinstance(node, ast.BinOp | ast.Constant | ast.UnaryOp):
                number = value_of(node)
                if number is not None:
                    if not is_part:
                        yield number, node
                    continue
            if node._fields:  # others are leaves
                parts.append((node, isinstance(node, ast.BinOp)))


def value_of(node: ast.expr) -> int | None:
    """Return the value of an arithmetic expression without names."""
    if isinstance(node, ast.Constant):  # most of them: `eval` takes long
        return whole_number(node.value)
    if any(isinstance(part, ast.Name | ast.Call | ast.Attribute) for part in ast.walk(node)):
        return None
    try:
        value = eval(compile(ast.Expression(node), "<number>", "eval"), {"__builtins__": {}})
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return whole_number(value)


def whole_number(value: object) -> int | None:
    """Return a number that is whole, be it an ``int`` or a ``float``."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def places(source: str) -> Iterator[tuple[str, int]]:
    """Yield the numbers of the service in a module, each with the name that it is given to."""
    tree = ast.parse(source)
    found = [(number, node) for number, node in numbers_in(tree) if number in NUMBERS]
    if found:
        names = names_in(tree, {id(node) for _, node in found})
        yield from ((names.get(id(node), "module"), number) for number, node in found)


def names_in(node: ast.AST, wanted: set[int], label: str = "module") -> dict[int, str]:
    """Return the name that each wanted node is given to: that of the innermost assignment, keyword or function."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            label = name
        case ast.keyword(arg=str(name)):
            label = name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            label = f"{name}()"
        case _:
            pass
    names = {id(node): label} if id(node) in wanted else {}
    for child in ast.iter_child_nodes(node):
        names |= names_in(child, wanted, label)
    return names


def test_no_other_module_writes_a_number_of_the_service() -> None:
    found = {
        f"{path.relative_to(PACKAGE).as_posix()} {name}": number
        for path in PACKAGE.rglob("*.py")
        if path not in HOMES
        for name, number in places(path.read_text("utf-8"))
    }
    ours = {line for line in OURS.splitlines() if line and not line.startswith("#")}
    theirs = {place: number for place, number in found.items() if place not in ours}
    assert theirs == {}, (
        "import it from protocol.limits; a number of the project's own goes to OURS"
    )
    assert ours - found.keys() == set(), "no longer there"


@pytest.mark.parametrize(
    "line",
    [
        "A = 31_622_400",
        "A = 366 * 24 * 3_600",
        "A = 6 * 1024 * 1024",
        "def f(seconds: float = 900.0): ...",
        "f(max_items=1000)",
        "ok = len(name) <= 256",
        'A = re.compile(r"[a-z]{1,64}")',
    ],
)
def test_the_search_finds_a_number(line: str) -> None:
    assert list(places(line))


@pytest.mark.parametrize("line", ["A = x * 1000", "A = x // 1_000", "A = divmod(3, 7)", "A = 17"])
def test_the_search_passes_over_other_numbers(line: str) -> None:
    assert not list(places(line))


def test_the_engine_and_the_emulator_write_no_status_and_no_code() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for part in ("engine", "emulator")
        for path in (PACKAGE / part).rglob("*.py")
        if path.parent.name != "faults"  # failures of connections and processes, and of other calls
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (
            isinstance(node, ast.keyword)
            and node.arg in {"code", "status"}
            and isinstance(node.value, ast.Constant)
        )
        or (isinstance(node, ast.Constant) and node.value in error_codes.STATUS)
    ]
    assert found == []
