"""The API's requests and responses on the wire, called in this process without a socket."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.server.server_rig import ServerRig, callback, execution, invocations


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert answer.status_code == status
    assert answer.headers["x-amzn-errortype"] == code
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    return body.get("message") or body["Message"]


def test_an_execution_is_found_by_its_encoded_arn(server_rig: ServerRig) -> None:
    arn = server_rig.run({"do": "add", "a": 20, "b": 22})
    answer = server_rig.call("GET", execution(arn))
    assert "%2Fdurable-execution%2F" in execution(arn)
    assert "%24LATEST" in execution(arn)
    document = answer.json()
    assert (document["DurableExecutionArn"], document["Result"]) == (arn, "42")
    assert answer.headers["x-amzn-requestid"]


def test_times_are_in_seconds(server_rig: ServerRig) -> None:
    started = server_rig.clock.now() / 1000
    arn = server_rig.begin({"do": "ask"})
    assert server_rig.call("GET", execution(arn)).json()["StartTimestamp"] == started
    [first, *_] = server_rig.call("GET", execution(arn, "/history")).json()["Events"]
    assert first["EventTimestamp"] == started
    stopped = server_rig.call("POST", execution(arn, "/stop")).json()
    assert started < stopped["StopTimestamp"] < started + 1


def test_the_body_of_a_stop_is_the_error_itself(server_rig: ServerRig) -> None:
    arn = server_rig.begin({"do": "ask"})
    answer = server_rig.call("POST", execution(arn, "/stop"), json={"ErrorType": "Bored", "New": 1})
    assert answer.status_code == 200
    document = server_rig.call("GET", execution(arn)).json()
    assert (document["Status"], document["Error"]["ErrorType"]) == ("STOPPED", "Bored")


@pytest.mark.parametrize("result", ['{"a": "ü"}', "plain text", " "])
def test_the_body_of_a_success_is_the_result_itself(server_rig: ServerRig, result: str) -> None:
    arn = server_rig.begin({"do": "ask"})
    path = callback(server_rig.callback_id(arn), "succeed")
    assert server_rig.call("POST", path, content=result.encode()).json() == {}
    [details] = [
        event["CallbackSucceededDetails"]["Result"]["Payload"]
        for event in server_rig.call("GET", execution(arn, "/history")).json()["Events"]
        if event["EventType"] == "CallbackSucceeded"
    ]
    assert details == result


def test_the_body_of_a_failure_is_the_error_itself(server_rig: ServerRig) -> None:
    arn = server_rig.begin({"do": "ask"})
    error = {"ErrorType": "Refused", "ErrorMessage": "no"}
    server_rig.call("POST", callback(server_rig.callback_id(arn), "fail"), json=error)
    server_rig.driver.run_until_closed(arn)
    document = server_rig.call("GET", execution(arn)).json()
    assert document["Status"] == "FAILED"
    assert document["Error"]["ErrorMessage"] == "no"


def test_a_heartbeat_has_no_body(server_rig: ServerRig) -> None:
    path = callback(server_rig.callback_id(server_rig.begin({"do": "ask"})), "heartbeat")
    answer = server_rig.call("POST", path)
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    ("code", "path", "options"),
    [
        ("InvalidParameterValueException", execution("no-arn"), {}),
        ("InvalidParameterValueException", execution("ARN") + "?IncludeExecutionData=maybe", {}),
        ("InvalidParameterValueException", execution("ARN", "/history") + "?MaxItems=-1", {}),
        ("InvalidParameterValueException", execution("ARN", "/history") + "?MaxItems=1001", {}),
        ("InvalidParameterValueException", execution("ARN", "/history") + "?Marker=x", {}),
        ("InvalidParameterValueException", execution("ARN", "/state"), {}),
        (
            "InvalidParameterValueException",
            "/2025-12-01/functions/workflow/durable-executions?StartedAfter=yesterday",
            {},
        ),
    ],
)
def test_a_get_that_makes_no_sense_is_refused(
    server_rig: ServerRig, code: str, path: str, options: dict[str, Any]
) -> None:
    path = path.replace(
        "ARN", execution(server_rig.run({"do": "add", "a": 1, "b": 1})).split("/")[-1]
    )
    refused(server_rig.call("GET", path, **options), 400, code)


@pytest.mark.parametrize("call", ["/checkpoint", "/stop", "/pause", "/resume"])
@pytest.mark.parametrize("body", [b"{", b'"text"', b'{"CheckpointToken": 1, "ErrorType": 1}'])
def test_a_body_that_makes_no_sense_is_refused(
    server_rig: ServerRig, call: str, body: bytes
) -> None:
    if call in {"/pause", "/resume"}:
        body = body.replace(b"ErrorType", b"Reason")
    answer = server_rig.call("POST", execution(server_rig.begin({"do": "ask"}), call), content=body)
    message = refused(answer, 400, "InvalidParameterValueException")
    assert "body of the request" in message


def test_a_used_token_is_refused_in_the_words_that_clients_look_for(server_rig: ServerRig) -> None:
    arn = server_rig.begin({"do": "ask"})
    answer = server_rig.call(
        "POST", execution(arn, "/checkpoint"), json={"CheckpointToken": "bm9wZQ=="}
    )
    assert "Invalid checkpoint token" in refused(answer, 400, "InvalidParameterValueException")


def test_the_data_plane_does_not_know_what_is_not_found(server_rig: ServerRig) -> None:
    arn = server_rig.run({"do": "add", "a": 1, "b": 1}).replace(
        "durable-execution", "durable-execution", 1
    )
    gone = arn[:-1] + ("0" if arn[-1] != "0" else "1")
    refused(server_rig.call("GET", execution(gone)), 404, "ResourceNotFoundException")
    answer = server_rig.call(
        "GET", execution(gone, "/state"), params={"CheckpointToken": "bm9wZQ=="}
    )
    refused(answer, 400, "InvalidParameterValueException")


def test_an_invoke_that_nobody_waits_for_is_accepted(server_rig: ServerRig) -> None:
    answer = server_rig.call(
        "POST",
        invocations(),
        json={"do": "add", "a": 1, "b": 2},
        headers={"X-Amz-Invocation-Type": "Event", "X-Amz-Durable-Execution-Name": "sum"},
    )
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["x-amz-executed-version"] == "$LATEST"
    arn = answer.headers["x-amz-durable-execution-arn"]
    assert arn == server_rig.emulator.find_name("sum")
    server_rig.driver.run_until_closed(arn)
    assert server_rig.emulator.describe(arn).result == "3"


def test_the_qualifier_may_be_in_the_query(server_rig: ServerRig) -> None:
    event = {"X-Amz-Invocation-Type": "Event"}
    answer = server_rig.call("POST", invocations("workflow"), json={"do": "ask"}, headers=event)
    assert "unqualified" in refused(answer, 400, "InvalidParameterValueException")
    answer = server_rig.call(
        "POST", invocations("workflow") + "?Qualifier=7", json={"do": "ask"}, headers=event
    )
    assert answer.headers["x-amz-executed-version"] == "7"


def test_a_dry_run_runs_nothing(server_rig: ServerRig) -> None:
    answer = server_rig.call("POST", invocations(), headers={"X-Amz-Invocation-Type": "DryRun"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert server_rig.call("GET", "/2025-12-01/functions/workflow/durable-executions").json() == {}


def test_an_unknown_invocation_type_is_refused(server_rig: ServerRig) -> None:
    answer = server_rig.call("POST", invocations(), headers={"X-Amz-Invocation-Type": "Soon"})
    assert "RequestResponse, Event, DryRun" in refused(
        answer, 400, "InvalidParameterValueException"
    )


def test_a_plain_function_is_called_and_answers(server_rig: ServerRig) -> None:
    answer = server_rig.call("POST", invocations("greet"), content=b'"Ada"')
    assert (answer.status_code, answer.json()) == (200, {"hello": "Ada"})
    assert "x-amz-durable-execution-arn" not in answer.headers
    assert "x-amz-function-error" not in answer.headers


def test_a_function_that_fails_is_an_answer_with_a_header(server_rig: ServerRig) -> None:
    answer = server_rig.call("POST", invocations("greet"), content=b'"explode"')
    assert answer.status_code == 200
    assert answer.headers["x-amz-function-error"] == "Unhandled"
    assert (answer.json()["errorType"], answer.json()["errorMessage"]) == ("RuntimeError", "boom")


@pytest.mark.parametrize(
    ("function", "content", "status", "code"),
    [
        ("nobody:1", b"{}", 404, "ResourceNotFoundException"),
        ("workflow:1", b"{", 400, "InvalidRequestContentException"),
        ("workflow:1", b'"' + b"x" * 6_291_456 + b'"', 413, "RequestTooLargeException"),
    ],
    ids=["unknown", "no JSON", "too large"],
)
def test_an_invoke_that_cannot_be_is_refused(
    server_rig: ServerRig, function: str, content: bytes, status: int, code: str
) -> None:
    refused(server_rig.call("POST", invocations(function), content=content), status, code)


def test_a_name_that_is_taken_for_another_input_is_a_conflict(server_rig: ServerRig) -> None:
    server_rig.start({"do": "ask"}, "one")
    headers = {"X-Amz-Invocation-Type": "Event", "X-Amz-Durable-Execution-Name": "one"}
    answer = server_rig.call("POST", invocations(), json={"do": "sleep"}, headers=headers)
    refused(answer, 409, "DurableExecutionAlreadyStartedException")


@pytest.mark.parametrize("path", ["/2015-03-31/layers", "/2025-12-01/durable-executions/x/y/z"])
def test_the_rest_of_lambdas_api_is_refused_as_such(server_rig: ServerRig, path: str) -> None:
    refused(server_rig.call("GET", path), 404, "UnknownOperationException")


def test_other_paths_are_left_to_others(server_rig: ServerRig) -> None:
    answer = server_rig.call("GET", "/favicon.ico")
    assert answer.status_code == 404
    assert "x-amzn-errortype" not in answer.headers


def test_requests_with_and_without_a_signature_are_equal(server_rig: ServerRig) -> None:
    arn = server_rig.run({"do": "add", "a": 1, "b": 1})
    signed = server_rig.call(
        "GET", execution(arn), headers={"Authorization": "AWS4-HMAC-SHA256 nonsense"}
    )
    assert signed.json() == server_rig.call("GET", execution(arn)).json()


def test_lists_are_filtered_and_paged(server_rig: ServerRig) -> None:
    arns = [server_rig.run({"do": "add", "a": 1, "b": n}, f"sum-{n}") for n in range(3)]
    asking = server_rig.begin({"do": "ask"}, "asking")
    path = "/2025-12-01/functions/workflow/durable-executions"

    def names(**query: Any) -> list[str]:
        page = server_rig.call("GET", path, params=query).json()
        return [
            execution["DurableExecutionName"] for execution in page.get("DurableExecutions", [])
        ]

    assert names() == ["asking", "sum-2", "sum-1", "sum-0"]
    assert names(ReverseOrder="true", MaxItems="2") == ["sum-0", "sum-1"]
    assert names(Statuses=["RUNNING", "FAILED"]) == ["asking"]
    assert names(Statuses="SUCCEEDED", DurableExecutionName="sum-1") == ["sum-1"]
    assert names(Qualifier="5") == []
    assert names(StartedAfter="2100-01-01T00:00:00Z") == []
    assert len(names(StartedBefore="2100-01-01T00:00:00")) == len([*arns, asking])


def test_a_pause_and_a_resume_have_reasons(server_rig: ServerRig) -> None:
    arn = server_rig.begin({"do": "ask"})
    pause = server_rig.call("POST", execution(arn, "/pause"), json={"Reason": "lunch"})
    assert (pause.status_code, pause.json()) == (202, {})
    assert server_rig.call("GET", execution(arn)).json()["Status"] == "PAUSED"
    assert server_rig.call("POST", execution(arn, "/resume")).status_code == 202
    types = [
        event["EventType"]
        for event in server_rig.call("GET", execution(arn, "/history")).json()["Events"]
    ]
    assert types[-2:] == ["ExecutionPaused", "ExecutionResumed"]


def test_only_what_has_ended_is_deleted(server_rig: ServerRig) -> None:
    arn = server_rig.begin({"do": "ask"})
    refused(server_rig.call("DELETE", execution(arn)), 409, "ResourceConflictException")
    server_rig.emulator.stop(arn)
    deleted = server_rig.call("DELETE", execution(arn))
    assert deleted.status_code == 202
    assert deleted.json()["DeletionRequestTimestamp"] >= server_rig.clock.now() / 1000
    refused(server_rig.call("GET", execution(arn)), 404, "ResourceNotFoundException")


def test_data_may_be_left_out(server_rig: ServerRig) -> None:
    arn = server_rig.run({"do": "add", "a": 1, "b": 2})
    assert server_rig.call("GET", execution(arn)).json()["InputPayload"] == json.dumps(
        {"do": "add", "a": 1, "b": 2}
    )
    without = server_rig.call(
        "GET", execution(arn), params={"IncludeExecutionData": "false"}
    ).json()
    assert "InputPayload" not in without and "Result" not in without
    assert without["ExecutionDataIncluded"] is False
