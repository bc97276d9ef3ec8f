"""The customer is set up as one part, which is not run again after the wait."""

from examples.children.onboard_customer.app import onboard

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_a_customer_is_set_up_and_greeted(durable_runner):
    result = durable_runner(onboard).run_sync("Ada")
    assert result.result == "Dear Ada, your key is key-3"
    assert [step.name for step in result.children("set up")] == ["create_record", "grant_access"]


def test_the_second_invocation_does_not_look_into_the_part(durable_runner):
    _, second = durable_runner(onboard).run_sync("Ada").invocations
    assert [operation.name for operation in second.replayed] == ["set up", "access is ready"]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(onboard).run_sync("Ada"), "onboard_customer")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(onboard, "Ada").raise_if_failed()
