"""An approval, a broken canary, or a timeout of a day ends the release."""

from datetime import timedelta

import pytest
from examples.patterns.approval_while_polling.app import Release, release

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


def test_a_person_approves_while_the_canary_is_watched(durable_runner):
    runner = durable_runner(release).sync
    runner.start(Release("1.4"))
    approval = runner.wait_for_callback("approval")
    runner.advance(hours=1, minutes=59)
    approval.succeed("Ada")
    result = runner.complete()
    assert result.result == "1.4 rolled out"
    assert result.operation("canary").attempt == 9


def test_a_broken_canary_rolls_back_without_asking_further(durable_runner):
    result = durable_runner(release).run_sync(Release("1.4", breaks_after=3))
    assert result.result == "1.4 rolled back"
    assert result.operation("canary").result["checks"] == 3
    assert result.duration < timedelta(hours=1)


def test_a_day_without_an_answer_rolls_back(durable_runner):
    result = durable_runner(release).run_sync(Release("1.4"))
    assert result.result == "1.4 rolled back"
    assert timedelta(hours=24) <= result.duration < timedelta(hours=25)
    assert [record.getMessage() for record in result.logs] == ["not approved within a day"]


def approve(runner):
    runner.sync.start(Release("1.4"))
    runner.sync.wait_for_callback("approval").succeed("Ada")
    return runner.sync.complete()


def break_canary(runner):
    return runner.run_sync(Release("1.4", breaks_after=3))


WAYS = [(approve, "release_approved"), (break_canary, "release_rolled_back")]


@pytest.mark.parametrize(("play", "history"), WAYS)
def test_it_does_what_it_did(durable_runner, play, history):
    result = play(durable_runner(release))
    assert_history(result, history)
    check_replay_sync(release, result).raise_if_failed()


# The checks of all crashes take long: the usual run of the tests tries ten of them.
SOME_AND_ALL = [10, pytest.param(500, marks=pytest.mark.slow)]


@pytest.mark.parametrize("points", SOME_AND_ALL)
@pytest.mark.parametrize("play", [approve, break_canary])
def test_a_crash_anywhere_does_no_harm(durable_runner, play, points):
    runner = durable_runner(release)
    check_crash_safety_sync(runner, play=play, max_points=points).raise_if_failed()


@pytest.mark.parametrize("play", [approve, break_canary])
def test_it_depends_on_no_order_of_events(durable_runner, play):
    runner = durable_runner(release)
    check_schedules_sync(runner, play=play, seeds=range(4)).raise_if_failed()
