"""The lines of an order are prepared side by side."""

from examples.combinators.order_lines.app import prepare_order

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_schedules_sync,
)

ARTICLES = ["tea", "cup"]


def test_the_slowest_line_decides(durable_runner):
    result = durable_runner(prepare_order).run_sync(ARTICLES)
    assert result.result == ["tea packed", "cup packed"]
    assert result.duration.total_seconds() // 60 == 20


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(prepare_order).run_sync(ARTICLES), "order_lines")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(prepare_order, ARTICLES).raise_if_failed()


def test_it_depends_on_no_order_of_events():
    check_schedules_sync(prepare_order, ARTICLES, seeds=range(4)).raise_if_failed()
