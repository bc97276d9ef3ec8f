"""Published versions of functions: each keeps a copy of its sources, so executions go on with their code.

A version lies in ``FOLDER/NAME/NUMBER``: the sources in ``code``, and the declaration. Installed packages
are not copied; ``node_modules`` is a link.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.functions.declaration import Declaration
from durable_execution_sdk.dev.functions.host import ProcessFunctions
from durable_execution_sdk.dev.store_files import without_stores
from durable_execution_sdk.emulator.functions.registry import LATEST, Functions
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import MAX_ALIAS_CHARACTERS

MOST_BYTES = 250 << 20
"""Largest size of a function's sources, as on Lambda."""

_ALIAS = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_ALIAS_CHARACTERS}}}")
_LINKED = "node_modules"
_LEFT_OUT = frozenset({"__pycache__", "site-packages"})


class _Published(msgspec.Struct, frozen=True, kw_only=True):
    """A version's declaration, and the digest of the declaration and the sources."""

    declaration: Declaration
    digest: str


def versions_path(store: Path) -> Path:
    """Return the folder of the versions that a server over a store has published."""
    return store.with_name(f"{store.name}.versions")


def check_alias(alias: str) -> None:
    """Raise ``ConfigError`` if an alias is not a name for one."""
    if not _ALIAS.fullmatch(alias) or alias.isdecimal():
        raise ConfigError(
            f"an alias is 1 to {MAX_ALIAS_CHARACTERS} letters, digits, '-' and '_', and no number, which would be a"
            f" version: {alias!r}"
        )


class Versions:
    """Publishes versions, and brings back those that were published before. Thread-safe."""

    def __init__(self, folder: Path, host: ProcessFunctions, functions: Functions) -> None:
        self._folder = folder.absolute()
        self._host = host
        self._functions = functions
        self._lock = threading.Lock()

    def restore(self) -> None:
        """Register all published versions and aliases.

        Call it before the functions are added: executions of a version must not meet the latest code.
        """
        for file in sorted(self._folder.glob("*/*/declaration.json")):
            published = _read(file)
            self._host.add(published.declaration, file.parent.name)
        for file in sorted(self._folder.glob("*/aliases.json")):
            for alias, version in _read_aliases(file).items():
                self._functions.add_alias(file.parent.name, alias, version)

    def publish(self, name: str) -> str:
        """Keep the code of a function as its next version; the last one, if nothing has changed.

        Raises ``ConfigError`` if there is no such function, or its sources are too large.
        """
        with self._lock:
            try:
                return self._publish(name)
            except OSError as error:
                raise ConfigError(f"the sources of {name} cannot be copied: {error}") from error

    def _publish(self, name: str) -> str:
        declaration = self._declaration(name)
        published = _Published(declaration=declaration, digest=_digest(declaration))
        numbers = self._numbers(name)
        if numbers:
            last = self._folder / name / str(numbers[-1])
            if _read(last / "declaration.json").digest == published.digest:
                return last.name
        version = str(numbers[-1] + 1 if numbers else 1)
        self._host.add(self._keep(name, version, published), version)
        return version

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias stand for a version, also after a restart.

        Raises ``ConfigError`` if there is no such version, or the alias is not a name for one.
        """
        check_alias(alias)
        with self._lock:
            self._declaration(name)
            numbers = list(map(str, self._numbers(name)))
            if version != LATEST and version not in numbers:
                raise ConfigError(
                    f"{name} has no version {version!r}; it has {', '.join((*numbers, LATEST))}"
                )
            file = self._folder / name / "aliases.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            kept = _read_aliases(file) if file.exists() else {}
            fresh = file.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(kept | {alias: version}))
            fresh.replace(file)
            self._functions.add_alias(name, alias, version)

    def _declaration(self, name: str) -> Declaration:
        declaration = self._host.declaration(name)
        if declaration is None:
            names = ", ".join(self._functions.names) or "none"
            raise ConfigError(f"there is no function {name!r}; there are {names}")
        return declaration

    def _numbers(self, name: str) -> list[int]:
        folder = self._folder / name
        return sorted(
            int(path.name) for path in folder.glob("*") if path.is_dir() and path.name.isdecimal()
        )

    def _keep(self, name: str, version: str, published: _Published) -> Declaration:
        """Copy the sources, all of them or nothing, and return the declaration of the copy."""
        place = self._folder / name / version
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".publishing-", dir=place.parent))
        try:
            _copy(Path(published.declaration.root), temporary / "code")
            moved = _moved(published.declaration, place / "code")
            kept = _Published(declaration=moved, digest=published.digest)
            (temporary / "declaration.json").write_bytes(msgspec.json.encode(kept, enc_hook=dict))
            temporary.rename(place)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return moved


def _read(file: Path) -> _Published:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Published)
    except (msgspec.DecodeError, OSError) as error:
        raise ConfigError(
            f"the published version in {file.parent} cannot be read: {error}; delete the folder"
        ) from error


def _read_aliases(file: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (msgspec.DecodeError, OSError) as error:
        raise ConfigError(
            f"the aliases in {file} cannot be read: {error}; delete the file"
        ) from error


def _moved(declaration: Declaration, root: Path) -> Declaration:
    """Return the declaration with the copy in the place of the sources."""

    def moved(path: str) -> str:
        old = Path(path)
        below = old.is_absolute() and old.is_relative_to(declaration.root)
        return str(root / old.relative_to(declaration.root)) if below else path

    directory = declaration.working_directory
    return msgspec.structs.replace(
        declaration,
        root=str(root),
        command=tuple(map(moved, declaration.command)),
        working_directory=None if directory is None else moved(directory),
        aliases={},
    )


def _digest(declaration: Declaration) -> str:
    digest = hashlib.sha256(msgspec.json.encode(declaration, enc_hook=dict))
    root, size = Path(declaration.root), 0
    for file in _files(root):
        content = file.read_bytes()
        size += len(content)
        if size > MOST_BYTES:
            raise ConfigError(
                f"the sources of {declaration.name} in {root} have over {MOST_BYTES >> 20} MB; put the"
                " function into a folder of its own"
            )
        digest.update(f"{file.relative_to(root)} {len(content)}\0".encode(errors="surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def _copy(root: Path, target: Path) -> None:
    for file in _files(root):
        copy = target / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    if (root / _LINKED).is_dir():
        (target / _LINKED).symlink_to(root / _LINKED)


def _files(root: Path) -> Iterator[Path]:
    """Yield the sources: no hidden files, caches, environments, stores, or links out of the folder."""
    for folder, folders, names in os.walk(root):
        kept = without_stores([*folders, *names])
        folders[:] = sorted(
            name
            for name in kept.intersection(folders)
            if name not in _LEFT_OUT
            and name != _LINKED
            and not name.startswith(".")
            and not Path(folder, name, "pyvenv.cfg").exists()
        )
        for name in sorted(kept.intersection(names)):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():
                yield file
