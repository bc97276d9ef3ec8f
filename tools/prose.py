"""Check the prose of the code: how docstrings open, and how often they say "somebody".

python tools/prose.py [PATH...]   counts over all Python files of the project, and lists the offenders in PATH
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = ("src", "tests", "examples", "benchmarks", "tools")

# A docstring opens with a verb or with the noun that it defines.
OPENINGS = re.compile(
    r"^(what|whether|how|who|whom|whose|where|when|whenever|which|whichever|why)\b", re.IGNORECASE
)
PRONOUNS = re.compile(
    r"\b(somebody|someone|nobody|whoever|whomever|whom|whichever|anybody|everybody|whatever)\b",
    re.IGNORECASE,
)
PRONOUNS_PER_1000_WORDS = 2.0

Docstring = tuple[Path, int, str]


def docstrings(path: Path) -> Iterator[Docstring]:
    """Yield the docstrings of a file's module, classes and functions, each with its line."""
    tree = ast.parse(path.read_text("utf-8"), str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield path, node.body[0].lineno, text
        # The docstrings of attributes, which documentation tools read.
        if isinstance(node, ast.Module | ast.ClassDef):
            for before, after in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(before, ast.Assign | ast.AnnAssign)
                    and isinstance(after, ast.Expr)
                    and isinstance(after.value, ast.Constant)
                    and isinstance(after.value.value, str)
                ):
                    yield path, after.lineno, after.value.value


def python_files(places: list[Path]) -> list[Path]:
    """List the Python files under the places."""
    files: set[Path] = set()
    for place in places:
        if place.is_dir():
            files.update(place.rglob("*.py"))
        else:
            files.add(place)
    return sorted(path for path in files if ".venvs" not in path.parts)


def main(arguments: list[str]) -> int:
    """Print the offenders and the counts; return 1 where the prose breaks a rule."""
    places = [Path(argument).resolve() for argument in arguments] or [
        ROOT / place for place in PLACES
    ]
    questions = pronouns = words = count = 0
    for path, line, text in (found for file in python_files(places) for found in docstrings(file)):
        name = f"{os.path.relpath(path, ROOT)}:{line}"
        count += 1
        words += len(text.split())
        if OPENINGS.match(text):
            questions += 1
            print(f"{name}: opens with a question word: {text.splitlines()[0]}")
        pronouns += (here := len(PRONOUNS.findall(text)))
        if here and arguments:
            print(f"{name}: {', '.join(PRONOUNS.findall(text))}: {text.splitlines()[0]}")
    share = 1000 * pronouns / max(words, 1)
    print(
        f"{count} docstrings, {questions} open with a question word; {share:.1f} pronouns per 1,000 words"
    )
    return 1 if questions or share >= PRONOUNS_PER_1000_WORDS else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
