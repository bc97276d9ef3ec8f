"""``durable lint``: report workflow code that replay cannot repeat."""

from __future__ import annotations

import json
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click

from durable_execution_sdk.cli.options import json_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.lint import CODES, Finding, check_source

_EPILOG = """\b
Exit codes:
   0  no findings
   1  there are findings
   2  a file cannot be read, or is not Python
"""


@click.command(epilog=_EPILOG, short_help="Find code in workflows that replay cannot repeat.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--ignore", "ignored", metavar="CODE", multiple=True, help="Leave out a rule; may be repeated."
)
@json_option
def lint(paths: tuple[str, ...], ignored: tuple[str, ...], as_json: bool) -> int:
    """Find code in workflows that replay cannot repeat: clocks, random numbers, calls outside steps.

    Files are read, not run. To accept a line, write the comment `# durable: ignore[CODE]` on it.
    """
    unknown = sorted(set(ignored) - CODES)
    if unknown:
        raise Refusal(
            f"--ignore {unknown[0]}: there is no such rule; the rules are {min(CODES)} to {max(CODES)}"
        )
    files = list(_modules(paths))
    findings = [
        (path, finding)
        for path in files
        for finding in _findings(path)
        if finding.rule.code not in ignored
    ]
    if as_json:
        say(json.dumps([_document(path, finding) for path, finding in findings], indent=2))
    else:
        for path, finding in findings:
            say(f"{path}:{finding.line}:{finding.column}: {finding}")
        if not findings:
            say(f"no findings in {len(files)} {'file' if len(files) == 1 else 'files'}", err=True)
    return ExitCode.FAILED if findings else ExitCode.SUCCEEDED


def _modules(paths: tuple[str, ...]) -> Iterator[Path]:
    """List the files, and the Python files in the folders, except in hidden folders and node_modules."""
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inner = (file.relative_to(path) for file in sorted(path.rglob("*.py")))
            yield from (path / file for file in inner if not _is_hidden(file))
        elif path.is_file():
            yield path
        else:
            raise Refusal(f"{name}: no such file or folder")


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "node_modules" for part in path.parts)


def _findings(path: Path) -> list[Finding]:
    try:
        # As Python decodes it: by a mark at its start, or by the encoding that its first lines name.
        with tokenize.open(path) as opened:
            return check_source(opened.read(), str(path))
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
