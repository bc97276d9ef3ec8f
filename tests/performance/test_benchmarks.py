"""The benchmarks name what there is: no test runs them, so a change of ours would leave them behind."""

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "benchmarks").rglob("*.py"))


def imported(file: Path) -> list[tuple[str, str]]:
    """Return what a file imports from this project: modules, and names in them."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and node.module.split(".")[0] in {"durable_execution_sdk", "benchmarks"}
        for alias in node.names
    ]


def is_there(module: str, name: str) -> bool:
    found = importlib.import_module(module)
    if hasattr(found, name):
        return True
    return hasattr(found, "__path__") and find_spec(f"{module}.{name}") is not None


def missing(files: list[Path]) -> list[str]:
    return [
        f"{file.name}: {module}.{name}"
        for file in files
        for module, name in imported(file)
        if not is_there(module, name)
    ]


def test_all_that_they_import_is_there() -> None:
    ours = [file for file in FILES if ".venvs" not in file.parts]
    assert any(imported(file) for file in ours)
    assert missing(ours) == []


def test_a_name_that_is_gone_is_found(tmp_path: Path) -> None:
    gone = tmp_path / "gone.py"
    gone.write_text("from durable_execution_sdk.emulator.clock import RealClock, SundialClock\n")
    assert missing([gone]) == ["gone.py: durable_execution_sdk.emulator.clock.SundialClock"]
