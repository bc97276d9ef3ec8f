"""A plugin of pytest for ``tools/pytest``: a slow test that is not marked as slow fails."""

from __future__ import annotations

from collections.abc import Generator

import pytest

LIMIT = 10.0
"""Seconds that a test without the mark may take, and each of setting up and tearing down its fixtures.

Tests that take over five are marked; the rest is for machines that are slower, or busy.
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a phase that took too long."""
    report = yield
    if call.duration > LIMIT and report.passed and item.get_closest_marker("slow") is None:
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} took {call.duration:.1f} s ({call.when}), over the {LIMIT:.0f} s of a test"
            " without a mark: make it faster, or mark it with @pytest.mark.slow"
        )
    return report
