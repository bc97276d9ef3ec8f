"""Every good file is in the warehouse once, whatever dies in the night."""

import pytest
from examples.patterns.nightly_etl.app import Night, run_night, warehouse

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = Night("2030-01-31", files=25, per_group=10)


def test_damaged_files_are_reported_and_the_others_loaded(durable_runner):
    warehouse.clear()
    result = durable_runner(run_night).run_sync(EVENT)
    assert result.result == "2030-01-31: 230 rows, 2 files are damaged"
    assert len(warehouse) == 23


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(run_night).run_sync(EVENT), "nightly_etl")


def test_a_crash_anywhere_does_no_harm():
    report = check_crash_safety_sync(
        run_night, EVENT, setup=warehouse.clear, observe=lambda: warehouse, max_points=30
    )
    report.raise_if_failed()


@pytest.mark.slow
def test_two_thousand_files_are_loaded_though_the_night_is_bad(durable_runner):
    warehouse.clear()
    runner = durable_runner(run_night)
    for checkpoint in (2, 5, 9):
        runner.faults.crash_at(checkpoint=checkpoint)
    result = runner.run_sync(Night("2030-01-31", files=2000))
    assert result.result == "2030-01-31: 18000 rows, 200 files are damaged"
    assert len(warehouse) == 1800
    assert len(result.operations) == 83
