"""Find the functions of Python and JavaScript files, and of folders of them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.discovery.import_process import run_import
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime, handler_of
from durable_execution_sdk.dev.store_files import without_stores
from durable_execution_sdk.emulator.functions.registry import is_function_name
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import MAX_EXECUTION_NAME_CHARACTERS

_DISCOVER = str(Path(__file__).with_name("discover.py"))
_NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build"})
_NODE = frozenset({".js", ".mjs", ".cjs"})
_EXPORTED = re.compile(
    r"(?:export\s+(?:const|let|var)\s+|\bexports\.)(\w+)\s*=\s*(?:\w+\.)?withDurableExecution\b"
)
_AT_ONCE = 4
_SECONDS = 60


class _Handler(msgspec.Struct):
    attribute: str
    durable: bool


class _Document(msgspec.Struct):
    handlers: list[_Handler] = []
    error: str | None = None


class BrokenFileError(ConfigError):
    """A file cannot be imported. ``file`` is its resolved path."""

    def __init__(self, file: Path, trace: str) -> None:
        super().__init__(f"{file} cannot be imported:\n{trace}")
        self.file = str(file.resolve())


def find_functions(paths: Sequence[Path], python: str | None = None) -> Found:
    """Return the durable functions of files and folders; Python files are imported by ``python``.

    Raises ``ConfigError`` for a path that does not exist or is no source file.
    """
    files = [file for path in paths for file in _files(path)]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return Found.together(threads.map(partial(_functions, python=python), files))


def named_function(text: str, python: str | None = None) -> Declaration:
    """Return the function of ``NAME=FILE:ATTRIBUTE``, durable or not.

    Raises ``ConfigError`` if the text, the file or the attribute is wrong, and ``BrokenFileError`` if the file
    cannot be imported.
    """
    name, _, target = text.partition("=")
    file_text, colon, attribute = target.rpartition(":")
    if not (name and colon and file_text and attribute.isidentifier()):
        raise ConfigError(f"a function is named as NAME=FILE:ATTRIBUTE, not {text!r}")
    file = _existing(Path(file_text))
    handlers = _handlers(file, python, [attribute])
    if isinstance(handlers, str):
        raise BrokenFileError(file, handlers)
    chosen = next((each for each in handlers if each.attribute == attribute), None)
    if chosen is None:
        raise ConfigError(f"{file} has no function {attribute}")
    return _declaration(file, chosen, python, name=name)


def _existing(path: Path) -> Path:
    if not path.exists():
        file, colon, _ = str(path).rpartition(":")
        is_handler = colon and Path(file).is_file()
        cure = f": give the file alone, whose functions are all found: {file}" if is_handler else ""
        raise ConfigError(f"there is no file {path}{cure}")
    if path.is_file() and path.suffix != ".py" and path.suffix not in _NODE:
        raise ConfigError(
            f"{path} is neither a Python file nor a JavaScript one, so its functions are not known: name"
            " the function with its command in [tool.durable] of pyproject.toml"
        )
    return path


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or the files of a folder that seem to define durable functions."""
    if _existing(path).is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        kept = without_stores([*folders, *names])
        folders[:] = sorted(
            name
            for name in kept.intersection(folders)
            if name not in _NOT_SEARCHED
            and not name.startswith(".")
            and not Path(folder, name, "pyvenv.cfg").exists()
        )
        for name in sorted(kept.intersection(names)):
            file = Path(folder, name)
            if _seems_durable(file):
                yield file


def _seems_durable(file: Path) -> bool:
    """True for a file that defines a durable function, or is no valid Python and may define one, without running it."""
    if file.suffix in _NODE:
        return bool(_exported(file))
    if file.suffix != ".py":
        return False
    try:
        source = file.read_bytes()
        if b"durable_execution" not in source:
            return False
        tree = ast.parse(source)
    except OSError:
        # A file that cannot be read is not one of those that the user named.
        return False
    except (SyntaxError, ValueError):
        # Its import fails, which is told.
        return True
    return any(_is_decorator(node) for node in _decorators(tree))


def _decorators(tree: ast.Module) -> Iterable[ast.expr]:
    for statement in tree.body:
        if isinstance(statement, ast.AsyncFunctionDef | ast.FunctionDef):
            yield from statement.decorator_list
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            yield statement.value


def _is_decorator(node: ast.expr) -> bool:
    while isinstance(node, ast.Call):
        node = node.func
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name == "durable_execution"


def _functions(file: Path, python: str | None) -> Found:
    handlers = _handlers(file, python, [])
    if isinstance(handlers, str):
        broken = BrokenFileError(file, handlers)
        return Found(notices=[str(broken)], broken=[broken.file])
    return Found(
        declarations=[
            _declaration(file, each, python)
            for each in handlers
            if is_function_name(each.attribute)
        ],
        notices=[
            f"{each.attribute} in {file} is no name of a function, which is 1 to"
            f" {MAX_EXECUTION_NAME_CHARACTERS} letters from a to z, digits, '-' and '_': give it one with"
            f" --function NAME={file}:{each.attribute}"
            for each in handlers
            if not is_function_name(each.attribute)
        ],
    )


def _handlers(file: Path, python: str | None, wanted: list[str]) -> list[_Handler] | str:
    """Return the handlers of a file, or the error of its import."""
    if file.suffix in _NODE:
        durable = _exported(file)
        return [_Handler(name, name in durable) for name in dict.fromkeys([*durable, *wanted])]
    root, handler = handler_of(file, "handler")
    module = handler.rpartition(".")[0]
    command = [python or sys.executable, "-P", _DISCOVER, root, module, *wanted]
    try:
        out, err = run_import(command, _SECONDS)
    except subprocess.TimeoutExpired:
        return f"its import takes more than {_SECONDS} seconds"
    except OSError as error:
        raise ConfigError(f"cannot run the Python {command[0]}: {error}") from error
    try:
        document = msgspec.json.decode(out, type=_Document)
    except msgspec.DecodeError:
        return err.decode(errors="replace").rstrip() or "its process has ended"
    return document.handlers if document.error is None else document.error


def _exported(file: Path) -> list[str]:
    try:
        return _EXPORTED.findall(file.read_text(errors="replace"))
    except OSError:
        return []


def _declaration(
    file: Path, handler: _Handler, python: str | None, name: str | None = None
) -> Declaration:
    root, handler_name = handler_of(file, handler.attribute)
    is_node = file.suffix in _NODE
    return Declaration(
        name=name or handler.attribute,
        runtime=Runtime.NODE if is_node else Runtime.PYTHON,
        root=root,
        handler=handler_name,
        interpreter=None if is_node else python,
        durable=handler.durable,
        working_directory=str(Path.cwd()),
    )
