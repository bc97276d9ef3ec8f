"""The public names: complete, sorted, and no others."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import durable_execution_sdk
from durable_execution_sdk import errors

PACKAGE = Path(durable_execution_sdk.__file__).parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "durable_execution_sdk.")
    if "__main__" not in module.name
)


def test_the_face_is_sorted_and_everything_on_it_exists():
    names = durable_execution_sdk.__all__
    assert len(set(names)) == len(names)
    constants = sorted(name for name in names if name.isupper())
    classes = sorted(name for name in names if name[0].isupper() and not name.isupper())
    others = sorted(name for name in names if not name[0].isupper())
    assert names == constants + classes + others
    for name in names:
        assert getattr(durable_execution_sdk, name) is not None


def test_every_exception_is_on_the_face_but_those_that_only_local_stores_raise():
    raised = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert raised - set(durable_execution_sdk.__all__) <= {"StoreError"}


def test_the_tree_in_the_docstring_names_every_exception():
    assert errors.__doc__ is not None
    for name in errors.__all__:
        assert name in errors.__doc__, f"{name} is missing from the tree in errors.py"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_docstring(name):
    module = importlib.import_module(name)
    path = Path(module.__file__ or "")
    if path.name == "__init__.py" and not ast.parse(path.read_text(encoding="utf-8")).body:
        return
    assert module.__doc__, f"{name} has no docstring"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_imports_the_public_package(name):
    path = Path(importlib.import_module(name).__file__ or "")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "durable_execution_sdk":
            packages = {f"durable_execution_sdk.{alias.name}" for alias in node.names}
            assert packages <= set(MODULES), f"{name} imports the public package"
