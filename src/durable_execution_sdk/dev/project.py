"""The functions of a development server: those of files, of a template, of the project's table, and named ones."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.discovery.files import (
    BrokenFileError,
    find_functions,
    named_function,
)
from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.discovery.project_table import (
    ProjectTable,
    declared_functions,
    read_project_table,
)
from durable_execution_sdk.dev.functions.declaration import Declaration
from durable_execution_sdk.dev.reload.source_files import directories_of

__all__ = ["Sources", "project_directories", "project_functions", "project_table"]


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """The places of functions that a user named: files and folders, a template, ``NAME=FILE:ATTRIBUTE``."""

    paths: Sequence[Path] = ()
    template: Path | None = None
    named: Sequence[str] = ()


def project_table(folder: Path) -> ProjectTable:
    """Return the table of the project in a folder; an empty one if it has none."""
    return read_project_table(folder / "pyproject.toml") or ProjectTable()


def project_directories(sources: Sources, table: ProjectTable, folder: Path) -> set[Path]:
    """Return the directories in which functions can appear, for a watcher: those of folders, and of named files."""
    named = [Path(text.partition("=")[2].rpartition(":")[0]) for text in sources.named]
    files = [*named, *filter(None, [sources.template]), folder / "pyproject.toml"]
    if table.template:
        files.append(folder / table.template)
    paths = list(sources.paths) or [folder / path for path in table.paths]
    if not (paths or sources.template or table.template or table.functions or named):
        paths = [folder]
    directories = {path.parent for path in [*files, *paths] if not path.is_dir()}
    for path in paths:
        directories.update(directories_of(path) if path.is_dir() else ())
    return {directory.resolve() for directory in directories}


def project_functions(sources: Sources, table: ProjectTable, folder: Path) -> Found:
    """Return the functions of the sources and the table; without any, those of the folder.

    A function that is named replaces the one that would have its name. Raises ``ConfigError`` for a source
    that cannot be used.
    """
    named, broken = _named(sources, table)
    parts = [Found(declarations=declared_functions(table, folder))]
    template = sources.template or (folder / table.template if table.template else None)
    if template is not None:
        # PyYAML is loaded only for those who have a template.
        from durable_execution_sdk.dev.discovery.templates import template_functions  # noqa: PLC0415

        parts.append(template_functions(template))
    paths = list(sources.paths) or [folder / path for path in table.paths]
    if not paths and template is None and not table.functions and not sources.named:
        paths = [folder]
    parts.append(find_functions(paths, table.python))
    others = Found.together([*_without_repetitions(parts), *broken])
    names = {declaration.name for declaration in named}
    kept = [each for each in others.declarations if each.name not in names]
    return _without_broken(
        Found(declarations=[*named, *kept], notices=others.notices, broken=others.broken)
    )


def _named(sources: Sources, table: ProjectTable) -> tuple[list[Declaration], list[Found]]:
    """Return the functions that are named, and the files of those that cannot be imported."""
    named: list[Declaration] = []
    broken: list[Found] = []
    for text in sources.named:
        try:
            named.append(named_function(text, table.python))
        except BrokenFileError as error:
            broken.append(Found(notices=[str(error)], broken=[error.file]))
    return named, broken


def _without_broken(found: Found) -> Found:
    """Leave out functions whose file has a syntax error: a template or table declares them without an import."""
    declarations: list[Declaration] = []
    notices: list[str] = []
    faults: dict[Path, str | None] = {}
    for declaration in found.declarations:
        source = declaration.source
        # Another Python may know a syntax that this one does not.
        if source is not None and source.suffix == ".py" and declaration.python == sys.executable:
            if source not in faults:
                faults[source] = _syntax_error(source)
            if fault := faults[source]:
                notices.append(f"{source} cannot be imported:\n{fault}")
                continue
        declarations.append(declaration)
    broken = [str(source) for source, fault in faults.items() if fault]
    return Found(
        declarations=declarations,
        notices=list(dict.fromkeys([*found.notices, *notices])),
        broken=[*found.broken, *broken],
    )


def _syntax_error(file: Path) -> str | None:
    try:
        ast.parse(file.read_bytes(), file)
    except SyntaxError as error:
        return f'File "{file}", line {error.lineno}\nSyntaxError: {error.msg}'
    except (OSError, ValueError):
        pass  # Told when the function is invoked.
    return None


def _without_repetitions(parts: Sequence[Found]) -> list[Found]:
    """Leave out a function that an earlier part declares with the same code."""
    seen: set[tuple[str, str]] = set()
    rest: list[Found] = []
    for part in parts:
        fresh = [each for each in part.declarations if _code(each) not in seen]
        seen.update(map(_code, fresh))
        rest.append(Found(declarations=fresh, notices=part.notices, broken=part.broken))
    return rest


def _code(declaration: Declaration) -> tuple[str, str]:
    return declaration.root, declaration.handler or " ".join(declaration.command)
