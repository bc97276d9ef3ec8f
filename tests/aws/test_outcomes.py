"""All faults of the service, and their effect on the execution, as listed in docs/faults.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from tests.aws.conftest import Answer, Loopback, Waits

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    DurableHandler,
    InvocationError,
    ServiceError,
    durable_execution,
)
from durable_execution_sdk.aws import LambdaClient, framing
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.call_timing import Patience

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST/durable-execution/n/run"
SUCCEEDED, FAILED, PENDING, AGAIN = "SUCCEEDED", "FAILED", "PENDING", "again"
OK = Answer.http(body=b'{"CheckpointToken":"next"}')
ATTEMPTS = 5


def refused(status: int, code: str | None = None, **headers: str) -> Answer:
    named = {"x_amzn_ErrorType": code} if code else {}
    body = json.dumps({"Message": "says the service", "Type": "User"}).encode()
    return Answer.http(status, body, **named, **headers)


def answered(**members: Any) -> Answer:
    return Answer.http(body=json.dumps({"CheckpointToken": "next", **members}).encode())


def operation(operation_id: str = "other", **members: Any) -> dict[str, Any]:
    return {
        "Id": operation_id,
        "Type": "STEP",
        "Status": "SUCCEEDED",
        "StartTimestamp": 1.5,
        **members,
    }


def state(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"Operations": list(operations)}


RESET = Answer(then_close=True)
HALF = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", then_close=True)
NO_HTTP = Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n\r\n", then_close=True)
LONG_HEAD = Answer(raw=b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 60_000, then_close=True)
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
LONG = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WRONG_CHUNK = Answer(raw=LONG + b"3\r\n{}\r\n0\r\n\r\n", then_close=True)
DEEP = Answer.http(body=b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
FAR = 9e12

# First responses after which the call is retried within the invocation.
INSIDE: dict[str, Answer] = {
    "throttled": refused(429, "TooManyRequestsException"),
    "throttled with 400": refused(400, "ThrottlingException"),
    "throttled with Retry-After": refused(429, None, Retry_After="2"),
    "500": refused(500, "ServiceException"),
    "502": refused(502),
    "503": refused(503),
    "504": refused(504),
    "reset": RESET,
    "half an answer": HALF,
    "a chunk of another length": WRONG_CHUNK,
    "not HTTP": NO_HTTP,
    "headers without end": LONG_HEAD,
    "a body without end": Answer(raw=LONG + CHUNK * 20, then_close=True),
    "a body that says it is huge": Answer(
        raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"
    ),
    "a line without end": Answer(raw=LONG + b"0" * 300_000),
    "a length of a thousand digits": Answer(raw=LONG + b"f" * 1_000 + b"\r\n"),
}

AT_ONCE: dict[str, tuple[Answer, str]] = {
    "not JSON": (Answer.http(body=b"<html>"), AGAIN),
    "not UTF-8": (Answer.http(body=b'{"CheckpointToken":"\xff"}'), AGAIN),
    "half a surrogate": (Answer.http(body=b'{"CheckpointToken":"\\ud800"}'), AGAIN),
    "of other types": (Answer.http(body=b'{"CheckpointToken":7}'), AGAIN),
    "a list": (Answer.http(body=b"[]"), AGAIN),
    "nested": (DEEP, AGAIN),
    "a time beyond calendars": (
        answered(NewExecutionState=state(operation(StartTimestamp=FAR))),
        AGAIN,
    ),
    "an infinite time": (
        answered(NewExecutionState=state(operation(EndTimestamp=1e308))),
        AGAIN,
    ),
    "a time before time": (answered(NewExecutionState=state(operation(EndTimestamp=-5))), AGAIN),
    "unknown fields": (answered(Mood="good", NewExecutionState={"Weather": [1]}), SUCCEEDED),
    "an unknown type of another": (
        answered(NewExecutionState=state(operation(Type="DREAM", DreamDetails={}))),
        SUCCEEDED,
    ),
    "an unknown status of another": (
        answered(NewExecutionState=state(operation(Status="FROZEN"))),
        SUCCEEDED,
    ),
    "no token": (Answer.http(), PENDING),
    "a null token": (Answer.http(body=b'{"CheckpointToken":null}'), PENDING),
    "expired": (refused(403, "ExpiredTokenException"), AGAIN),
    "an unknown key": (refused(403, "UnrecognizedClientException"), AGAIN),
    "another clock": (refused(403, "InvalidSignatureException"), AGAIN),
    "no access": (refused(403, "AccessDeniedException"), FAILED),
    "bad request": (refused(400, "InvalidParameterValueException"), FAILED),
    "not found": (refused(404, "ResourceNotFoundException"), FAILED),
    "conflict": (refused(409, "ResourceConflictException"), FAILED),
    "too large": (refused(413, "RequestTooLargeException"), FAILED),
    "elsewhere": (refused(301), FAILED),
    "KMS": (refused(502, "KMSAccessDeniedException"), FAILED),
}


@dataclass
class Ran:
    """Outcome of an invocation."""

    outcome: str
    error: str = ""
    result: Any = None


@dataclass
class LambdaContext:
    """The members of Lambda's context that the SDK uses."""

    milliseconds: int = 10_000
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


async def add(one: int, other: int) -> int:
    return one + other


@durable_execution
async def workflow(event: int, ctx: DurableContext) -> int:
    return await ctx.step(add, event, 1)


def event(**members: Any) -> dict[str, Any]:
    execution = {
        "Id": "run",
        "Type": "EXECUTION",
        "Status": "STARTED",
        "StartTimestamp": 1_700_000_000_000,
        "ExecutionDetails": {"InputPayload": "1"},
    }
    return {
        "DurableExecutionArn": ARN,
        "CheckpointToken": "first",
        "InitialExecutionState": {"Operations": [execution], "NextMarker": ""},
    } | members


@dataclass
class Service:
    """A function with a service that sends scripted responses; delays take no real time."""

    server: Loopback
    waits: Waits
    patience: Patience = field(default_factory=lambda: Patience(connect=5, answer=5))
    environ: dict[str, str] = field(default_factory=dict[str, str])

    def run(
        self,
        handler: DurableHandler[Any, Any] = workflow,
        milliseconds: int = 10_000,
        **members: Any,
    ) -> Ran:
        environ = self.server.environ(**self.environ)
        client = LambdaClient(environ=environ, timing=self.waits.timing, patience=self.patience)
        plane = LambdaDataPlane(client)
        try:
            outcome = handler.bind(plane)(event(**members), LambdaContext(milliseconds))
        except (ServiceError, InvocationError) as error:
            return Ran(AGAIN, str(error))
        finally:
            client._transport.close()  # pyright: ignore[reportPrivateUsage]
        error = cast("dict[str, Any]", outcome.get("Error") or {})
        return Ran(outcome["Status"], error.get("ErrorMessage", ""), outcome.get("Result"))


@pytest.fixture
def service(server: Loopback, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(framing, "LARGEST_BODY", 1_000_000)
    server.usual = OK
    instance = Service(server, waits)
    yield instance


@pytest.mark.parametrize("fault", INSIDE)
def test_a_transient_fault_is_retried_inside_the_invocation(fault: str, service: Service) -> None:
    service.server.answers.append(INSIDE[fault])
    assert service.run() == Ran(SUCCEEDED, result="2")
    assert len(service.server.requests) == 2
    bodies = [json.loads(request.body) for request in service.server.requests]
    # The same request, which the service recognizes by its token.
    assert bodies[0] == bodies[1] and bodies[0]["ClientToken"]
    if fault == "throttled with Retry-After":
        assert service.waits.slept[0] >= 2


@pytest.mark.parametrize("fault", INSIDE)
def test_a_lasting_transient_fault_lets_lambda_invoke_again(fault: str, service: Service) -> None:
    service.server.usual = INSIDE[fault]
    ran = service.run()
    assert ran.outcome == AGAIN, ran
    assert len(service.server.requests) == ATTEMPTS


@pytest.mark.parametrize("fault", AT_ONCE)
def test_a_fault_that_retries_cannot_cure_has_its_outcome_at_once(
    fault: str, service: Service
) -> None:
    answer, outcome = AT_ONCE[fault]
    service.server.answers.append(answer)
    ran = service.run()
    assert ran.outcome == outcome, ran
    assert len(service.server.requests) == 1
    if outcome == FAILED:
        assert "step 'add'" in ran.error
        assert "says the service" in ran.error


def test_a_stale_token_lets_lambda_invoke_again(service: Service) -> None:
    body = b'{"message":"Invalid checkpoint token","Type":"User"}'
    service.server.usual = Answer.http(400, body, x_amzn_ErrorType="InvalidParameterValueException")
    assert service.run().outcome == AGAIN
    assert len(service.server.requests) == 1


def test_an_unknown_status_of_an_awaited_operation_fails_the_invocation_only(
    service: Service,
) -> None:
    error_types: list[str] = []

    @durable_execution(checkpointing=CheckpointingMode.EAGER)
    async def eager(event: int, ctx: DurableContext) -> None:
        try:
            await ctx.step(add, 1, 1)
        except BaseException as error:
            error_types.append(type(error).__name__)
            raise

    service.server.usual = OK
    service.run(eager)
    [started] = json.loads(service.server.requests[0].body)["Updates"][:1]
    frozen = operation(started["Id"], Status="FROZEN", Name="add", SubType="Step")
    service.server.answers.append(answered(NewExecutionState=state(frozen)))
    ran = service.run(eager)
    assert ran.outcome == AGAIN
    assert "'FROZEN'" in ran.error and "step 'add'" in ran.error
    # Also on replay, where the operation is in the event.
    recorded = event()["InitialExecutionState"]["Operations"] + [frozen | {"StartTimestamp": 2}]
    ran = service.run(InitialExecutionState={"Operations": recorded, "NextMarker": ""})
    assert ran.outcome == AGAIN
    assert "'FROZEN'" in ran.error


MARKED = {"Operations": event()["InitialExecutionState"]["Operations"], "NextMarker": "m"}


def pages(make: Callable[[int], dict[str, Any]]) -> Callable[[Any], Answer]:
    count = 0

    def answer(request: Any) -> Answer:
        nonlocal count
        if request.method == "POST":
            return OK
        count += 1
        return Answer.http(body=json.dumps(make(count)).encode())

    return answer


ENDLESS: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    "a marker that comes again": (
        lambda n: {"Operations": [], "NextMarker": f"m{n % 3}"},
        "came twice",
    ),
    "itself": (lambda n: {"Operations": [], "NextMarker": "m"}, "came twice"),
    "empty pages": (lambda n: {"Operations": [], "NextMarker": f"n{n}"}, "no operations"),
    "large pages": (
        lambda n: {
            "Operations": [operation(f"o{n}", StepDetails={"Attempt": 1, "Result": "x" * 500_000})],
            "NextMarker": f"n{n}",
        },
        "bytes",
    ),
}


@pytest.mark.parametrize("fault", ENDLESS)
def test_a_state_without_end_is_read_within_bounds(
    fault: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durable_execution_sdk.runtime.log.state_pages.MOST_BYTES", 3_000_000)
    make, reason = ENDLESS[fault]
    monkeypatch.setattr(service.server, "answer", pages(make))
    ran = service.run(InitialExecutionState=MARKED)
    assert ran.outcome == AGAIN
    assert reason in ran.error and ARN in ran.error


def test_pages_of_an_answer_are_read_within_the_same_bounds(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Any) -> Answer:
        if request.method == "POST":
            return answered(NewExecutionState={"Operations": [], "NextMarker": "m"})
        return Answer.http(body=b'{"Operations":[],"NextMarker":"m"}')

    monkeypatch.setattr(service.server, "answer", answer)
    ran = service.run()
    assert (ran.outcome, "came twice" in ran.error) == (AGAIN, True)


def test_the_number_of_operations_is_not_limited(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(n: int) -> dict[str, Any]:
        operations = [
            operation(f"{n}-{index}", StepDetails={"Attempt": 1}) for index in range(1_000)
        ]
        return {"Operations": operations, "NextMarker": f"n{n}" if n < 12 else None}

    monkeypatch.setattr(service.server, "answer", pages(make))
    assert service.run(InitialExecutionState=MARKED).outcome in {SUCCEEDED, FAILED}


def test_a_state_that_does_not_come_in_time_lets_lambda_invoke_again(service: Service) -> None:
    service.server.usual = Answer()
    ran = service.run(milliseconds=700, InitialExecutionState=MARKED)
    assert (ran.outcome, "before the function's time was up" in ran.error) == (AGAIN, True)


def test_a_silent_service_is_named_when_the_time_is_up(service: Service) -> None:
    service.server.usual = Answer()
    ran = service.run(milliseconds=900)
    assert ran.outcome == AGAIN
    assert "which the service has not answered" in ran.error


def test_a_service_that_is_silent_only_longer_than_patience_is_asked_again(
    service: Service,
) -> None:
    service.patience = Patience(connect=5, answer=0.05)
    service.server.answers.append(Answer())
    assert service.run().outcome == SUCCEEDED
    assert len(service.server.requests) == 2


def test_a_service_that_refuses_connections(service: Service) -> None:
    service.environ = {"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"}
    ran = service.run()
    assert (ran.outcome, "no connection to 127.0.0.1:9" in ran.error) == (AGAIN, True)


def test_a_name_without_an_address(service: Service) -> None:
    service.environ = {"AWS_ENDPOINT_URL_LAMBDA": "http://nowhere.invalid"}
    ran = service.run()
    assert (ran.outcome, "nowhere.invalid" in ran.error) == (AGAIN, True)


def test_a_certificate_that_is_not_trusted(tls_server: Loopback, waits: Waits) -> None:
    url = f"https://127.0.0.1:{tls_server.port}"
    ran = Service(tls_server, waits, environ={"AWS_ENDPOINT_URL_LAMBDA": url}).run()
    assert (ran.outcome, "CERTIFICATE_VERIFY_FAILED" in ran.error) == (AGAIN, True)


def test_keys_that_are_gone_may_come_back(service: Service) -> None:
    @durable_execution
    async def losing(event: int, ctx: DurableContext) -> int:
        client._environ.clear()  # type: ignore[attr-defined]
        return await ctx.step(add, event, 1)

    environ = service.server.environ()
    client = LambdaClient(environ=environ, timing=service.waits.timing)
    try:
        with pytest.raises(ServiceError, match="no longer has AWS_ACCESS_KEY_ID") as caught:
            losing.bind(LambdaDataPlane(client))(event(), LambdaContext())
    finally:
        asyncio.run(client.aclose())
    assert caught.value.is_about_credentials
    assert service.server.requests == []


EVENTS: dict[str, dict[str, Any]] = {
    "no ARN": {"DurableExecutionArn": ""},
    "an ARN of another type": {"DurableExecutionArn": 7},
    "half a surrogate in the ARN": {"DurableExecutionArn": "a\ud800"},
    "half a surrogate in the token": {"CheckpointToken": "a\ud800"},
    "half a surrogate in the marker": {
        "InitialExecutionState": {"Operations": [], "NextMarker": "\ud800"}
    },
    "no EXECUTION": {"InitialExecutionState": {"Operations": [], "NextMarker": ""}},
    "an infinite time": {
        "InitialExecutionState": {
            "Operations": [operation(StartTimestamp=float("inf"))],
            "NextMarker": "",
        }
    },
    "a time beyond calendars": {
        "InitialExecutionState": {
            "Operations": [operation(StartTimestamp=10**17)],
            "NextMarker": "",
        }
    },
    "a time that is no number": {
        "InitialExecutionState": {
            "Operations": [operation(StartTimestamp=float("nan"))],
            "NextMarker": "",
        }
    },
}


@pytest.mark.parametrize("fault", EVENTS)
def test_an_event_that_is_none_of_the_services_is_raised(fault: str, service: Service) -> None:
    ran = service.run(**EVENTS[fault])
    assert ran.outcome == AGAIN
    assert service.server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@[::1",
        "https://me:secret@host/x?y",
        "ftp://me:secret@host",
        "https://host/x?token=secret",
        "https://me:secret@host/x?token=secret#secret",
        "https://host/x#secret",
    ],
)
def test_a_password_in_an_endpoint_is_never_shown(url: str, service: Service) -> None:
    service.environ = {"AWS_ENDPOINT_URL_LAMBDA": url}
    with pytest.raises(ValueError, match="not an endpoint URL") as caught:
        service.run()
    assert "secret" not in str(caught.value)
    assert "***" in str(caught.value)
