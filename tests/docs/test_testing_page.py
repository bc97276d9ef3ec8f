"""Every test on the page about testing passes unchanged."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import durable_execution_sdk.testing  # noqa: F401 - once, and not anew for the run below
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.server.http_server import serve

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def files() -> dict[str, str]:
    """Write the files of the page's blocks."""
    found: dict[str, list[str]] = {}
    text = PAGE.read_text(encoding="utf-8")
    for name, block in re.findall(r"```python (\S+)\n(.*?)```", text, re.DOTALL):
        found.setdefault(name, []).append(block)
    return {name: "\n\n".join(blocks) for name, blocks in found.items()}


def deployed(handler: Any) -> Driver:
    """Serve an emulator on which only answers take real time."""
    functions = Functions()
    functions.add_durable("place_order", handler.bind)
    functions.add_plain("ship", lambda event, context: "track-1")
    emulator = Emulator(MemoryStore(), RealClock(), functions, time_mode=TimeMode.SKIP)
    return Driver(emulator)


def test_the_ten_tests_pass(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in files().items():
        (pytester.path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(pytester.path)
    spec = importlib.util.spec_from_file_location("orders", pytester.path / "orders.py")
    orders = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "orders", orders)
    spec.loader.exec_module(orders)

    with serve(deployed(orders.place_order), workers=1) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        result = pytester.runpytest_inprocess(
            *("-p", "pytest_durable_execution", "-p", "pytest_asyncio.plugin"),
            *("-o", "asyncio_default_fixture_loop_scope=function"),
            *("-W", "error", "-W", "ignore:Module already imported"),
            *("--strict-markers", "-v"),
        )
    result.assert_outcomes(passed=10)
