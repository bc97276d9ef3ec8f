"""A mirror that does not answer is left, and the conversion needs a function with enough time."""

import asyncio
from datetime import timedelta

from examples.steps.step_timeouts import app
from examples.steps.step_timeouts.app import import_film

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


def test_the_next_mirror_is_asked(durable_runner):
    result = durable_runner(import_film).run_sync({"film": "m"})
    assert result.result == "m.mp4 from south"
    assert result.operation("download").attempt == 2
    assert len(result.invocations) == 2


def test_no_mirror_answers(durable_runner, monkeypatch):
    monkeypatch.setattr(app, "MIRRORS", ("north",) * 3)
    result = durable_runner(import_film).run_sync({"film": "m"})
    assert result.result == "no mirror has m"
    assert result.operation("download").attempt == 3


def test_a_function_of_five_minutes_is_too_short(durable_runner):
    runner = durable_runner(import_film, invocation_timeout=timedelta(minutes=5))
    result = runner.run_sync({"film": "m"})
    assert result.status == "FAILED"
    assert "step 'convert' needs 600 s" in str(result.error)


def test_a_download_that_uses_the_time_up_leaves_the_conversion_to_a_fresh_invocation(
    durable_runner, monkeypatch
):
    async def slow(film: str) -> str:
        await asyncio.sleep(0.5)
        return f"{film}.raw from afar"

    monkeypatch.setattr(app, "download", slow)
    monkeypatch.setattr(app, "timedelta", lambda minutes: timedelta(seconds=minutes * 0.03))
    # 0.7 s for the bodies of an invocation, of which the conversion needs 0.3 s.
    runner = durable_runner(import_film, invocation_timeout=timedelta(seconds=1))
    result = runner.run_sync({"film": "m"})
    assert result.result == "m.mp4 from afar"
    assert len(result.invocations) == 2
    assert result.operation("time for a step").status == "SUCCEEDED"


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(import_film).run_sync({"film": "metropolis"})
    assert_history(result, "step_timeouts")
    check_replay_sync(import_film, result).raise_if_failed()


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(import_film, {"film": "metropolis"}, max_points=30).raise_if_failed()


def test_it_depends_on_no_order_of_events():
    check_schedules_sync(import_film, {"film": "metropolis"}, seeds=range(4)).raise_if_failed()
