"""The ids of first operations, which a warm process keeps for all its threads."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from durable_execution_sdk.runtime.log import ids


def test_two_threads_that_keep_the_same_id_at_once_give_no_operation_the_id_of_another() -> None:
    expected = [ids.operation_id(str(number)) for number in range(1, 5)]
    moments = 0
    for moment in range(500):  # more than a claim has
        ids.ROOT_IDS.clear()
        moments += _claim_interrupted(moment)
        assert [ids.root_operation_id(number) for number in range(1, 5)] == expected
    assert 10 < moments < 500


def _claim_interrupted(moment: int) -> bool:
    """Ask for the first id, and let another claim of it run at this opcode; return ``False`` if there are fewer."""
    passed, has_run = 0, False

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal passed, has_run
        if frame.f_code is not ids.root_operation_id.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if passed == moment:
                has_run = True
                ids.root_operation_id(1)
            passed += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ids.root_operation_id(1)
    finally:
        sys.settrace(before)
    return has_run
