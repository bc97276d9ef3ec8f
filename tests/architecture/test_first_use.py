"""Names of the face that are loaded on first use are names like any other."""

import ast
import pickle
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import durable_execution_sdk
from durable_execution_sdk import operations

FACE = Path(durable_execution_sdk.__file__)


def told_to_type_checkers() -> dict[str, str]:
    """The names that the face imports for type checkers only, and the module of each."""
    names = {}
    for node in ast.parse(FACE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for imported in node.body:
                assert isinstance(imported, ast.ImportFrom)
                for alias in imported.names:
                    names[alias.name] = imported.module
    return names


def fresh(script: str) -> str:
    run = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_what_type_checkers_are_told_is_what_is_loaded():
    told = told_to_type_checkers()
    homes = {
        name: f"durable_execution_sdk.{home}" for name, home in durable_execution_sdk._HOMES.items()
    }
    assert homes == told
    for name, home in told.items():
        __import__(home)
        assert getattr(durable_execution_sdk, name) is getattr(sys.modules[home], name)


def test_a_fresh_process_can_list_import_and_pickle_every_public_name():
    listed = "import durable_execution_sdk as s; print(set(s.__all__) - set(dir(s)))"
    assert fresh(listed) == "set()"
    starred = "from durable_execution_sdk import *; import durable_execution_sdk as s; print(set(s.__all__) - set(globals()))"
    assert fresh(starred) == "set()"
    pickled = "import pickle; from durable_execution_sdk import MapConfig; print(pickle.loads(pickle.dumps(MapConfig)) is MapConfig)"
    assert fresh(pickled) == "True"
    assert pickle.loads(pickle.dumps(durable_execution_sdk.Saga)) is durable_execution_sdk.Saga


@pytest.mark.parametrize("module", [durable_execution_sdk, operations])
def test_a_name_that_is_not_there_is_an_error_as_ever(module):
    assert not hasattr(module, "nothing")
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'x'"):
        _ = module.x


def test_the_package_of_operations_tells_type_checkers_what_it_loads():
    for name in operations.__all__:
        assert getattr(operations, name).__name__ == f"durable_execution_sdk.operations.{name}"


def test_the_annotations_of_the_context_can_be_read_at_run_time():
    hints = typing.get_type_hints(durable_execution_sdk.DurableContext.map)
    assert hints["config"] == durable_execution_sdk.MapConfig | None
