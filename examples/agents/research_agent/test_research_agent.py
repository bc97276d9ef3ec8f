"""The plan waits for a person, the searches run at once, and tokens are counted once."""

import pytest
from examples.agents.research_agent.app import research

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

# The fields of a recorded answer differ between releases of Pydantic AI.
ANSWERS = {r"(?m)(: model'  SUCCEEDED  ).*": r"\1(answer)"}
pytestmark = pytest.mark.agents


def play(runner, answer=None):
    runner.sync.start("tides")
    runner.sync.wait_for_callback("plan").succeed(answer or {"approved": True})
    return runner.sync.complete()


def test_it_searches_once_the_plan_is_approved(durable_runner):
    result = play(durable_runner(research))
    report = result.result
    assert report.text.count("what the library says of") == 3
    assert report.tokens > 0
    assert [each.name for each in result.operations].count("search") == 3
    assert result.operation("plan submitter").result["about"] == {
        "questions": ["why tides?", "how high?", "when?"]
    }


def test_it_stops_at_a_plan_that_is_refused(durable_runner):
    result = play(durable_runner(research), {"approved": False, "comment": "too dull"})
    assert result.result.text == "not approved: too dull"


def test_it_stops_when_nobody_looks_at_the_plan(durable_runner):
    assert durable_runner(research).run_sync("tides").result.text == "nobody looked at the plan"


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(research)), "research_agent", replace=ANSWERS)


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(research, play=play, max_points=30).raise_if_failed()
