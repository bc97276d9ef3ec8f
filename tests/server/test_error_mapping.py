from __future__ import annotations

import json
import logging

import botocore.session
import pytest
from tests.server.server_rig import ServerRig, execution

from durable_execution_sdk import errors
from durable_execution_sdk.errors import DurableError, ServiceError, StoreError
from durable_execution_sdk.protocol.error_codes import STATUS
from durable_execution_sdk.server.error_mapping import closing, refusal, unknown_operation

MODEL = botocore.session.Session().get_service_model("lambda")
MODELLED = {
    shape.name: shape
    for name in MODEL.operation_names
    if name == "Invoke" or "DurableExecution" in name
    for shape in MODEL.operation_model(name).error_shapes
}


def test_every_refusal_of_the_emulator_is_an_error_of_the_api_with_its_status() -> None:
    assert len(STATUS) >= 7
    for code, status in STATUS.items():
        assert MODELLED[code].metadata["error"]["httpStatusCode"] == status, code


@pytest.mark.parametrize("code", sorted(MODELLED))
def test_the_message_is_in_the_member_where_typed_clients_look(code: str) -> None:
    status = MODELLED[code].metadata["error"]["httpStatusCode"]
    answer = refusal(ServiceError("why", code=code, status=status))
    body = json.loads(answer.body)
    if code in STATUS:
        assert set(body) <= set(MODELLED[code].members)
    assert body["Type"] == ("User" if status < 500 else "Service")
    assert answer.status_code == status
    assert answer.headers["x-amzn-ErrorType"] == code


ERRORS = [getattr(errors, name) for name in errors.__all__ if name != "ServiceError"]


@pytest.mark.parametrize("kind", [*ERRORS, ZeroDivisionError, UnicodeError, TimeoutError])
def test_whatever_else_goes_wrong_is_an_error_of_the_service_and_is_logged(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    assert issubclass(kind, DurableError) or kind.__module__ == "builtins"
    group = issubclass(kind, ExceptionGroup)
    answer = refusal(
        kind("what happened", [ValueError("inside")]) if group else kind("what happened")
    )
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (500, "ServiceException")
    assert "what happened" in json.loads(answer.body)["Message"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_store_that_cannot_be_used_is_no_defect() -> None:
    body = json.loads(refusal(StoreError("choose another file")).body)
    assert body["Message"] == "choose another file"


def test_a_service_error_without_a_name_is_the_services_own() -> None:
    answer = refusal(ServiceError("cut off"))
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (500, "ServiceException")


def test_a_throttled_caller_is_told_when_to_come_back() -> None:
    error = ServiceError("slow down", code="TooManyRequestsException", status=429, retry_after=2.0)
    answer = refusal(error)
    assert answer.headers["Retry-After"] == "2"
    assert json.loads(answer.body) == {"Type": "User", "message": "slow down"}


def test_the_servers_own_refusals_are_readable() -> None:
    assert refusal(closing()).status_code == 503
    assert (
        "/2015-03-31/layers"
        in json.loads(refusal(unknown_operation("GET", "/2015-03-31/layers")).body)["message"]
    )


def test_a_defect_is_answered_over_http_too(
    server_rig: ServerRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(server_rig.emulator, "describe", broken)
    answer = server_rig.call("GET", execution(server_rig.run({"do": "add", "a": 1, "b": 1})))
    assert answer.status_code == 500
    assert "ZeroDivisionError: oops" in answer.json()["Message"]
    assert "ZeroDivisionError" in caplog.text
