"""Check the prose of the code and of the documents: how docstrings open, and how often they say "somebody".

python tools/prose.py [PATH...]   counts over all Python and Markdown files, and lists the offenders in PATH
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = ("src", "tests", "examples", "benchmarks", "tools", "docs")
PAGES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "benchmarks/NOTES.md",
)

# A docstring opens with a verb or with the noun that it defines.
OPENINGS = re.compile(
    r"^(what|whether|how|who|whom|whose|where|when|whenever|which|whichever|why)\b", re.IGNORECASE
)
PRONOUNS = re.compile(
    r"\b(somebody|someone|nobody|whoever|whomever|whom|whichever|anybody|everybody|whatever)\b",
    re.IGNORECASE,
)
PRONOUNS_PER_1000_WORDS = 2.0

# Code in a page, which is no prose.
CODE = re.compile(r"^```.*?^```$|`[^`]*`", re.DOTALL | re.MULTILINE)

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


def paragraphs(page: Path) -> Iterator[Docstring]:
    """Yield the lines of a Markdown page that have words, each with its number, without code."""
    text = CODE.sub(lambda code: "\n" * code[0].count("\n"), page.read_text("utf-8"))
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield page, number, line


def files_in(places: list[Path], ending: str) -> list[Path]:
    """List the files with this ending under the places."""
    files: set[Path] = set()
    for place in places:
        if place.is_dir():
            files.update(place.rglob(f"*{ending}"))
        elif place.suffix == ending:
            files.add(place)
    return sorted(path for path in files if not {".venvs", "node_modules"}.intersection(path.parts))


def main(arguments: list[str]) -> int:
    """Print the offenders and the counts; return 1 where the prose breaks a rule."""
    places = [Path(argument).resolve() for argument in arguments] or [
        ROOT / place for place in (*PLACES, *PAGES)
    ]
    found = [text for file in files_in(places, ".py") for text in docstrings(file)]
    questions = [text for text in found if OPENINGS.match(text[2])]
    for path, line, text in questions:
        print(f"{place_of(path, line)}: opens with a question word: {text.splitlines()[0]}")
    share = pronouns(found, listed=bool(arguments))
    print(
        f"{len(found)} docstrings, {len(questions)} open with a question word; {share:.1f} pronouns per"
        " 1,000 words"
    )
    pages = files_in(places, ".md")
    share_of_pages = pronouns(
        [line for page in pages for line in paragraphs(page)], listed=bool(arguments)
    )
    if pages:
        print(f"{len(pages)} pages; {share_of_pages:.1f} pronouns per 1,000 words")
    return 1 if questions or max(share, share_of_pages) >= PRONOUNS_PER_1000_WORDS else 0


def pronouns(texts: list[Docstring], *, listed: bool) -> float:
    """Return the number of pronouns per 1,000 words; print the texts that have one if ``listed``."""
    count = words = 0
    for path, line, text in texts:
        here = PRONOUNS.findall(text)
        count += len(here)
        words += len(text.split())
        if here and listed:
            print(f"{place_of(path, line)}: {', '.join(here)}: {text.splitlines()[0]}")
    return 1000 * count / max(words, 1)


def place_of(path: Path, line: int) -> str:
    """Return the path from the project's folder, and the line."""
    return f"{os.path.relpath(path, ROOT)}:{line}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
