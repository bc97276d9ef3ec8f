"""The code of a function is its file and the files that it imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.dev.reload.held_file import HeldExecution, HeldFile, read_held
from durable_execution_sdk.dev.reload.source_code import read_source_code
from durable_execution_sdk.dev.reload.source_files import directories_of, source_files


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(root: Path, file: str = "app.py", **options: str) -> list[str]:
    code = read_source_code(root, root / file, **options)
    return sorted(str(Path(path).relative_to(root)) for path in code.files)


@pytest.mark.parametrize(
    "statement",
    [
        "import other",
        "from other import name",
        "def f():\n    import other",
        "try:\n    import other as o\nexcept ImportError:\n    pass",
        "import importlib\nimportlib.import_module('other')",
        "__import__('other')",
    ],
)
def test_an_import_is_followed_wherever_it_stands(tmp_path: Path, statement: str) -> None:
    write(tmp_path, app=statement, other="import third", third="import os, app", apart="")
    assert names(tmp_path) == ["app.py", "other.py", "third.py"]


def test_packages_and_relative_imports_are_followed(tmp_path: Path) -> None:
    for folder in ("shop", "shop/deep"):
        (tmp_path / folder).mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("from . import setup")
    (tmp_path / "shop" / "deep" / "__init__.py").write_text("")
    write(
        tmp_path,
        shop__app="from .steps import charge\nfrom ..shop import prices\nfrom . import nothing",
        shop__steps="from .deep.inner import x",
        shop__prices="",
        shop__setup="",
        shop__deep__inner="from .. import rates",
        shop__rates="",
        shop__apart="",
    )
    assert names(tmp_path, "shop/app.py") == [
        "shop/__init__.py",
        "shop/app.py",
        "shop/deep/__init__.py",
        "shop/deep/inner.py",
        "shop/prices.py",
        "shop/rates.py",
        "shop/setup.py",
        "shop/steps.py",
    ]


def test_directories_of_the_python_path_are_searched(tmp_path: Path) -> None:
    write(tmp_path, app="import shared", libraries__shared="")
    assert names(tmp_path, python_path="") == ["app.py"]
    assert names(tmp_path, python_path=str(tmp_path / "libraries")) == [
        "app.py",
        "libraries/shared.py",
    ]


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    write(tmp_path, app="import other", other="A = 1")
    first = read_source_code(tmp_path, tmp_path / "app.py").digest
    write(tmp_path, apart="", other="A = 1")
    assert read_source_code(tmp_path, tmp_path / "app.py").digest == first
    write(tmp_path, other="A = 2")
    assert read_source_code(tmp_path, tmp_path / "app.py").digest != first


def test_a_file_that_is_no_python_counts_without_its_imports(tmp_path: Path) -> None:
    write(tmp_path, app="import other", other="import third\n(", third="")
    assert names(tmp_path) == ["app.py", "other.py"]
    (tmp_path / "other.py").write_bytes(b"\0\xff")
    assert names(tmp_path) == ["app.py", "other.py"]
    assert names(tmp_path, "missing.py") == []


def test_held_executions_are_read_by_other_processes(tmp_path: Path) -> None:
    store = tmp_path / "x.db"
    finding = Finding(kind="a failure", expected="no end", actual="it fails", file="f.py", line=3)
    held = HeldExecution(arn="a", code="c", finding=finding)
    file = HeldFile(store)
    assert read_held(store) == {}
    file.write([held])
    assert read_held(store) == {"a": held}
    path = tmp_path / "x.db.held.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("nonsense")
    assert read_held(store) == {}
    file.write([])
    assert not path.exists()
    file.close()
    assert finding.place == "f.py:3"


def test_installed_packages_and_hidden_folders_are_not_watched(tmp_path: Path) -> None:
    for folder in ("a/b", "node_modules/x", ".git", "env/lib", "a/__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "a" / "x.py").touch()
    (tmp_path / "a" / "x.txt").touch()
    directories = set(directories_of(tmp_path))
    assert directories == {tmp_path, tmp_path / "a", tmp_path / "a" / "b"}
    assert list(source_files([*directories, tmp_path / "gone"])) == [str(tmp_path / "a" / "x.py")]
