"""The pytest plugin: the fixture ``durable_runner``, ``--update-histories``, and reports of executions.

pytest loads the plugin wherever the SDK is installed, so it imports the SDK only when a test uses a
runner.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from durable_execution_sdk.testing import LocalDurableTestRunner, RunnerFactory

_MARKER = (
    "durable(**options): options of LocalDurableTestRunner for the runners that the durable_runner"
    " fixture makes in this test, such as durable(skip_time=False)"
)
_RUNNERS = pytest.StashKey[list["LocalDurableTestRunner[Any]"]]()
_DIRECTORY = "durable-histories"
_UPDATE = "DURABLE_UPDATE_HISTORIES"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--update-histories``."""
    parser.addoption(
        "--update-histories",
        action="store_true",
        help="write the golden histories that assert_history compares with, instead of comparing",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and pass the option on in an environment variable: the SDK is not loaded."""
    config.addinivalue_line("markers", _MARKER)
    if config.getoption("update_histories"):
        before = os.environ.get(_UPDATE)
        os.environ[_UPDATE] = "1"
        config.add_cleanup(lambda: _restore(before))


def _restore(before: str | None) -> None:
    os.environ.pop(_UPDATE, None)
    if before is not None:
        os.environ[_UPDATE] = before


@pytest.fixture
def durable_runner(request: pytest.FixtureRequest) -> RunnerFactory:
    """Make runners: ``durable_runner(handler, **options)`` returns a ``LocalDurableTestRunner``.

    If the test fails, the report shows the executions of its runners as trees, and their histories are
    saved as files that ``durable replay`` reads. ``@pytest.mark.durable(...)`` on a test, class or
    module sets options for every runner in it.
    """
    from durable_execution_sdk.testing import RunnerFactory  # noqa: PLC0415 - not before it is used

    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("durable"))):
        if marker.args:
            pytest.fail(
                "@pytest.mark.durable takes options by name, as in durable(skip_time=False), not"
                f" {', '.join(map(repr, marker.args))}",
                pytrace=False,
            )
        options |= marker.kwargs
    runners: list[LocalDurableTestRunner[Any]] = []
    request.node.stash[_RUNNERS] = runners
    return RunnerFactory(options, runners.append)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the executions of a failed test to its report."""
    report = yield
    runners = item.stash.get(_RUNNERS, None)
    if runners and report.failed and call.when != "teardown":
        from durable_execution_sdk.testing.pytest_support.failure_report import report_sections  # noqa: PLC0415 - as above

        report.sections += report_sections(runners, item.nodeid, _directory(item))
    return report


def _directory(item: pytest.Item) -> Path | None:
    """Return the directory for the test's histories; ``None`` if pytest has no cache."""
    if not item.config.pluginmanager.has_plugin("cacheprovider") or item.config.cache is None:
        return None
    return item.config.cache.mkdir(_DIRECTORY)
