"""A catalogue of any length is imported by executions none of which comes to its quota."""

import pytest
from examples.patterns.within_budget.app import LIMITS, Progress, import_catalogue


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
