"""Three variants are made, two at a time, and a failure of one is told."""

from examples.patterns.image_variants.app import publish, resize

from durable_execution_sdk import InvokeError
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    Raises,
    assert_history,
    check_crash_safety_sync,
)

EVENT = "cat.jpg"
FUNCTIONS = {"resize": resize}


def test_all_variants_are_there(durable_runner):
    result = durable_runner(publish, functions=FUNCTIONS).run_sync(EVENT)
    assert result.result == ["cat.jpg@320", "cat.jpg@640", "cat.jpg@1280"]
    started = {each.name for each in result.invocations[0].executed}
    assert "640 px" in started
    assert "1280 px" not in started


def test_a_failure_is_told(durable_runner):
    functions = {"resize": Raises(MemoryError("too large"))}
    result = durable_runner(publish, functions=functions).run_sync(EVENT)
    assert result.status == "FAILED"
    assert isinstance(result.error, InvokeError)


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(publish, functions=FUNCTIONS).run_sync(EVENT), "image_variants")


def test_a_crash_anywhere_does_no_harm():
    runner = LocalDurableTestRunner(publish, functions=FUNCTIONS)
    check_crash_safety_sync(runner, EVENT).raise_if_failed()
