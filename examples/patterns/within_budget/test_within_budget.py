"""A catalogue of any length is imported by executions none of which comes to its quota."""

import pytest
from examples.patterns.within_budget.app import LIMITS, Progress, import_catalogue

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


@pytest.mark.parametrize(("pages", "executions"), [(3, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_all_pages_are_imported(durable_runner, pages, executions):
    runner = durable_runner(import_catalogue)
    result = runner.run_sync(Progress(0, pages))
    assert result.result == Progress(pages, pages, rows=5 * pages)
    assert ("the rest" in [operation.name for operation in result.operations]) == (executions > 1)


def test_no_execution_comes_to_its_quota(durable_runner):
    runner = durable_runner(import_catalogue)
    result = runner.run_sync(Progress(0, 8))
    assert 40 < len(result.operations) < LIMITS.operations


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(import_catalogue).run_sync(Progress(0, 5))
    assert_history(result, "within_budget")
    check_replay_sync(import_catalogue, result).raise_if_failed()


# The checks of all crashes take long: the usual run of the tests tries ten of them.
SOME_AND_ALL = [10, pytest.param(500, marks=pytest.mark.slow)]


@pytest.mark.parametrize("points", SOME_AND_ALL)
def test_a_crash_anywhere_does_no_harm(points):
    check_crash_safety_sync(import_catalogue, Progress(0, 5), max_points=points).raise_if_failed()


def test_it_depends_on_no_order_of_events():
    check_schedules_sync(import_catalogue, Progress(0, 5), seeds=range(4)).raise_if_failed()
