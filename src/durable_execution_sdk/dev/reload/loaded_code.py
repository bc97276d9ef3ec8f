"""The code that the functions of a server run, with the sources that their processes import."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.functions import kept_sources
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.dev.functions.host import ProcessFunctions
from durable_execution_sdk.dev.reload.rehearsal_process import Target
from durable_execution_sdk.dev.reload.source_code import SourceCode, read_source_code
from durable_execution_sdk.dev.reload.source_files import directories_of

__all__ = ["Load", "LoadedCode", "kept_path"]


_READ_BY_NODE = frozenset({".js", ".mjs", ".cjs", ".ts", ".mts", ".json"})


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the functions that a load has changed.

    ``unrehearsed`` are those of ``changed`` whose executions go on without a rehearsal: durable functions in
    other languages than Python.
    """

    added: list[str] = []
    changed: list[str] = []
    removed: list[str] = []
    unrehearsed: list[str] = []

    def __bool__(self) -> bool:
        """True if something has changed."""
        return bool(self.added or self.changed or self.removed)


class _Loaded(msgspec.Struct, frozen=True, kw_only=True):
    declaration: Declaration
    code: str | None
    sources: str | None
    directories: frozenset[Path]


class LoadedCode:
    """The functions of a server by name. ``close`` removes the sources that were kept.

    Used by one thread at a time, but for ``directories``: those of the files that the functions import.
    """

    def __init__(self, host: ProcessFunctions, store: Path) -> None:
        self._host = host
        self._loaded: dict[str, _Loaded] = {}
        self.directories: frozenset[Path] = frozenset()
        self._store = store
        self._folder = _folder(store)
        # A server that was killed left its own behind.
        self.close()
        self._folder.mkdir(mode=0o700)

    def load(
        self,
        declarations: Sequence[Declaration],
        *,
        broken: Collection[str] = (),
        edited: Collection[str] = (),
    ) -> Load:
        """Run these functions from now on, and no others.

        Args:
            declarations: the functions that were found.
            broken: the files that cannot be imported: the functions in them keep their code.
            edited: the files that were edited, for functions whose code cannot be followed.
        """
        added: list[str] = []
        changed: list[str] = []
        for declaration in declarations:
            name, before = declaration.name, self._loaded.get(declaration.name)
            code = _source_code(declaration)
            digest = None if code is None else code.digest
            if (
                before is not None
                and before.declaration == declaration
                and before.code == digest
                and not (code is None and _concerns(declaration, edited))
            ):
                continue
            sources = None if code is None else self._keep(code)
            self._host.add(declaration, code=digest, sources=sources)
            self._loaded[name] = _Loaded(
                declaration=declaration,
                code=digest,
                sources=sources,
                directories=_directories(declaration, code),
            )
            (added if before is None else changed).append(name)
        found = {declaration.name for declaration in declarations}
        removed = [
            name
            for name, loaded in self._loaded.items()
            if name not in found and str(loaded.declaration.source) not in broken
        ]
        for name in removed:
            del self._loaded[name]
            self._host.remove(name)
        self.directories = frozenset().union(*(each.directories for each in self._loaded.values()))
        return Load(
            added=added,
            changed=changed,
            removed=removed,
            unrehearsed=[
                name
                for name in changed
                if self._loaded[name].code is None and self._loaded[name].declaration.durable
            ],
        )

    def target(self, function: str) -> Target | None:
        """Return the handler of a function for rehearsals; ``None`` for one that cannot be rehearsed."""
        loaded = self._loaded.get(function)
        if loaded is None or loaded.code is None or not loaded.declaration.durable:
            return None
        declaration = loaded.declaration
        surroundings = self._host.surroundings(declaration, sources=loaded.sources)
        return Target(
            python=declaration.python,
            root=declaration.root,
            handler=declaration.handler,
            environment=_without_runtime_api(surroundings.variables("")),
            directory=surroundings.directory,
        )

    def functions_in(self, files: Collection[str]) -> list[str]:
        """Return the names of the functions in these files."""
        return [
            name for name, each in self._loaded.items() if str(each.declaration.source) in files
        ]

    def close(self) -> None:
        """Remove the sources that were kept."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _keep(self, code: SourceCode) -> str:
        place = kept_path(self._store, code.digest)
        if not place.exists():
            kept_sources.write(place, code.files)
        return str(place)


def kept_path(store: Path, digest: str) -> Path:
    """Return the path of the sources that a server over a store keeps of the code of this digest."""
    return _folder(store) / f"{digest}.json"


def _folder(store: Path) -> Path:
    return Path(f"{store.absolute()}.sources")


def _source_code(declaration: Declaration) -> SourceCode | None:
    source = declaration.source
    if declaration.runtime is not Runtime.PYTHON or source is None or source.suffix != ".py":
        return None
    python_path = declaration.environment.get("PYTHONPATH", os.environ.get("PYTHONPATH"))
    return read_source_code(Path(declaration.root), source, python_path)


def _directories(declaration: Declaration, code: SourceCode | None) -> frozenset[Path]:
    if code is None:
        return frozenset(directories_of(Path(declaration.root)))
    return frozenset(Path(file).parent for file in code.files)


def _concerns(declaration: Declaration, edited: Collection[str]) -> bool:
    """True if the code of a function that cannot be followed may be in one of these files."""
    root = Path(declaration.root)
    files = [Path(file) for file in edited]
    if declaration.runtime is Runtime.NODE:
        files = [file for file in files if file.suffix in _READ_BY_NODE]
    return any(file.is_relative_to(root) for file in files)


def _without_runtime_api(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != "AWS_LAMBDA_RUNTIME_API"}
