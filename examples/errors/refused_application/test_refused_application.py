"""An application that is refused is a failed execution, and no account is opened."""

import pytest
from examples.errors.refused_application.app import Applicant, TooYoungError, apply

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

YOUNG = Applicant("Ada", 12)


def test_a_young_applicant_is_refused(durable_runner):
    result = durable_runner(apply).run_sync(YOUNG).assert_failed()
    assert result.error_object.error_type == "TooYoungError"
    assert result.operations == []
    with pytest.raises(TooYoungError, match="Ada is 12"):
        _ = result.result


def test_an_account_is_opened(durable_runner):
    assert durable_runner(apply).run_sync(Applicant("Ada", 36)).result == "account of Ada"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(apply).run_sync(YOUNG), "refused_application")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(apply, YOUNG).raise_if_failed()
