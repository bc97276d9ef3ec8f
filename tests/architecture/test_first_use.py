"""Public names that are loaded on first use behave like ordinary attributes."""

import ast
import importlib
import pickle
import subprocess
import sys
import typing
from pathlib import Path
from types import ModuleType

import pytest

import durable_execution_sdk
from durable_execution_sdk import operations, retry, serdes

PACKAGES = [durable_execution_sdk, retry, serdes]


def names_on_first_use(package: ModuleType) -> tuple[dict[str, str], dict[str, str]]:
    """Return the modules of names loaded on first use: by the imports for type checkers, and at run time."""
    declared, loaded = {}, {}
    for node in ast.parse(Path(package.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for imported in node.body:
                assert isinstance(imported, ast.ImportFrom)
                for alias in imported.names:
                    whole = f"{imported.module}.{alias.name}"
                    is_module = isinstance(getattr(package, alias.name), ModuleType)
                    declared[alias.name] = whole if is_module else imported.module
            (assigned,) = node.orelse
            homes = ast.literal_eval(assigned.value.args[1])
            loaded |= {name: f"{package.__name__}.{home}" for name, home in homes.items()}
    return declared, loaded


def fresh(script: str) -> str:
    run = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_and_the_interpreter_see_the_same_names(package):
    declared, loaded = names_on_first_use(package)
    assert declared
    assert loaded == declared
    for name, home in declared.items():
        module = importlib.import_module(home)
        assert getattr(package, name) is getattr(module, name, module)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_is_looked_for_once(package):
    """A module in a folder below the package was imported again at each use."""
    for name in names_on_first_use(package)[1]:
        getattr(package, name)
        assert name in vars(package)


def test_a_fresh_process_can_list_import_and_pickle_every_public_name():
    listed = "import durable_execution_sdk as s; print(set(s.__all__) - set(dir(s)))"
    assert fresh(listed) == "set()"
    starred = "from durable_execution_sdk import *; import durable_execution_sdk as s; print(set(s.__all__) - set(globals()))"
    assert fresh(starred) == "set()"
    pickled = "import pickle; from durable_execution_sdk import MapConfig; print(pickle.loads(pickle.dumps(MapConfig)) is MapConfig)"
    assert fresh(pickled) == "True"
    assert pickle.loads(pickle.dumps(durable_execution_sdk.Saga)) is durable_execution_sdk.Saga


@pytest.mark.parametrize("module", [*PACKAGES, operations])
def test_a_name_that_is_not_there_is_an_error_as_ever(module):
    assert not hasattr(module, "nothing")
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'x'"):
        _ = module.x


def test_the_package_of_operations_declares_the_names_that_it_loads():
    for name in operations.__all__:
        module = getattr(operations, name).__name__
        assert module.startswith("durable_execution_sdk.operations.")
        assert module.rpartition(".")[2] == name


def test_the_annotations_of_the_context_can_be_read_at_run_time():
    hints = typing.get_type_hints(durable_execution_sdk.DurableContext.map)
    assert hints["config"] == durable_execution_sdk.MapConfig | None
