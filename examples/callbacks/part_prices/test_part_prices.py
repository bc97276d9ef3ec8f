"""The suppliers answer in any order, and the lower price wins."""

from examples.callbacks.part_prices.app import cheapest

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)


def play(runner):
    runner.sync.start("axle")
    runner.sync.wait_for_callback("north/price").succeed(40)
    runner.sync.wait_for_callback("south/price").succeed(35)
    return runner.sync.complete()


def test_the_lower_price_wins(durable_runner):
    result = play(durable_runner(cheapest))
    assert result.result == 35
    assert [part.name for part in result.children("north")] == ["look_up_mail", "price"]


def test_the_second_supplier_may_answer_first(durable_runner):
    runner = durable_runner(cheapest).sync
    runner.start("axle")
    runner.wait_for_callback("south/price").succeed(35)
    runner.wait_for_callback("north/price").succeed(40)
    assert runner.complete().result == 35


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(cheapest)), "part_prices")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(cheapest), play=play, max_points=20
    ).raise_if_failed()
