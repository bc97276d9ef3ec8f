"""The command in process: ``durable("run", ...)`` in a directory of its own."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import CommandOutput, Durable, Write
from tests.cli.remote_shop import RemoteShop

from durable_execution_sdk.cli.main import main
from durable_execution_sdk.server.http_server import serve


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to an empty directory; afterwards unload modules that were imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DURABLE_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    path, modules, level = list(sys.path), set(sys.modules), logging.root.level
    yield tmp_path
    # The command and user code configure logging for the whole process.
    logging.root.setLevel(level)
    for handler in [each for each in logging.root.handlers if type(each) is logging.StreamHandler]:
        logging.root.removeHandler(handler)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def durable(capfd: pytest.CaptureFixture[str]) -> Durable:
    def call(*words: str) -> CommandOutput:
        capfd.readouterr()
        code = main(list(words))
        out, err = capfd.readouterr()
        return CommandOutput(code, out, err)

    return call


@pytest.fixture
def write(place: Path) -> Write:
    """Write a module of workflows, with everything public imported."""

    def write(source: str, name: str = "app.py") -> str:
        header = "from durable_execution_sdk import *\n"
        (place / name).write_text(header + textwrap.dedent(source))
        return name

    return write


@pytest.fixture
def remote_shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteShop]:
    """Serve a function with versions; the environment names the server, and no region or credentials."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    shop = RemoteShop()
    with serve(shop.rig.driver, workers=0) as server:
        shop.url = server.url
        yield shop
