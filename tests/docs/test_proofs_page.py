"""Every test on the page about proofs passes unchanged and prints the output that the page shows."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

import durable_execution_sdk.testing  # noqa: F401 - once, and not anew for the run below
from durable_execution_sdk.cli.main import main

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "proofs.md"
TEXT = PAGE.read_text(encoding="utf-8")


def files() -> dict[str, str]:
    """Write the files of the page's blocks."""
    found: dict[str, list[str]] = {}
    for name, block in re.findall(r"```(?:python|text) (\S+)\n(.*?)```", TEXT, re.DOTALL):
        found.setdefault(name, []).append(block)
    return {name: "\n\n".join(blocks) for name, blocks in found.items()}


def shown(beginning: str) -> str:
    """Return a block of output from the page."""
    return next(
        block
        for block in re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
        if block.startswith(beginning)
    )


def test_the_tests_pass_and_print_what_the_page_says(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files().items():
        (pytester.path / name).parent.mkdir(exist_ok=True)
        (pytester.path / name).write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("shop", pytester.path / "shop.py")
    assert spec is not None
    assert spec.loader is not None
    shop = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "shop", shop)
    spec.loader.exec_module(shop)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("DURABLE_UPDATE_HISTORIES", raising=False)
    result = pytester.runpytest_inprocess(
        *("-p", "pytest_durable_execution", "-p", "pytest_asyncio.plugin"),
        *("-o", "asyncio_default_fixture_loop_scope=function"),
        *("-W", "error", "-W", "ignore:Module already imported"),
        *("--strict-markers", "-v", "-s"),
    )
    result.assert_outcomes(passed=10)
    printed = result.stdout.str().replace("test_a_bank_without_keys_charges_twice.<locals>.", "")
    assert shown("careless: ") in printed


def test_the_command_says_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = files()["shop.py"]
    (tmp_path / "shop.py").write_text(source)
    before = set(sys.modules), list(sys.path)
    try:
        main(["run", "shop.py", "--input", '["tea"]', "--name", "order-7", "--skip-time"])
        capfd.readouterr()
        main(["history", "order-7", "--json"])
        (tmp_path / "histories").mkdir()
        (tmp_path / "histories" / "order-7.json").write_text(capfd.readouterr().out)
        old = "ctx.step(charge, 10 * len(items))"
        (tmp_path / "shop.py").write_text(source.replace(old, f'{old[:-1]}, name="pay")'))
        assert main(["replay", "shop.py:order", "histories/order-7.json"]) == 1
    finally:
        for name in set(sys.modules) - before[0]:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]
        sys.path[:] = before[1]
    assert capfd.readouterr().out.startswith(shown("histories/order-7.json"))
