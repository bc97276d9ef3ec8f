"""The public names: complete, sorted, and no others."""

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path

import durable_execution_sdk
from durable_execution_sdk import errors

# The frameworks that adapters import; tests of the group agents import all.
FRAMEWORKS = {
    "langchain": "langchain",
    "openai": "agents",
    "pydantic_ai": "pydantic_ai",
    "strands": "strands",
}
PACKAGE = Path(durable_execution_sdk.__file__).parent


def _is_importable(name: str) -> bool:
    package, _, adapter = name.rpartition(".")
    framework = FRAMEWORKS.get(adapter) if package == "durable_execution_sdk.agents" else None
    return framework is None or importlib.util.find_spec(framework) is not None


MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "durable_execution_sdk.")
    if "__main__" not in module.name and _is_importable(module.name)
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


def test_every_module_has_a_docstring():
    modules = {name: importlib.import_module(name) for name in MODULES}
    paths = {name: Path(module.__file__ or "") for name, module in modules.items()}
    without = [name for name, module in modules.items() if not module.__doc__]
    # The file of a package may be empty.
    assert [
        name
        for name in without
        if paths[name].name != "__init__.py" or ast.parse(paths[name].read_text("utf-8")).body
    ] == []


def test_no_module_imports_the_public_package():
    public = "durable_execution_sdk"
    wrong = []
    for name in MODULES:
        source = Path(importlib.import_module(name).__file__ or "").read_text("utf-8")
        if f"from {public} import" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module == public:
                packages = {f"{public}.{alias.name}" for alias in node.names}
                if not packages <= set(MODULES):
                    wrong.append(f"{name}:{node.lineno}")
    assert wrong == []
