"""A pytest plugin for ``tools/pytest``: a slow test without the mark ``slow`` fails."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

LIMIT = 10.0
"""Seconds of the processor that a test without the mark may take, and each of its fixtures' set-up and end.

Those of the processes that it starts and waits for are included. Tests that take over five are marked;
the rest is for machines that are slower. The time is not counted in which other processes run.
"""

LONGEST = 60.0
"""Seconds that it may take in all: this is for tests that sleep."""

_began: dict[str, float] = {}


def _seconds_used() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logstart(nodeid: str) -> None:
    """Note how much this process and its children have used when the test begins."""
    _began.clear()
    _began[nodeid] = _seconds_used()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a phase that took too long into a failure."""
    report = yield
    used = _seconds_used()
    took = used - _began.get(item.nodeid, used)
    _began[item.nodeid] = used
    is_too_slow = took > LIMIT or call.duration > LONGEST
    if is_too_slow and report.passed and item.get_closest_marker("slow") is None:
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} took {took:.1f} s of the processor in {call.duration:.1f} s ({call.when});"
            f" without a mark a test may take {LIMIT:.0f} s of it, and {LONGEST:.0f} s in all:"
            " make it faster, or mark it with @pytest.mark.slow"
        )
    return report
