"""The headers with which a caller names its trace become those of the execution."""

from __future__ import annotations

from typing import Any

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


@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_a_plain_function_gets_the_header_of_its_caller(kind: str) -> None:
    rig, headers = ServerRig(), []

    def plain(event: Any, context: Any) -> None:
        headers.append(context.trace_header)

    rig.emulator.functions.add_plain("plain", plain)
    sent = {"X-Amz-Invocation-Type": kind, "X-Amzn-Trace-Id": "Root=1-2-3"}
    rig.call("POST", invocations("plain"), content=b"{}", headers=sent)
    rig.driver.run_until(lambda: bool(headers), patient=True)
    assert headers == ["Root=1-2-3"]
