"""An approval, a broken canary, or a timeout of a day ends the release."""

from datetime import timedelta

from examples.patterns.approval_while_polling.app import Release, release


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
