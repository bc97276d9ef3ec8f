"""Both signatures are needed, and their order does not matter."""

import pytest
from examples.callbacks.contract_signatures.app import Contract, sign_contract

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

CONTRACT = Contract("The house", seller="Ada", buyer="Alan")


def play(runner, first="buyer", second="seller"):
    runner.sync.start(CONTRACT)
    runner.sync.wait_for_callback(first).succeed(f"{first}'s hand")
    assert not runner.sync.run_until_suspended().is_done
    runner.sync.wait_for_callback(second).succeed(f"{second}'s hand")
    return runner.sync.complete()


@pytest.mark.parametrize(("first", "second"), [("buyer", "seller"), ("seller", "buyer")])
def test_they_sign_in_any_order(durable_runner, first, second):
    result = play(durable_runner(sign_contract), first, second)
    assert result.result == {"Ada": "seller's hand", "Alan": "buyer's hand"}


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(sign_contract)), "contract_signatures")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(LocalDurableTestRunner(sign_contract), play=play).raise_if_failed()
