"""Copy of the template files into a folder, under the name of the project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from durable_execution_sdk.errors import ConfigError

__all__ = ["DeployTool", "project_files", "project_name", "write_project"]

_HERE = Path(__file__).parent
# The rules of replay for coding assistants, which look for the file in a project.
_AGENTS = _HERE.parent / "AGENTS.md"
_PLACEHOLDER = b"durable-orders"
_NAME = re.compile(r"[a-z](-?[a-z0-9])*")
_LONGEST_NAME = 64
# pip takes the project for the package of its name that the project asks for.
_REQUIRED = frozenset({"aws-cdk-lib", "durable-execution-sdk", "mypy", "pytest", "ruff"})


class DeployTool(StrEnum):
    """The tool whose template the project has."""

    SAM = "sam"
    CDK = "cdk"


def project_name(text: str) -> str:
    """Return a name as it can stand for a Python project and a CloudFormation stack.

    Raises ``ConfigError`` if there is no such name for the text.
    """
    name = re.sub(r"[\s._-]+", "-", text.strip().lower()).strip("-")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ConfigError(
            f"{text!r} cannot be the name of the project: expected a letter from a to z, and then letters,"
            f" digits and single '-', {_LONGEST_NAME} characters at most, as in --name my-orders"
        )
    if name in _REQUIRED:
        raise ConfigError(
            f"{text!r} cannot be the name of the project, which installs the package {name}: choose another, as in"
            " --name my-orders"
        )
    return name


def project_files(name: str, tool: DeployTool) -> dict[str, bytes]:
    """Return the files of a project by their relative paths, with the name in the place of ours."""
    return {_AGENTS.name: _AGENTS.read_bytes()} | {
        _target(path): (root / path).read_bytes().replace(_PLACEHOLDER, name.encode())
        for root in (_HERE / "application", _HERE / tool)
        for path in (file.relative_to(root) for file in sorted(root.rglob("*")) if file.is_file())
        if not any(part.startswith((".", "__pycache__")) for part in path.parts)
    }


def write_project(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into the folder, and make it if it is not there.

    Raises ``ConfigError`` before it writes anything if a file exists already, or has no place. After any
    other error nothing of the project stays.
    """
    if _exists(folder) and not folder.is_dir():
        found = "a link to a folder that is not there" if folder.is_symlink() else "no folder"
        raise ConfigError(
            f"nothing was written, because {folder} is {found}. Choose another folder"
        )
    taken = sorted(path for path in files if _is_taken(folder, path))
    if taken:
        raise ConfigError(
            f"nothing was written, because {folder} has these already: {', '.join(taken)}. Choose an"
            " empty folder, or move them away"
        )
    made: list[Path] = []
    try:
        for path, content in files.items():
            file = folder / path
            _make_folder(file.parent, made)
            # A file that another process has made meanwhile is not overwritten either.
            with file.open("xb") as opened:
                made.append(file)
                opened.write(content)
    except BaseException:
        for each in reversed(made):
            # A folder in which another process has made a file stays.
            with suppress(OSError):
                each.rmdir() if each.is_dir() else each.unlink()
        raise


def _make_folder(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it, and add the new ones to a list."""
    if folder.is_dir() or folder == folder.parent:
        return
    _make_folder(folder.parent, made)
    try:
        folder.mkdir()
    except FileExistsError:
        # Another process may have made it meanwhile.
        if not folder.is_dir():
            raise
    else:
        made.append(folder)


def _is_taken(folder: Path, path: str) -> bool:
    """True if something stands in the place of a file, or no folder in that of one above it."""
    file = folder / path
    above = file.parents[: len(Path(path).parts)]
    return _exists(file) or any(_exists(parent) and not parent.is_dir() for parent in above)


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _target(path: Path) -> str:
    """Return the path in the project: ``dot-`` stands for the dot of a hidden file."""
    return "/".join(re.sub("^dot-", ".", part) for part in path.parts)
