"""Every sensor is read and kept, and a crash that repeats steps changes nothing."""

from examples.steps.sensor_sweep.app import store, sweep

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = ["hall", "attic", "cellar"]


def test_all_sensors_are_read(durable_runner):
    store.clear()
    assert durable_runner(sweep).run_sync(EVENT).result == 3
    assert store == {"hall": 2.0, "attic": 2.5, "cellar": 3.0}


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(sweep).run_sync(EVENT), "sensor_sweep")


def test_a_crash_anywhere_does_no_harm():
    report = check_crash_safety_sync(sweep, EVENT, setup=store.clear, observe=lambda: store)
    report.raise_if_failed()
