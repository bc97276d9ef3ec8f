"""Rehearsals in a process of their own."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import pytest
from tests.dev.reload.reload_rig import write

from durable_execution_sdk.dev.reload import rehearsal_process
from durable_execution_sdk.dev.reload.rehearsal_process import Rehearsals, Target, Verdict
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import InitialExecutionState, Invocation
from durable_execution_sdk.protocol.ids import ExecutionArn, execution_operation_id
from durable_execution_sdk.protocol.operations import (
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
)

ARN = str(ExecutionArn("aws", "us-east-1", "123456789012", "f", "$LATEST", "n", "run"))
INVOCATION = codec.encode_invocation_event(
    Invocation(
        durable_execution_arn=ARN,
        checkpoint_token="t",
        initial_execution_state=InitialExecutionState(
            operations=[
                Operation(
                    id=execution_operation_id(ARN),
                    type=OperationType.EXECUTION,
                    status=OperationStatus.STARTED,
                    start_timestamp=1_000,
                    execution_details=ExecutionDetails(input_payload="1"),
                )
            ]
        ),
    )
)


def rehearse(folder: Path, body: str, times: int = 1) -> list[Verdict]:
    write(
        folder / "app.py",
        "    import os, sys, time\n"
        "    @durable_execution\n"
        f"    async def f(event, ctx):\n        {body}\n        return await ctx.step(print, 1)\n",
    )
    target = Target(
        python=sys.executable,
        root=str(folder),
        handler="app.f",
        environment=dict(os.environ),
        directory=str(folder),
    )
    with Rehearsals() as rehearsals:
        return [rehearsals.rehearse(target, INVOCATION) for _ in range(times)]


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "print('among the answers', flush=True)",
        "assert sys.stdin.read() == ''",
        "os.write(1, b'more')",
    ],
)
def test_code_that_can_go_on_has_no_finding(tmp_path: Path, body: str) -> None:
    assert rehearse(tmp_path, body, times=2) == [Verdict(), Verdict()]


def test_code_that_ends_its_process_is_rehearsed_by_a_new_one(tmp_path: Path) -> None:
    verdicts = rehearse(tmp_path, "os._exit(3)", times=2)
    assert [verdict.unknown for verdict in verdicts] == [
        "the code has ended the process of the rehearsal"
    ] * 2
    assert all(verdict.obstacle is None for verdict in verdicts)


def test_code_that_does_not_come_to_rest_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal_process, "SECONDS", 3.0)
    [verdict] = rehearse(tmp_path, "time.sleep(1_000)")
    assert verdict.unknown == "the code did not come to rest in 3 seconds"


@pytest.mark.parametrize("detached", [False, True])
def test_a_process_that_the_code_forks_holds_nothing_up(tmp_path: Path, detached: bool) -> None:
    end, gate = tmp_path / "end", tmp_path / "gate"
    os.mkfifo(end)
    os.mkfifo(gate)
    ends = os.open(end, os.O_RDONLY | os.O_NONBLOCK)
    gates = os.open(gate, os.O_RDWR)
    # The end of ``ends`` comes when all processes have ended.
    held = f"os.open({str(end)!r}, os.O_WRONLY)"
    child = f"os.setsid() if {detached} else 0, os.read(os.open({str(gate)!r}, os.O_RDONLY), 1), os._exit(0)"
    assert rehearse(tmp_path, f"{held}, os.fork() or ({child})") == [Verdict()]
    if detached:
        os.write(gates, b"x")
    ready, _, _ = select.select([ends], [], [], 60)
    assert ready
    assert os.read(ends, 1) == b""
    os.close(ends)
    os.close(gates)


def test_a_failure_and_a_handler_that_is_gone_are_found(tmp_path: Path) -> None:
    [verdict] = rehearse(tmp_path, "raise ValueError('no')")
    assert verdict.finding is not None
    assert verdict.finding.actual == "it fails with ValueError: no"
    assert verdict.finding.line == 5
    write(tmp_path / "other.py", "")
    target = Target(
        python=sys.executable,
        root=str(tmp_path),
        handler="other.f",
        environment=dict(os.environ),
        directory=str(tmp_path),
    )
    with Rehearsals() as rehearsals:
        verdict = rehearsals.rehearse(target, INVOCATION)
        assert rehearsals.rehearse(target, INVOCATION) == verdict
    assert verdict.broken is not None
    assert verdict.broken.actual == "the module other has none of this name"
    with Rehearsals() as rehearsals:
        missing = Target(**{**_members(target), "python": str(tmp_path / "no-python")})
        assert "cannot run" in (rehearsals.rehearse(missing, INVOCATION).unknown or "")


def _members(target: Target) -> dict[str, object]:
    return {name: getattr(target, name) for name in target.__struct_fields__}
