"""A claim is paid once, and a blocked policy fails the execution."""

import pytest
from examples.errors.duplicate_claim.app import Claim, settle

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_a_new_claim_is_paid(durable_runner):
    assert durable_runner(settle).run_sync(Claim("p-1", "hail")).result == "hail is paid for p-1"


def test_a_claim_that_was_paid_ends_as_a_success(durable_runner):
    result = durable_runner(settle).run_sync(Claim("p-7", "hail"))
    assert result.result == "this claim was paid before"
    assert [operation.name for operation in result.operations] == ["look_up"]


def test_a_blocked_policy_ends_as_a_failure(durable_runner):
    result = durable_runner(settle).run_sync(Claim("p-9", "hail")).assert_failed()
    assert isinstance(result.error, PermissionError)


@pytest.mark.parametrize("policy", ["p-1", "p-7"])
def test_it_does_what_it_did(durable_runner, policy):
    names = {"p-1": "new_claim", "p-7": "duplicate_claim"}
    assert_history(durable_runner(settle).run_sync(Claim(policy, "hail")), names[policy])


@pytest.mark.parametrize("policy", ["p-1", "p-7"])
def test_a_crash_anywhere_does_no_harm(policy):
    check_crash_safety_sync(settle, Claim(policy, "hail")).raise_if_failed()
