"""Planned faults reach a client over HTTP as the service's errors, and a repeated request is answered."""

from __future__ import annotations

import pytest
from tests.server.server_rig import ServerRig, execution

from durable_execution_sdk.emulator.faults.live import FaultKind, LiveFault
from durable_execution_sdk.engine.commands import StartInvocation

UPDATES = [{"Id": "s", "Type": "STEP", "Action": "START"}]


@pytest.mark.parametrize(
    ("kind", "status", "recorded"),
    [
        (FaultKind.THROTTLE, 429, False),
        (FaultKind.LOSE_RESPONSE, 500, True),
        (FaultKind.CRASH_BEFORE, 500, False),
        (FaultKind.CRASH_AFTER, 500, True),
    ],
)
def test_a_fault_is_an_error_for_the_client(kind: FaultKind, status: int, recorded: bool) -> None:
    rig = ServerRig()
    arn = rig.start({"do": "ask"})
    state = rig.emulator.coordinator.submit(arn, StartInvocation(request_id="r"))
    assert state.invocation is not None
    body = {
        "CheckpointToken": state.invocation.token,
        "Updates": UPDATES,
        "ClientToken": "t" * 36,
    }
    rig.emulator.faults.plan(arn, LiveFault(kind=kind))
    refused = rig.call("POST", execution(arn, "/checkpoint"), json=body)
    assert refused.status_code == status
    assert len(rig.emulator.operations(arn)[1:]) == recorded
    again = rig.call("POST", execution(arn, "/checkpoint"), json=body)
    # The invocation goes on after a fault of the network; a crash has ended it.
    crashed = kind in (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER)
    assert again.status_code == (400 if kind is FaultKind.CRASH_BEFORE else 200), again.text
    assert (rig.emulator.progress(arn).failures == 1) == crashed
