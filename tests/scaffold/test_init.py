"""``durable init`` writes an application that passes its own tests, and overwrites nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from durable_execution_sdk.cli.main import durable
from durable_execution_sdk.dev.discovery.project_table import declared_functions, read_project_table
from durable_execution_sdk.dev.discovery.templates import template_functions
from durable_execution_sdk.dev.functions.declaration import Declaration
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.scaffold.project import write_project
from durable_execution_sdk.version import __version__

APPLICATION = {
    ".github/workflows/tests.yml",
    ".gitignore",
    "AGENTS.md",
    "README.md",
    "events/large-order.json",
    "pyproject.toml",
    "src/orders/__init__.py",
    "src/orders/app.py",
    "src/orders/approvals.py",
    "src/orders/models.py",
    "src/orders/outside.py",
    "src/requirements.txt",
    "tests/histories/large-order.json",
    "tests/test_orders.py",
}
DEPLOYMENT = {
    "sam": {"samconfig.toml", "src/Makefile", "template.yaml"},
    "cdk": {"cdk.json", "infra/app.py", "infra/package.py"},
}
TOOLS = pytest.mark.parametrize("tool", ["sam", "cdk"])


def init(*words: str | Path) -> Result:
    return CliRunner().invoke(durable, ["init", *map(str, words)])


def made(folder: Path, *words: str) -> Path:
    assert init(folder, *words).exit_code == 0
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def table(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


@TOOLS
def test_the_files_of_the_application_are_written_and_named(
    tmp_path: Path, tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    durable.main(["init", str(tmp_path / "shop"), "--with", tool], standalone_mode=False)
    assert files(tmp_path / "shop").keys() == APPLICATION | DEPLOYMENT[tool]
    assert capsys.readouterr().out.splitlines() == sorted(
        str(tmp_path / "shop" / path) for path in APPLICATION | DEPLOYMENT[tool]
    )


@TOOLS
def test_the_name_of_a_package_that_the_project_installs_is_refused(
    tmp_path: Path, tool: str
) -> None:
    folder = made(tmp_path / "shop", "--with", tool)
    asked = [
        *(folder / "src" / "requirements.txt").read_text().split(),
        *(
            each
            for extra in table(folder)["project"]["optional-dependencies"].values()
            for each in extra
        ),
    ]
    names = {each[0] for each in map(re.compile(r"[\w-]+").match, asked) if each is not None}
    assert names >= {"durable-execution-sdk", "pytest"}
    for name in names:
        with pytest.raises(ConfigError, match=f"which installs the package {name}: choose another"):
            durable.main(["init", str(tmp_path / name)], standalone_mode=False)
        assert not (tmp_path / name).exists()
        made(tmp_path / name, "--name", "my-shop")


def test_sam_is_the_tool_if_none_is_named(tmp_path: Path) -> None:
    assert (made(tmp_path / "shop") / "template.yaml").exists()


def test_without_a_folder_the_files_are_written_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert init("--name", "shop").exit_code == 0
    assert (tmp_path / "src/orders/app.py").exists()


@pytest.mark.parametrize(
    ("folder", "words", "name"),
    [
        ("shop", [], "shop"),
        ("My Shop_2", [], "my-shop-2"),
        ("2026", ["--name", "orders"], "orders"),
    ],
)
def test_the_project_and_its_stack_have_the_name(
    tmp_path: Path, folder: str, words: list[str], name: str
) -> None:
    sam = made(tmp_path / folder, *words)
    cdk = made(tmp_path / "cdk" / folder, *words, "--with", "cdk")
    assert table(sam)["project"]["name"] == table(cdk)["project"]["name"] == name
    config = tomllib.loads((sam / "samconfig.toml").read_text("utf-8"))
    assert config["default"]["global"]["parameters"]["stack_name"] == name
    assert f'OrdersStack(app, "{name}")' in (cdk / "infra/app.py").read_text("utf-8")
    assert (sam / "README.md").read_text("utf-8").startswith(f"# {name}\n")
    assert not any(
        b"durable-orders" in text for text in [*files(sam).values(), *files(cdk).values()]
    )


@pytest.mark.parametrize("name", ["", "2026", "-", "caf\u00e9", "a/b", "a" * 65, "a$b"])
def test_a_name_that_no_stack_can_have_is_refused(tmp_path: Path, name: str) -> None:
    result = init(tmp_path / "shop", "--name", name)
    assert result.exit_code != 0
    assert not (tmp_path / "shop").exists()


@TOOLS
def test_existing_files_are_named_and_nothing_is_written(tmp_path: Path, tool: str) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_orders.py").symlink_to("nowhere")
    before = files(tmp_path)
    result = init(tmp_path, "--name", "shop", "--with", tool)
    assert result.exit_code != 0
    assert "README.md, tests/test_orders.py" in str(result.exception)
    assert files(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "tests"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "src").write_text("mine")
    result = init(tmp_path, "--name", "shop")
    assert result.exit_code != 0
    assert "src/orders/app.py" in str(result.exception)
    assert list(files(tmp_path)) == ["src"]


def test_a_link_to_nowhere_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to("nowhere")
    result = init(tmp_path, "--name", "shop")
    assert "tests/test_orders.py" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["tests"]


def test_a_file_in_the_place_of_the_project_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    result = init(tmp_path / "shop")
    assert result.exit_code != 0
    assert "shop is no folder" in str(result.exception)
    assert (tmp_path / "shop").read_text() == "mine"


def test_a_link_to_nowhere_in_the_place_of_the_project_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop").symlink_to("elsewhere")
    result = init(tmp_path / "shop")
    assert "is a link to a folder that is not there" in str(result.exception)
    assert not (tmp_path / "elsewhere").exists()


def test_an_empty_name_of_a_folder_is_not_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = init("", "--name", "shop")
    assert result.exit_code == 2
    assert "DIR is empty" in result.output
    assert files(tmp_path) == {}


def test_after_an_error_midway_nothing_of_the_project_stays(tmp_path: Path) -> None:
    (tmp_path / "shop/tests").mkdir(parents=True)
    (tmp_path / "shop/tests/mine.py").write_text("mine")
    whole = {"src/app.py": b"1", "tests/test_app.py": b"2"}
    # The last file has no place, which shows only when the first one is there.
    impossible = {**whole, "src/app.py/data": b"3"}
    with pytest.raises(FileExistsError):
        write_project(tmp_path / "shop", impossible)
    assert sorted(tmp_path.rglob("*")) == [
        tmp_path / "shop",
        tmp_path / "shop/tests",
        tmp_path / "shop/tests/mine.py",
    ]
    with pytest.raises(FileExistsError):
        write_project(tmp_path / "new/shop", impossible)
    assert not (tmp_path / "new").exists()


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine")
    (tmp_path / "src").mkdir()
    made(tmp_path, "--name", "shop")
    assert (tmp_path / "LICENSE").read_text() == "mine"


def run(folder: Path, *words: str) -> str:
    """Run a Python module in the folder of the application, and return what it printed."""
    ran = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_the_application_passes_its_own_tests(tmp_path: Path) -> None:
    printed = run(
        made(tmp_path / "shop"), "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"
    )
    assert "passed" in printed


def test_the_application_passes_lint_and_replays_its_history(tmp_path: Path) -> None:
    shop = made(tmp_path / "shop")
    command = "durable_execution_sdk.cli.main"
    history = "tests/histories/large-order.json"
    assert run(shop, command, "lint", "src").startswith("no findings in ")
    [report] = json.loads(
        run(shop, command, "replay", "src/orders/app.py:process_order", history, "--json")
    )
    assert report["ok"]
    # The order that is approved, to its end.
    assert report["operations"] == 11


@TOOLS
def test_the_application_keeps_to_its_own_rules_of_style(tmp_path: Path, tool: str) -> None:
    pytest.importorskip("ruff", reason="it is in the environment of make test")
    shop = made(tmp_path / "shop", "--with", tool)
    assert run(shop, "ruff", "check", "--no-cache") == "All checks passed!\n"
    assert run(shop, "ruff", "format", "--check", "--no-cache").endswith(" already formatted\n")


def test_the_application_needs_the_release_that_wrote_it(tmp_path: Path) -> None:
    needed = (made(tmp_path / "shop") / "src/requirements.txt").read_text("utf-8")
    assert needed == f"durable-execution-sdk>={__version__}\n"


def test_both_tools_have_the_same_project(tmp_path: Path) -> None:
    sam = table(made(tmp_path / "sam", "--name", "shop"))
    cdk = table(made(tmp_path / "cdk", "--name", "shop", "--with", "cdk"))
    for project in (sam, cdk):
        del project["tool"]["durable"]
        del project["tool"]["ruff"]["src"]
    assert cdk["project"]["optional-dependencies"].pop("cdk")
    assert sam == cdk


def test_both_tools_run_the_same_functions_here(tmp_path: Path) -> None:
    sam, cdk = made(tmp_path / "sam"), made(tmp_path / "cdk", "--with", "cdk")
    project = read_project_table(cdk / "pyproject.toml")
    assert project is not None
    from_table = {each.name: each for each in declared_functions(project, cdk)}
    from_template = {
        each.name: each for each in template_functions(sam / "template.yaml").declarations
    }
    assert (
        from_table.keys() == from_template.keys() == {"ProcessOrder", "ShipOrder", "AnswerApproval"}
    )
    for name, function in from_template.items():
        assert described(function, sam) == described(from_table[name], cdk)


def described(function: Declaration, folder: Path) -> tuple[object, ...]:
    root = Path(function.root).relative_to(folder).as_posix()
    place = Path(root, *function.handler.replace(".", "/").split("/")).as_posix()
    target = function.environment.get("SHIP_ORDER", "").rpartition("function:")[2]
    return place, function.durable, function.timeout, dict(function.aliases), target
