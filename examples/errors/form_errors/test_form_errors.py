"""A form with several faults is answered with all of them."""

import pytest
from examples.errors.form_errors.app import Form, check_form

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

WRONG = Form("", 200)


@pytest.mark.parametrize(
    ("form", "answers"),
    [
        (Form("Ada", 36), []),
        (Form("", 36), ["please fill in: name"]),
        (WRONG, ["please fill in: name", "please check: age 200"]),
    ],
)
def test_each_fault_has_its_answer(durable_runner, form, answers):
    assert durable_runner(check_form).run_sync(form).result == answers


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(check_form).run_sync(WRONG), "form_errors")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(check_form, WRONG).raise_if_failed()
