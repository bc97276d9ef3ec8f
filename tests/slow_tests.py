"""A pytest plugin for ``tools/pytest``: a slow test without the mark ``slow`` fails."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

_SCHEDULED = Path("/proc/self/schedstat")
_waited: dict[str, float] = {}

LIMIT = 10.0
"""Seconds that a test without the mark may take, and each of setting up and tearing down its fixtures.

Tests that take over five are marked; the rest is for machines that are slower. On Linux the time is left
out in which the process could have run and other processes did.
"""


def _seconds_in_queue() -> float:
    try:
        return int(_SCHEDULED.read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logstart(nodeid: str) -> None:
    """Note how long this process has waited for a processor when the test begins."""
    _waited.clear()
    _waited[nodeid] = _seconds_in_queue()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a phase that took too long into a failure."""
    report = yield
    duration = call.duration
    if duration > LIMIT:
        duration -= _seconds_in_queue() - _waited.get(item.nodeid, 0.0)
    if duration > LIMIT and report.passed and item.get_closest_marker("slow") is None:
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} took {duration:.1f} s ({call.when}), over the {LIMIT:.0f} s of a test"
            " without a mark: make it faster, or mark it with @pytest.mark.slow"
        )
    return report
