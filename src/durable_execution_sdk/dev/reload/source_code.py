"""The source code of a function: its file, and the files that it imports.

Imports are found in the text of the files, wherever they stand, so that those in functions count too. Installed
packages and the standard library are left out. A module that is imported by a computed name is not found: an edit
of it is not noticed.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import msgspec

__all__ = ["SourceCode", "read_source_code"]

_DIGEST_BYTES = 8
_FILES_REMEMBERED = 4_096
_BY_NAME = frozenset({"import_module", "__import__"})


class SourceCode(msgspec.Struct, frozen=True):
    """The files of a function, by path, and the digest of them all."""

    digest: str
    files: Mapping[str, bytes]


class _Import(msgspec.Struct, frozen=True):
    """A dotted name that is imported; ``level`` is the number of dots before it."""

    name: str
    level: int = 0


def read_source_code(
    root: Path, file: Path, python_path: str | None = os.environ.get("PYTHONPATH")
) -> SourceCode:
    """Read a file below a root from which it is imported, and all files that it imports from there.

    Directories of ``python_path`` are searched too, as in ``PYTHONPATH``. A file that cannot be read is left out.
    """
    directories = [root, *(Path(each) for each in (python_path or "").split(os.pathsep) if each)]
    files: dict[str, bytes] = {}
    digest = blake2b(digest_size=_DIGEST_BYTES)
    waiting = [(_module_name(file, root), file)]
    while waiting:
        name, path = waiting.pop()
        if str(path) in files:
            continue
        try:
            content = path.read_bytes()
        except OSError:
            continue
        files[str(path)] = content
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for each in _imports(content):
            waiting += _modules(_absolute(each, package), directories)
    for path_text in sorted(files):
        path = Path(path_text)
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        digest.update(f"{shown} {len(files[path_text])}\0".encode(errors="surrogatepass"))
        digest.update(files[path_text])
    return SourceCode(digest.hexdigest(), files)


@lru_cache(_FILES_REMEMBERED)
def _imports(content: bytes) -> tuple[_Import, ...]:
    """Return what a module imports; nothing if it is no Python."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(dict.fromkeys(each for node in ast.walk(tree) for each in _imported_by(node)))


def _imported_by(node: ast.AST) -> Iterator[_Import]:
    match node:
        case ast.Import(names=names):
            yield from (_Import(alias.name) for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            yield _Import(module or "", level)
            prefix = f"{module}." if module else ""
            yield from (_Import(prefix + alias.name, level) for alias in names)
        case ast.Call(
            func=ast.Name(id=function) | ast.Attribute(attr=function),
            args=[ast.Constant(value=str(name)), *_],
        ) if function in _BY_NAME and not name.startswith("."):
            yield _Import(name)
        case _:
            return


def _absolute(imported: _Import, package: str) -> str:
    if not imported.level:
        return imported.name
    parts = package.split(".") if package else []
    base = parts[: len(parts) - imported.level + 1]
    return ".".join([*base, *filter(None, [imported.name])])


def _modules(name: str, directories: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the files that the import of a dotted name runs: its packages, and the module itself."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return
    for directory in directories:
        found = list(_modules_in(directory, parts))
        if found:
            yield from found
            return


def _modules_in(directory: Path, parts: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for count, part in enumerate(parts, 1):
        folder, name = directory / part, ".".join(parts[:count])
        package, module = folder / "__init__.py", directory / f"{part}.py"
        if package.is_file():
            yield name, package
        elif module.is_file():
            yield name, module
            return
        elif not folder.is_dir():
            return
        directory = folder


def _module_name(file: Path, root: Path) -> str:
    if not file.is_relative_to(root):
        return file.stem
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
