"""A system that fails is in the report, and hides no other."""

from examples.combinators.health_report.app import health

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

SYSTEMS = ["database", "mail", "search"]


def test_the_report_has_all_systems(durable_runner):
    assert durable_runner(health).run_sync(SYSTEMS).result == {
        "database": "works",
        "mail": "fails: port 25 is closed",
        "search": "works",
    }


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(health).run_sync(SYSTEMS), "health_report")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(health, SYSTEMS).raise_if_failed()
