"""botocore can call the server over a socket and read its responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.server.server_rig import FUNCTION, ServerRig

from durable_execution_sdk.server.http_server import Server, serve

Served = tuple[ServerRig, Server]


def start(api: Any, event: Any, **options: Any) -> str:
    answer = api.invoke(
        FunctionName="workflow",
        Qualifier="$LATEST",
        InvocationType="Event",
        Payload=json.dumps(event),
        **options,
    )
    assert answer["StatusCode"] == 202
    return answer["DurableExecutionArn"]


def asking(served: Served, api: Any) -> tuple[str, str]:
    """Start an execution that waits for an answer; return it and the callback's id."""
    server_rig, _ = served
    arn = start(api, {"do": "ask"})
    server_rig.driver.run_until(lambda: bool(server_rig.emulator.operations(arn)[1:]), patient=True)
    return arn, server_rig.callback_id(arn)


def end(served: Served, arn: str) -> None:
    served[0].driver.run_until_closed(arn, patient=True)


def moment(milliseconds: float | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_a_synchronous_invoke_waits_for_the_result(api: Any) -> None:
    answer = api.invoke(
        FunctionName=FUNCTION,
        Payload=json.dumps({"do": "sleep", "seconds": 31_000_000}),
        DurableExecutionName="sleeper",
    )
    assert (answer["StatusCode"], json.load(answer["Payload"])) == (200, "awake")
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "/durable-execution/sleeper/" in answer["DurableExecutionArn"]
    assert "FunctionError" not in answer


def test_the_same_name_and_input_give_the_same_execution_and_result(api: Any) -> None:
    asked = {
        "FunctionName": FUNCTION,
        "Payload": json.dumps({"do": "add", "a": 2, "b": 3}),
        "DurableExecutionName": "twice",
    }
    first, second = api.invoke(**asked), api.invoke(**asked)
    assert first["DurableExecutionArn"] == second["DurableExecutionArn"]
    assert json.load(first["Payload"]) == json.load(second["Payload"]) == 5
    with pytest.raises(api.exceptions.DurableExecutionAlreadyStartedException) as raised:
        api.invoke(**{**asked, "Payload": "{}"})
    assert "twice" in raised.value.response["Message"]


def test_a_failed_execution_is_a_function_error(api: Any) -> None:
    answer = api.invoke(FunctionName=FUNCTION, Payload=json.dumps({"do": "fail"}))
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error = json.load(answer["Payload"])
    assert (error["errorType"], error["errorMessage"]) == ("LookupError", "no tea")


def test_a_plain_function_can_be_called_in_all_three_ways(api: Any) -> None:
    assert json.load(api.invoke(FunctionName="greet", Payload='"Ada"')["Payload"]) == {
        "hello": "Ada"
    }
    assert api.invoke(FunctionName="greet", InvocationType="Event")["StatusCode"] == 202
    assert api.invoke(FunctionName="greet", InvocationType="DryRun")["StatusCode"] == 204


def test_an_execution_is_described_in_full(served: Served, api: Any) -> None:
    server_rig, _ = served
    arn = start(api, {"do": "add", "a": 1, "b": 2}, DurableExecutionName="described")
    end(served, arn)
    description = server_rig.emulator.describe(arn)
    response = api.get_durable_execution(DurableExecutionArn=arn)
    assert response["DurableExecutionArn"] == arn
    assert response["DurableExecutionName"] == "described"
    assert response["FunctionArn"].endswith(":function:workflow:$LATEST")
    assert (response["Status"], response["Result"], response["Version"]) == (
        "SUCCEEDED",
        "3",
        "$LATEST",
    )
    assert json.loads(response["InputPayload"]) == {"do": "add", "a": 1, "b": 2}
    assert response["StartTimestamp"] == moment(description.start_timestamp)
    assert response["EndTimestamp"] == moment(description.end_timestamp)
    assert response["ExecutionDataIncluded"] is True
    assert response["DurableConfig"]["ExecutionTimeout"] == 31_622_400
    compact = api.get_durable_execution(DurableExecutionArn=arn, IncludeExecutionData=False)
    assert compact["ExecutionDataIncluded"] is False
    assert not {"InputPayload", "Result"} & set(compact)


def test_the_history_is_understood_to_the_last_member_and_comes_in_pages(
    served: Served, api: Any
) -> None:
    arn = start(api, {"do": "everything"})
    end(served, arn)
    pages = list(
        api.get_paginator("get_durable_execution_history").paginate(
            DurableExecutionArn=arn, PaginationConfig={"PageSize": 4}
        )
    )
    assert len(pages) > 4 and all(len(page["Events"]) <= 4 for page in pages)
    events = [event for page in pages for event in page["Events"]]
    assert [event["EventId"] for event in events] == list(range(1, len(events) + 1))
    assert {
        "StepFailed",
        "StepSucceeded",
        "WaitSucceeded",
        "ChainedInvokeSucceeded",
        "ContextSucceeded",
        "CallbackTimedOut",
        "ExecutionSucceeded",
    } <= {event["EventType"] for event in events}
    for event in events:
        assert isinstance(event["EventTimestamp"], datetime)
        assert f"{event['EventType']}Details" in event
    backwards = api.get_durable_execution_history(
        DurableExecutionArn=arn, ReverseOrder=True, MaxItems=1000, IncludeExecutionData=False
    )
    assert [event["EventId"] for event in backwards["Events"]] == list(range(len(events), 0, -1))


def test_executions_are_listed_in_pages_and_by_what_they_are(served: Served, api: Any) -> None:
    for number in range(5):
        end(
            served,
            start(api, {"do": "add", "a": number, "b": 0}, DurableExecutionName=f"l{number}"),
        )
    pages = list(
        api.get_paginator("list_durable_executions_by_function").paginate(
            FunctionName="workflow", ReverseOrder=True, PaginationConfig={"PageSize": 2}
        )
    )
    listed = [execution for page in pages for execution in page["DurableExecutions"]]
    assert len({execution["DurableExecutionArn"] for execution in listed}) == len(listed) >= 5
    starts = [execution["StartTimestamp"] for execution in listed]
    assert starts == sorted(starts)
    [one] = api.list_durable_executions_by_function(
        FunctionName="workflow",
        Qualifier="$LATEST",
        DurableExecutionName="l3",
        Statuses=["SUCCEEDED", "FAILED"],
        StartedAfter=starts[0].replace(year=2020),
        StartedBefore=datetime(2100, 1, 1, tzinfo=UTC),
    )["DurableExecutions"]
    assert (one["DurableExecutionName"], one["Status"]) == ("l3", "SUCCEEDED")
    assert one["EndTimestamp"] >= one["StartTimestamp"]
    nothing = api.list_durable_executions_by_function(
        FunctionName="workflow", StartedAfter=datetime(2100, 1, 1, tzinfo=UTC)
    )
    assert not nothing.get("DurableExecutions")


def test_a_callback_succeeds_with_the_bytes_that_were_sent(served: Served, api: Any) -> None:
    arn, callback_id = asking(served, api)
    api.send_durable_execution_callback_heartbeat(CallbackId=callback_id)
    result = '{"paid": "ü"}'
    api.send_durable_execution_callback_success(CallbackId=callback_id, Result=result.encode())
    end(served, arn)
    response = api.get_durable_execution(DurableExecutionArn=arn)
    assert json.loads(response["Result"]) == json.loads(result)
    events = api.get_durable_execution_history(DurableExecutionArn=arn, MaxItems=1000)["Events"]
    [succeeded] = [event for event in events if event["EventType"] == "CallbackSucceeded"]
    assert succeeded["CallbackSucceededDetails"]["Result"]["Payload"] == result
    with pytest.raises(api.exceptions.CallbackTimeoutException) as raised:
        api.send_durable_execution_callback_success(CallbackId=callback_id)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_callback_may_succeed_without_a_result(served: Served, api: Any) -> None:
    arn, callback_id = asking(served, api)
    api.send_durable_execution_callback_success(CallbackId=callback_id)
    end(served, arn)
    assert api.get_durable_execution(DurableExecutionArn=arn)["Status"] == "SUCCEEDED"


def test_a_callback_fails_with_the_error_that_was_sent(served: Served, api: Any) -> None:
    arn, callback_id = asking(served, api)
    error = {
        "ErrorType": "Refused",
        "ErrorMessage": "no",
        "ErrorData": "{}",
        "StackTrace": ["here", "there"],
    }
    api.send_durable_execution_callback_failure(CallbackId=callback_id, Error=error)
    end(served, arn)
    events = api.get_durable_execution_history(DurableExecutionArn=arn, MaxItems=1000)["Events"]
    [failed] = [event for event in events if event["EventType"] == "CallbackFailed"]
    assert failed["CallbackFailedDetails"]["Error"]["Payload"] == error


def test_a_callback_that_is_not_there_is_not_found(api: Any) -> None:
    for send in (
        api.send_durable_execution_callback_success,
        api.send_durable_execution_callback_failure,
        api.send_durable_execution_callback_heartbeat,
    ):
        with pytest.raises(api.exceptions.ResourceNotFoundException):
            send(CallbackId="bm9ib2R5+/==")


def test_an_execution_is_paused_resumed_stopped_and_deleted(served: Served, api: Any) -> None:
    arn, _ = asking(served, api)

    def status(answer: dict[str, Any]) -> int:
        return answer["ResponseMetadata"]["HTTPStatusCode"]

    assert status(api.pause_durable_execution(DurableExecutionArn=arn, Reason="lunch")) == 202
    paused = api.get_durable_execution(DurableExecutionArn=arn)
    assert paused["Status"] == "PAUSED"
    assert isinstance(paused["PauseDetails"], dict)
    assert status(api.resume_durable_execution(DurableExecutionArn=arn)) == 202
    assert api.get_durable_execution(DurableExecutionArn=arn)["Status"] == "RUNNING"
    with pytest.raises(api.exceptions.ResourceConflictException):
        api.delete_durable_execution(DurableExecutionArn=arn)
    stopped = api.stop_durable_execution(
        DurableExecutionArn=arn, Error={"ErrorType": "Bored", "ErrorMessage": "of it"}
    )
    response = api.get_durable_execution(DurableExecutionArn=arn)
    assert response["Status"] == "STOPPED"
    assert response["Error"]["ErrorType"] == "Bored"
    assert response["EndTimestamp"] == stopped["StopTimestamp"]
    deleted = api.delete_durable_execution(DurableExecutionArn=arn)
    assert status(deleted) == 202
    assert isinstance(deleted["DeletionRequestTimestamp"], datetime)
    with pytest.raises(api.exceptions.ResourceNotFoundException):
        api.get_durable_execution(DurableExecutionArn=arn)


def test_an_execution_is_stopped_without_a_reason(served: Served, api: Any) -> None:
    arn, _ = asking(served, api)
    assert isinstance(
        api.stop_durable_execution(DurableExecutionArn=arn)["StopTimestamp"], datetime
    )


def test_names_and_arguments_that_are_wrong_are_modelled_errors(api: Any) -> None:
    errors = api.exceptions
    with pytest.raises(errors.ResourceNotFoundException):
        api.invoke(FunctionName="nobody:$LATEST")
    with pytest.raises(errors.InvalidParameterValueException, match="unqualified"):
        api.invoke(FunctionName="workflow")
    with pytest.raises(errors.InvalidRequestContentException):
        api.invoke(FunctionName=FUNCTION, Payload=b"{")
    with pytest.raises(errors.RequestTooLargeException):
        api.invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=b'"%s"' % (b"x" * 2**20))
    with pytest.raises(errors.ResourceNotFoundException):
        api.list_durable_executions_by_function(FunctionName="nobody")


def test_a_handler_may_checkpoint_and_read_the_state_with_botocore(
    clients: Callable[[Server], Any],
) -> None:
    server_rig = ServerRig()
    operations: list[Any] = []

    def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
        operations.extend(checkpoint_and_read(client, event))
        return {"Status": "SUCCEEDED", "Result": "1"}

    server_rig.emulator.functions.add_durable("workflow", lambda _: handler)
    with serve(server_rig.driver, workers=0) as server:
        client = clients(server)
        arn = server_rig.run({"do": "by hand"})
    assert server_rig.emulator.describe(arn).status == "SUCCEEDED", server_rig.emulator.describe(
        arn
    )
    kinds = ["EXECUTION", "STEP", "STEP", "WAIT", "CALLBACK"]
    assert [operation["Type"] for operation in operations] == kinds
    assert operations[2]["StepDetails"]["Result"] == '"done"'
    assert isinstance(operations[3]["WaitDetails"]["ScheduledEndTimestamp"], datetime)
    assert operations[4]["CallbackDetails"]["CallbackId"]


def checkpoint_and_read(api: Any, event: dict[str, Any]) -> list[Any]:
    arn, token = event["DurableExecutionArn"], event["CheckpointToken"]
    stale = api.exceptions.InvalidParameterValueException

    def checkpoint(*updates: dict[str, Any]) -> list[Any]:
        nonlocal token
        answer = api.checkpoint_durable_execution(
            DurableExecutionArn=arn, CheckpointToken=token, Updates=list(updates)
        )
        with pytest.raises(stale, match="Invalid checkpoint token"):
            api.checkpoint_durable_execution(DurableExecutionArn=arn, CheckpointToken=token)
        assert answer["CheckpointToken"] != token
        token = answer["CheckpointToken"]
        return answer["NewExecutionState"]["Operations"]

    [started] = checkpoint({"Id": "a", "Type": "STEP", "Action": "START", "Name": "one"})
    assert (started["Id"], started["Status"]) == ("a", "STARTED")
    assert isinstance(started["StartTimestamp"], datetime)
    checkpoint(
        {"Id": "b", "Type": "STEP", "Action": "SUCCEED", "Payload": '"done"'},
        {"Id": "c", "Type": "WAIT", "Action": "START", "WaitOptions": {"WaitSeconds": 60}},
        {
            "Id": "d",
            "Type": "CALLBACK",
            "Action": "START",
            "CallbackOptions": {"TimeoutSeconds": 60},
        },
    )
    pages = list(
        api.get_paginator("get_durable_execution_state").paginate(
            DurableExecutionArn=arn, CheckpointToken=token, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["Operations"]) for page in pages] == [2, 2, 1]
    return [operation for page in pages for operation in page["Operations"]]
