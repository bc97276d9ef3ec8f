"""The recipe of the page about deployment gives packages whose bytecode is used."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from tests.rig import Rig

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.server.http_server import serve

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")


def block(heading: str) -> str:
    """Return the first block of shell below a heading."""
    section = PAGE.partition(f"\n### {heading}\n")[2]
    found = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert found is not None, heading
    return found[1].strip()


APP = """
from durable_execution_sdk import DurableContext, durable_execution

async def double(n: int) -> int:
    return n * 2

@durable_execution
async def handler(event: int, ctx: DurableContext) -> int:
    return await ctx.step(double, event)
"""

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None or sys.platform == "win32", reason="the recipe is for bash"
)


def installed(build: Path) -> None:
    """Put the packages into a folder as ``pip install --no-compile`` does, without an index."""
    build.mkdir(parents=True)
    for name in ("durable_execution_sdk", "msgspec"):
        found = importlib.util.find_spec(name)
        assert found is not None and found.submodule_search_locations is not None
        [folder] = found.submodule_search_locations
        shutil.copytree(folder, build / name, ignore=shutil.ignore_patterns("__pycache__"))


def run(commands: str, folder: Path) -> str:
    """Run commands with this Python as ``python``, and return the last line of the output."""
    path = folder / "bin"
    path.mkdir(exist_ok=True)
    (path / "python").unlink(missing_ok=True)
    # Not a link: the interpreter of an environment finds its packages by its own place.
    (path / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    (path / "python").chmod(0o755)
    environment = {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 or done.stdout == "0\n", done.stderr  # grep found nothing
    return done.stdout.strip()


def compiled_by(recipe: str, folder: Path) -> int:
    """Build a package, unpack it, and return the number of modules that its import compiles."""
    installed(folder / "build")
    (folder / "app.py").write_text(APP)
    run(recipe, folder)
    unpack, count = block("Check the package").splitlines()
    run(unpack, folder)
    sources = list((folder / "check").rglob("*.py"))
    assert len(sources) > 200
    for source in sources:
        os.utime(source, (1_000_000_000, 1_000_000_000))
    return int(run(count, folder))


@pytest.mark.slow
def test_a_layer_is_compiled_as_a_package_is(tmp_path: Path) -> None:
    installed(tmp_path / "layer" / "python")
    first, *others = block("A layer").splitlines()
    assert first == "pip install --target layer/python --no-compile durable-execution-sdk"
    run("\n".join(others), tmp_path)
    with ZipFile(tmp_path / "layer.zip") as layer:
        names = layer.namelist()
    assert {name.split("/")[0] for name in names} == {"python"}
    assert "python/durable_execution_sdk/handler.py" in names
    assert [name for name in names if re.fullmatch(r".*/__pycache__/handler\..*\.pyc", name)]


def test_a_schedule_that_is_delivered_twice_starts_one_execution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [source] = re.findall(r"```python\n(import os\n.*?)```", PAGE, re.DOTALL)
    page: dict[str, Any] = {}
    exec(source, page)

    @durable_execution
    async def etl(event: dict[str, str], ctx: DurableContext) -> str:
        return event["day"]

    rig = Rig(etl)
    with serve(rig.driver, workers=0) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        monkeypatch.setenv("ETL", "workflow:$LATEST")
        for _ in range(2):
            page["start_etl"]({"at": "2030-01-02T02:00:00Z"}, None)
        with page["SyncDurableClient"]() as client:
            found = [*client.list("workflow")]
    assert [each.name for each in found] == ["etl-2030-01-02"]


def recipe_without(text: str, instead: str = "") -> str:
    first, *others = block("Bytecode that stays valid").splitlines()
    assert first == "pip install --target build --no-compile durable-execution-sdk"
    recipe = "\n".join(others)
    assert text in recipe
    return recipe.replace(text, instead)


def test_the_recipe_gives_a_package_of_which_nothing_is_compiled(tmp_path: Path) -> None:
    assert compiled_by(recipe_without(""), tmp_path) == 0


@pytest.mark.slow
def test_the_variable_for_reproducible_packages_does_as_well(tmp_path: Path) -> None:
    command = "python -m compileall -q --invalidation-mode unchecked-hash build"
    alternative = "SOURCE_DATE_EPOCH=315532800 python -m compileall -q build"
    assert alternative in PAGE
    assert compiled_by(recipe_without(command, alternative), tmp_path) == 0


@pytest.mark.parametrize(
    "left_out",
    [
        pytest.param("--invalidation-mode unchecked-hash ", marks=pytest.mark.slow),
        "python -m compileall",
    ],
)
def test_without_it_every_module_is_compiled(left_out: str, tmp_path: Path) -> None:
    instead = "true" if left_out.startswith("python") else ""
    assert compiled_by(recipe_without(left_out, instead), tmp_path) > 60
