"""A cold start loads only the modules that two HTTP calls need."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

import durable_execution_sdk.aws.control_plane as control_plane_module
import durable_execution_sdk.aws.data_plane as data_plane_module
from durable_execution_sdk.version import __version__

# Modules that importing the data plane may load besides asyncio, msgspec and the package's own.
ALLOWED = {"hmac", "hashlib", "_hashlib", "_blake2", "msgspec.structs"}


# Without ``durable_execution_sdk/__init__.py``, which would load the rest of the SDK (tested elsewhere).
FACELESS = """
import asyncio, importlib.util, json, msgspec, sys, types
face = types.ModuleType("durable_execution_sdk")
face.__path__ = importlib.util.find_spec("durable_execution_sdk").submodule_search_locations
sys.modules["durable_execution_sdk"] = face
"""


def loaded(code: str) -> list[str]:
    """Return the modules of a fresh interpreter after running the code."""
    result = subprocess.run(
        [sys.executable, "-c", f"{FACELESS}\n{code}\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        check=True,
        text=True,
    )
    modules: list[str] = json.loads(result.stdout)
    return modules


def test_the_data_plane_loads_little() -> None:
    floor = set(loaded(""))
    loaded_modules = set(loaded("import durable_execution_sdk.aws.data_plane")) - floor
    foreign = {name for name in loaded_modules if not name.startswith("durable_execution_sdk")}
    assert foreign <= ALLOWED
    own_modules = {
        name.removeprefix("durable_execution_sdk").strip(".") for name in loaded_modules - foreign
    }
    assert not {name.split(".")[0] for name in own_modules} & {
        "engine",
        "emulator",
        "testing",
        "server",
    }
    assert "aws.control_plane" not in own_modules
    assert "protocol.control_plane" not in own_modules


def test_a_client_in_lambda_loads_nothing_more() -> None:
    """Nor when it is created: credentials and region are in the environment."""
    code = """
import os
os.environ.update(
    AWS_REGION="eu-west-1", AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="s", AWS_ENDPOINT_URL=""
)
import durable_execution_sdk.aws.data_plane as module
"""
    before = loaded(code)
    assert loaded(f"{code}\nmodule.default_data_plane()") == before


@pytest.mark.parametrize(
    "make",
    [data_plane_module.default_data_plane, control_plane_module.default_control_plane],
    ids=["data", "control"],
)
def test_the_default_plane_is_made_once(monkeypatch: pytest.MonkeyPatch, make: object) -> None:
    assert callable(make)
    make.cache_clear()  # type: ignore[attr-defined]
    for name, value in {
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    plane = make()
    assert make() is plane
    asyncio.run(plane.aclose())
    make.cache_clear()  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_project() -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert f'version = "{__version__}"' in pyproject.read_text() or "dynamic" in (
        pyproject.read_text()
    )
