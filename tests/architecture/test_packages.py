"""The code of a package, which stands in its ``__init__``, is in no circle with the package's modules.

The contracts about layers order the modules of a package, and do not see the package itself.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import durable_execution_sdk

ROOT = Path(durable_execution_sdk.__file__).parent
NAME = durable_execution_sdk.__name__
# The modules of these ask the package for names that it loads on first use.
FACES = {NAME, f"{NAME}.operations", f"{NAME}.retry", f"{NAME}.serdes"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in ROOT.rglob("*.py")}


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports in a module, also in its functions, without those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for inner in child.orelse:
                yield from statements(inner)
        else:
            yield from statements(child)


def imports(module: str) -> set[str]:
    """Return the modules that a module imports; a name that a package defines is an import of the package."""
    found = set()
    for node in statements(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            found.add(inner if inner in MODULES else str(node.module))
    return found & set(MODULES)


@cache
def graph() -> dict[str, set[str]]:
    """Return the modules that each module imports."""
    return {module: imports(module) for module in MODULES}


def reached_from(package: str) -> set[str]:
    """Return the modules inside a package that its own code imports, directly or by way of one another."""
    found: set[str] = set()
    ahead = [package]
    while ahead:
        inner = {m for m in graph()[ahead.pop()] if m.startswith(f"{package}.")} - found
        found |= inner
        ahead += inner
    return found


PACKAGES = sorted({name_of(path) for path in ROOT.rglob("__init__.py")} - FACES)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_that_a_package_imports_imports_the_package(package: str) -> None:
    assert not {module for module in reached_from(package) if package in graph()[module]}


def test_the_imports_of_packages_are_found() -> None:
    assert f"{NAME}.runtime.tasks.identity" in reached_from(f"{NAME}.runtime.tasks")
    assert f"{NAME}.runtime.tasks" in graph()[f"{NAME}.runtime.contexts"]
    assert graph()[f"{NAME}.operations"] == {f"{NAME}.first_use"}
