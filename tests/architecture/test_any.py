"""``Any`` stands only for values of users and objects of libraries without types, so there is little of it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import durable_execution_sdk

PACKAGE = Path(durable_execution_sdk.__file__).parent
MOST_PER_1000_LINES = 15

WORD = re.compile(r"\bAny\b")


def quoted_types(node: ast.AST) -> Iterator[str]:
    """Yield the types that are written as text: in annotations, and as the first argument of ``cast``."""
    kind: ast.AST | None = None
    match node:
        case ast.arg() | ast.AnnAssign():
            kind = node.annotation
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            kind = node.returns
        case ast.Call(func=ast.Name(id="cast"), args=[kind, _]):
            pass
    for part in ast.walk(kind) if kind is not None else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def count_any(source: str) -> int:
    """Count the uses of ``Any`` in a module: not in imports, comments and docstrings."""
    if not WORD.search(source):
        return 0
    count = 0
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id="Any") | ast.Attribute(attr="Any"):
                count += 1
            case _:
                count += sum(len(WORD.findall(text)) for text in quoted_types(node))
    return count


def test_any_is_rare():
    sources = {
        str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
    }
    counts = {name: count_any(source) for name, source in sources.items()}
    lines = sum(len(source.splitlines()) for source in sources.values())
    density = 1000 * sum(counts.values()) / lines
    most = sorted(counts.items(), key=lambda item: -item[1])[:10]
    assert density < MOST_PER_1000_LINES, f"{density:.2f} per 1,000 lines; most of them in {most}"


def test_the_count_finds_any_in_names_members_and_quoted_types():
    assert count_any("from typing import Any\n") == 0
    assert count_any('"""Any text."""\n# Any comment\nx = "Any text"\n') == 0
    assert count_any("def f(x: Any, *args: list[Any]) -> dict[str, Any]: ...") == 3
    assert count_any("x: typing.Any\ny: 'Any' = cast('list[Any]', z)\n") == 3
