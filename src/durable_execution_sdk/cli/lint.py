"""The command that reads workflows and reports code that replay cannot repeat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from durable_execution_sdk.cli.options import json_option
from durable_execution_sdk.cli.refusal import ExitCode, Refusal
from durable_execution_sdk.cli.saying import say
from durable_execution_sdk.lint import CODES, Finding, check_source

_EPILOG = """\b
Exit codes:
   0  nothing stands out
   1  something does
   2  a file cannot be read, or is no Python
"""


@click.command(epilog=_EPILOG)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--ignore", "ignored", metavar="CODE", multiple=True, help="Leave out a rule; may be repeated."
)
@json_option
def lint(paths: tuple[str, ...], ignored: tuple[str, ...], as_json: bool) -> int:
    """Find what workflows do that replay cannot repeat: time, random numbers, calls outside steps.

    Files are read, not run. A line that is fine after all takes the comment
    `# durable: ignore[CODE]`.
    """
    unknown = sorted(set(ignored) - CODES)
    if unknown:
        raise Refusal(
            f"--ignore {unknown[0]}: there is no such rule; the rules are {min(CODES)} to {max(CODES)}"
        )
    found = [
        (path, each)
        for path in _modules(paths)
        for each in _findings(path)
        if each.rule.code not in ignored
    ]
    if as_json:
        say(json.dumps([_document(path, each) for path, each in found], indent=2))
    else:
        for path, each in found:
            say(f"{path}:{each.line}:{each.column}: {each}")
    return ExitCode.FAILED if found else ExitCode.SUCCEEDED


def _modules(paths: tuple[str, ...]) -> Iterator[Path]:
    """The files, and all Python files in the folders, but for those that hide."""
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inner = (each.relative_to(path) for each in sorted(path.rglob("*.py")))
            yield from (path / each for each in inner if not _hides(each))
        elif path.is_file():
            yield path
        else:
            raise Refusal(f"{name}: no such file or folder")


def _hides(path: Path) -> bool:
    return any(part.startswith(".") or part == "node_modules" for part in path.parts)


def _findings(path: Path) -> list[Finding]:
    try:
        return check_source(path.read_text(encoding="utf-8"), str(path))
    except (SyntaxError, ValueError, OSError) as error:
        raise Refusal(f"{path} cannot be read as Python: {error}") from error


def _document(path: Path, finding: Finding) -> dict[str, object]:
    return {
        "file": str(path),
        "line": finding.line,
        "column": finding.column,
        "code": finding.rule.code,
        "message": str(finding),
    }
