"""Rooms of a size that one can keep in mind: at most 300 lines in a module, at most 14 modules in a package."""

import ast
from pathlib import Path

import durable_execution_sdk

PACKAGE = Path(durable_execution_sdk.__file__).parent
MOST_LINES = 300
MOST_MODULES = 14

# An exception is a module or a package with the reason why it is not divided. One that is no longer needed fails.
LONG_MODULES: dict[str, str] = {
    "context.py": "one documented method for each operation that users call: nearly all of it is docstrings",
    "emulator/emulator.py": "one method for each call of the service's API: a table that is read whole",
    "engine/events.py": "one struct for each event: a table that is read whole",
    "engine/evolution.py": "one function for each event: a table that is read whole",
    "errors.py": "every exception in one tree, with the documentation that users read",
    "handler.py": "the decorator with its overload and its documentation for users, the handler that it makes, and its thread",
    "middleware.py": "four kinds of interceptors with their documentation for users",
    "operations/combinators/__init__.py": "overloads for operations of different types, which type checkers need",
    "runtime/log/checkpointer.py": "the essay on group commit, and the one writer, which is a single class",
    "runtime/tasks/__init__.py": "the task that drives a coroutine and the set of all tasks, which call one another in each move",
    "testing/results/result.py": "one documented member for each fact that tests read: nearly all of it is docstrings",
    "serdes/types/shapes.py": "one builder method for each kind of type: a table that is read whole",
    "testing/local/runner.py": "one documented method for each thing that a test does: most of it is docstrings",
}
LARGE_PACKAGES: dict[str, str] = {
    "cli/commands": "one module for each command, or for those that are alike",
    "operations": "one module for each operation, loaded on its first use",
    "protocol": "the contract, a module for each part of it: handlers load a few",
    "server": "one module for each part of the API over HTTP; dev takes some of them over",
}


def lines_of_modules() -> dict[str, int]:
    return {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }


def modules_of_packages() -> dict[str, int]:
    """Count the modules of each package, without its ``__init__`` and the packages inside it."""
    return {
        "." if folder == PACKAGE else str(folder.relative_to(PACKAGE)): len(
            [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        )
        for folder in [PACKAGE, *PACKAGE.rglob("*")]
        if (folder / "__init__.py").exists()
    }


def test_no_module_is_longer_than_300_lines_without_a_reason():
    long = {name: lines for name, lines in lines_of_modules().items() if lines > MOST_LINES}
    assert sorted(long) == sorted(LONG_MODULES), long


def test_no_package_has_more_than_14_modules_without_a_reason():
    large = {name: count for name, count in modules_of_packages().items() if count > MOST_MODULES}
    assert sorted(large) == sorted(LARGE_PACKAGES), large


def test_every_exception_has_a_reason():
    for name, reason in {**LONG_MODULES, **LARGE_PACKAGES}.items():
        assert len(reason.split()) >= 5, f"{name} needs a reason: a sentence"


def test_the_reason_for_a_long_module_stands_in_its_docstring_too():
    """Modules that are yet to be divided say so here only."""
    silent = [
        name
        for name, reason in LONG_MODULES.items()
        if "to be " not in reason
        and "long because"
        not in (ast.get_docstring(ast.parse((PACKAGE / name).read_text("utf-8"))) or "")
    ]
    assert not silent
