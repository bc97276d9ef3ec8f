"""Output that is hard to read, and records that fail: an invocation keeps its answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.dev.dev_rig import DevRig

from durable_execution_sdk.dev.functions.records import LogLine

pytestmark = pytest.mark.dev

SHOUTS = """
def handler(event, context):
    print("first")
    print('{"operationId": "x", "a": ' + "[" * 60000)
    print('{"operationId": ["x"]}')
    print('{"operationId": "\\\\ud800"}')
    print("last", flush=True)
    return event
"""


def test_a_record_that_is_nested_too_deeply_is_a_line_like_any_other(rig: DevRig) -> None:
    rig.add("shouts", SHOUTS, durable=False)
    assert rig.invoke("shouts", 1) == (1, None)
    rig.records.wait_for_line("last")
    first, deep, listed, halved, last = rig.records.text
    assert (first, last) == ("first", "last")
    assert deep.startswith('{"operationId": "x", "a": [[[[')
    assert listed == '{"operationId": ["x"]}'
    assert halved == '{"operationId": "\\ud800"}'


def test_a_record_that_cannot_be_kept_does_not_lose_the_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with DevRig(tmp_path) as rig:

        def fail(_lines: list[LogLine]) -> None:
            raise OverflowError("full")

        rig.records.add_lines = fail  # type: ignore[method-assign]
        rig.add("shouts", SHOUTS, durable=False)
        assert rig.invoke("shouts", 1) == (1, None)
        assert rig.invoke("shouts", 2) == (2, None)
    assert "a record of the function shouts is lost" in caplog.text
