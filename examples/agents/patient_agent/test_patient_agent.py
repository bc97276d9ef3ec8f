"""The agent sleeps for days between its looks, and asks the model and the carrier once for each."""

from datetime import timedelta

import pytest
from examples.agents.patient_agent.app import looks, watch

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

# The fields of a recorded answer differ between releases of Pydantic AI.
ANSWERS = {r"(?m)(: model'  SUCCEEDED  ).*": r"\1(answer)"}
pytestmark = pytest.mark.agents


@pytest.fixture(autouse=True)
def _no_looks():
    looks.clear()


def test_it_looks_three_times_in_six_days(durable_runner):
    result = durable_runner(watch).run_sync("RB 4711")
    assert result.result == "The parcel was delivered."
    assert len(looks) == 3
    assert timedelta(days=6) <= result.duration < timedelta(days=6, minutes=1)
    assert len(result.invocations) == 3


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(watch).run_sync("RB 4711")
    assert_history(result, "patient_agent", replace=ANSWERS)


def test_a_crash_anywhere_does_no_harm():
    # A look that is repeated after a crash may find the parcel further on.
    check_crash_safety_sync(
        watch, "RB 4711", setup=looks.clear, max_points=20, same_result=False, same_log=False
    ).raise_if_failed()
