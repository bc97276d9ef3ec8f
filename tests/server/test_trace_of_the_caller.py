"""The headers with which a caller names its trace become those of the execution."""

from __future__ import annotations

import pytest
from tests.server.server_rig import ServerRig, invocations


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"X-Amzn-Trace-Id": "Root=1-2-3"}, "Root=1-2-3"),
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1",
        ),
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02"},
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0",
        ),
        ({"X-Amzn-Trace-Id": "Root=1-2-3", "traceparent": "00-4bf9-00f0-01"}, "Root=1-2-3"),
        ({"traceparent": "00-4bf9-00f0-01"}, None),
    ],
)
def test_the_trace_of_the_caller_is_that_of_the_execution(
    headers: dict[str, str], expected: str | None
) -> None:
    rig = ServerRig()
    sent = {"X-Amz-Invocation-Type": "Event", **headers}
    answer = rig.call("POST", invocations(), content=b'{"do": "add"}', headers=sent)
    described = rig.emulator.describe(answer.headers["X-Amz-Durable-Execution-Arn"])
    assert (described.trace_header and described.trace_header.x_amzn_trace_id) == expected
