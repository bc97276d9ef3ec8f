"""The status tells the phase, then the progress of the map, then the outcome."""

import pytest
from examples.map.import_customers.app import Imported, Upload, import_customers

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


def test_the_status_tells_how_far_it_is(durable_runner):
    runner = durable_runner(import_customers).sync
    runner.start(Upload("spring.csv", 12))
    at_work = runner.advance(seconds=9)
    assert at_work.custom_status == {"done": 4, "total": 12, "label": "customers"}
    assert "customers: 4 of 12 (33 %)" in str(at_work)
    result = runner.complete()
    assert result.result == Imported(11, ["customer-7@example.com"])
    assert result.custom_status == {"created": 11, "refused": 1}


def test_the_client_reads_it(durable_runner):
    runner = durable_runner(import_customers).sync
    runner.start(Upload("spring.csv", 2))
    arn = runner.complete().arn
    with runner.client() as client:
        handle = client.execution(arn)
        assert handle.custom_status(dict[str, int]) == {"created": 2, "refused": 0}


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(import_customers).run_sync(Upload("spring.csv", 9))
    assert_history(result, "import_customers")
    check_replay_sync(import_customers, result).raise_if_failed()


# The checks of all crashes take long: the usual run of the tests tries ten of them.
SOME_AND_ALL = [10, pytest.param(500, marks=pytest.mark.slow)]


@pytest.mark.parametrize("points", SOME_AND_ALL)
def test_a_crash_anywhere_does_no_harm(points):
    upload = Upload("spring.csv", 3)
    check_crash_safety_sync(import_customers, upload, max_points=points).raise_if_failed()


def test_it_depends_on_no_order_of_events():
    upload = Upload("spring.csv", 9)
    check_schedules_sync(import_customers, upload, seeds=range(4)).raise_if_failed()
