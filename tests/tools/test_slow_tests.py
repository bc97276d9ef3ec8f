"""The plugin that makes a slow test fail when it is not marked as slow."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
from tests import slow_tests

pytest_plugins = ["pytester"]

TESTS = """
    import pytest

    def test_unmarked():
        pass

    @pytest.mark.slow
    def test_marked():
        pass
"""


@pytest.fixture
def plugin() -> ModuleType:
    """Load the plugin anew, since the run that this test is in may have it too."""
    spec = importlib.util.spec_from_file_location("plugin", slow_tests.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("limit", ["LIMIT", "LONGEST"])
def test_a_slow_test_without_a_mark_fails(
    pytester: pytest.Pytester, plugin: ModuleType, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(plugin, limit, -1.0)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess(plugins=[plugin])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "test_unmarked took" in result.stdout.str()
    assert "mark it with @pytest.mark.slow" in result.stdout.str()
    assert "test_marked took" not in result.stdout.str()


def test_a_quick_test_needs_no_mark(
    pytester: pytest.Pytester, plugin: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makepyfile(TESTS)
    pytester.runpytest_inprocess(plugins=[plugin]).assert_outcomes(passed=2)


def test_the_time_of_processes_counts_and_that_of_waiting_does_not(
    pytester: pytest.Pytester, plugin: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "LIMIT", 0.3)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile("""
        import subprocess, sys, threading

        def test_process():
            work = "import time\\nwhile time.process_time() < 0.4: pass"
            subprocess.run([sys.executable, "-c", work], check=True)

        def test_waiting():
            threading.Event().wait(0.4)
    """)
    result = pytester.runpytest_inprocess(plugins=[plugin])
    result.assert_outcomes(passed=1, failed=1)
    assert "test_process took" in result.stdout.str()
