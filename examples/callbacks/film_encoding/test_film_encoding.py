"""A worker that sends heartbeats has hours; one that is silent for five minutes has lost the film."""

from datetime import timedelta

from examples.callbacks.film_encoding.app import encode_film

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)


def play(runner):
    """The first worker dies after an hour, and the second one ends the work."""
    runner.sync.start("metropolis")
    worker = runner.sync.wait_for_callback("encoded by worker-a")
    for _ in range(15):
        runner.sync.advance(minutes=4)
        worker.heartbeat()
    runner.sync.wait_for_callback("encoded by worker-b").succeed("metropolis.mp4")
    return runner.sync.complete()


def test_a_living_worker_has_all_the_time_that_it_needs(durable_runner):
    runner = durable_runner(encode_film).sync
    runner.start("metropolis")
    worker = runner.wait_for_callback()
    for _ in range(30):
        runner.advance(minutes=4)
        worker.heartbeat()
    worker.succeed("metropolis.mp4")
    result = runner.complete()
    assert result.result == "metropolis.mp4"
    assert result.duration // timedelta(hours=1) == 2


def test_a_dead_worker_is_noticed_after_five_minutes(durable_runner):
    result = play(durable_runner(encode_film))
    assert result.result == "metropolis.mp4"
    assert result.duration // timedelta(minutes=1) == 65
    assert [line.worker for line in result.logs] == ["worker-a"]


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(encode_film)), "film_encoding")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(encode_film), play=play, max_points=20
    ).raise_if_failed()
