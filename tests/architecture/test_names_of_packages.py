"""No name that a package defines is that of one of its modules, whose first import would replace it."""

import ast
from pathlib import Path

import durable_execution_sdk

PACKAGE = Path(durable_execution_sdk.__file__).parent


def bound_by(init: Path) -> set[str]:
    """Return the names of a package that are functions, classes or variables, and not its modules."""
    names: set[str] = set()
    for node in ast.parse(init.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and node.module != package_of(init):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def package_of(init: Path) -> str:
    return ".".join(init.parent.relative_to(PACKAGE.parent).parts)


def modules_of(init: Path) -> set[str]:
    inside = init.parent.iterdir()
    return {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}


def test_no_package_defines_the_name_of_one_of_its_modules() -> None:
    clashes = {
        package_of(init): clash
        for init in PACKAGE.rglob("__init__.py")
        if (clash := bound_by(init) & modules_of(init))
    }
    assert not clashes
