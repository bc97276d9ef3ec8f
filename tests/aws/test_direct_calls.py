"""Checkpoints that are sent from the body of a step: each fault has the effect that it has in the writer's task."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.aws.conftest import Answer, Loopback, Waits
from tests.aws.test_outcomes import (
    AGAIN,
    AT_ONCE,
    ATTEMPTS,
    INSIDE,
    OK,
    SUCCEEDED,
    LambdaContext,
    Ran,
    Service,
    add,
    answered,
    event,
)
from tests.aws.test_outcomes import service as service  # noqa: PLC0414 - a fixture

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.credentials import CredentialsAtHand
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.aws.signer import Credentials
from durable_execution_sdk.call_timing import Patience
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.runtime.event_loop.environment import environment

# The START has a call of its own, so that the second call is one that a body sends.
ACKNOWLEDGED = StepConfig(acknowledge_start=True)


@durable_execution
async def steps(event: int, ctx: DurableContext) -> int:
    """Three steps, whose first checkpoint opens the connection."""
    total = event
    for _ in range(3):
        total = await ctx.step(add, total, 1)
    return total


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Note for each attempt to send a checkpoint directly if it was sent; there has to be one."""
    noted: list[bool] = []
    send = LambdaDataPlane.send_checkpoint

    def noting(self: LambdaDataPlane, *arguments: Any) -> Any:
        checkpoint = send(self, *arguments)
        noted.append(checkpoint is not None)
        return checkpoint

    monkeypatch.setattr(LambdaDataPlane, "send_checkpoint", noting)
    yield noted
    assert noted


@pytest.mark.parametrize("fault", INSIDE)
def test_a_transient_fault_is_retried(fault: str, service: Service, sent: list[bool]) -> None:
    service.server.answers.extend([OK, INSIDE[fault]])
    assert service.run(steps) == Ran(SUCCEEDED, result="4")
    assert len(service.server.requests) == 4
    bodies = [json.loads(request.body) for request in service.server.requests]
    assert bodies[1] == bodies[2] and bodies[1]["ClientToken"] != bodies[0]["ClientToken"]
    assert sent == [True, True]
    if fault == "throttled with Retry-After":
        assert service.waits.slept[0] >= 2


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("fault", INSIDE)
def test_a_lasting_transient_fault_lets_lambda_invoke_again(fault: str, service: Service) -> None:
    service.server.answers.append(OK)
    service.server.usual = INSIDE[fault]
    assert service.run(steps).outcome == AGAIN
    # A kept connection that is closed without a byte is replaced, and that is no attempt.
    assert len(service.server.requests) == 1 + ATTEMPTS + (fault == "reset")


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("fault", AT_ONCE)
def test_another_fault_has_its_outcome_at_once(fault: str, service: Service) -> None:
    answer, outcome = AT_ONCE[fault]
    service.server.answers.extend([OK, answer])
    ran = service.run(steps)
    assert ran.outcome == outcome, ran
    assert len(service.server.requests) == (3 if outcome == SUCCEEDED else 2)


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_is_closed_during_a_body_is_replaced(
    service: Service, sent: list[bool], reset: bool
) -> None:
    async def frozen(one: int, other: int) -> int:
        service.server.hang_up(reset=reset)
        return one + other

    @durable_execution
    async def workflow(event: int, ctx: DurableContext) -> int:
        total = await ctx.step(add, event, 1)
        total = await ctx.step(frozen, total, 1)
        return await ctx.step(add, total, 1)

    assert service.run(workflow) == Ran(SUCCEEDED, result="4")
    assert len(service.server.requests) == 3
    assert service.server.connections == 2
    assert sent == [False, True]


@pytest.mark.usefixtures("sent")
def test_a_silent_service_is_named_when_the_time_is_up(service: Service) -> None:
    service.server.answers.append(OK)
    service.server.usual = Answer()
    ran = service.run(steps, milliseconds=900)
    assert ran.outcome == AGAIN
    assert "which the service has not answered" in ran.error


@pytest.mark.usefixtures("sent")
def test_a_service_that_is_silent_only_longer_than_patience_is_asked_again(
    service: Service,
) -> None:
    service.patience = Patience(connect=5, answer=0.05)
    service.server.answers.extend([OK, Answer()])
    assert service.run(steps) == Ran(SUCCEEDED, result="4")
    assert len(service.server.requests) == 4


@pytest.mark.usefixtures("sent")
def test_pages_of_an_answer_are_read(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    methods: list[str] = []

    def answer(request: Any) -> Answer:
        methods.append(request.method)
        if request.method == "POST":
            marker = "m" if methods == ["POST", "POST"] else None
            return answered(NewExecutionState={"Operations": [], "NextMarker": marker})
        return Answer.http(body=b'{"Operations":[]}')

    monkeypatch.setattr(service.server, "answer", answer)
    assert service.run(steps) == Ran(SUCCEEDED, result="4")
    assert methods == ["POST", "POST", "GET", "POST"]


@pytest.mark.usefixtures("sent")
def test_a_long_answer_comes_in_pieces(service: Service) -> None:
    service.server.usual = answered(Mood="x" * 900_000)
    assert service.run(steps) == Ran(SUCCEEDED, result="4")


@pytest.mark.usefixtures("sent")
def test_keys_that_are_gone_are_reported(service: Service) -> None:
    @durable_execution
    async def losing(event: int, ctx: DurableContext) -> int:
        total = await ctx.step(add, event, 1)
        environ.clear()
        return await ctx.step(add, total, 1)

    environ = service.server.environ()
    client = LambdaClient(environ=environ, timing=service.waits.timing)
    try:
        with pytest.raises(ServiceError, match="no longer has AWS_ACCESS_KEY_ID"):
            losing.bind(LambdaDataPlane(client))(event(), LambdaContext())
    finally:
        asyncio.run(client.aclose())
    assert len(service.server.requests) == 1


class Vault(CredentialsAtHand):
    """A source of credentials that fails from its second call on, so many times."""

    def __init__(self, failures: int) -> None:
        self._failures = failures
        self._calls = 0

    def at_hand(self) -> Credentials:
        self._calls += 1
        if 1 < self._calls <= 1 + self._failures:
            raise LookupError("the vault is sealed")
        return Credentials(access_key="AKIDEXAMPLE", secret_key="secret")


@pytest.mark.parametrize("is_once", [True, False])
@pytest.mark.parametrize("mode", CheckpointingMode)
def test_an_error_in_sending_is_none_of_the_body(
    service: Service, mode: CheckpointingMode, is_once: bool
) -> None:
    bodies: list[int] = []

    async def counted(number: int) -> int:
        bodies.append(number)
        return number

    @durable_execution(checkpointing=mode)
    async def workflow(event: int, ctx: DurableContext) -> list[int]:
        return [await ctx.step(counted, n, config=ACKNOWLEDGED) for n in range(3)]

    client = LambdaClient(
        environ=service.server.environ(),
        timing=service.waits.timing,
        credentials=Vault(1 if is_once else 1_000),
    )
    try:
        if is_once:
            outcome = workflow.bind(LambdaDataPlane(client))(event(), LambdaContext())
            assert (outcome["Status"], bodies) == (SUCCEEDED, [0, 1, 2])
        else:
            with pytest.raises(ServiceError, match="the vault is sealed"):
                workflow.bind(LambdaDataPlane(client))(event(), LambdaContext())
            assert bodies == [0]
    finally:
        asyncio.run(client.aclose())
    updates = [each for got in service.server.requests for each in json.loads(got.body)["Updates"]]
    assert {each["Action"] for each in updates} <= {"START", "SUCCEED"}
    assert len({(each["Id"], each["Action"]) for each in updates}) == len(updates)


def test_a_connection_that_cannot_be_watched_is_closed_and_replaced(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = environment().loop
    add_reader, calls = type(loop).add_answer_reader, 0

    def failing(self: Any, descriptor: int, read: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise MemoryError
        add_reader(self, descriptor, read)

    @durable_execution
    async def workflow(event: int, ctx: DurableContext) -> int:
        total = await ctx.step(add, event, 1)
        # The connection is registered anew for the next checkpoint.
        kept = client._transport._idle.connections[0]  # pyright: ignore[reportPrivateUsage]
        kept._leave_loop()  # pyright: ignore[reportPrivateUsage]
        return await ctx.step(add, total, 1)

    monkeypatch.setattr(type(loop), "add_answer_reader", failing)
    client = LambdaClient(environ=service.server.environ(), timing=service.waits.timing)
    try:
        outcome = workflow.bind(LambdaDataPlane(client))(event(), LambdaContext())
    finally:
        asyncio.run(client.aclose())
    assert (outcome["Status"], outcome["Result"]) == (SUCCEEDED, "3")
    assert (calls, service.server.connections) == (3, 2)
    assert list(loop.idle_selector.answer_readers) == []


@pytest.mark.usefixtures("sent")
def test_a_request_whose_keys_are_gone_before_its_retry_leaves_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = service.server.environ()

    def answer(request: Any) -> Answer:
        service.server.requests.append(request)
        if len(service.server.requests) == 1:
            return OK
        environ.clear()
        return INSIDE["500"]

    monkeypatch.setattr(service.server, "answer", answer)
    client = LambdaClient(environ=environ, timing=service.waits.timing)
    selector: Any = getattr(environment().loop, "_selector")
    before = len(selector.get_map())
    try:
        with pytest.raises(ServiceError, match="no longer has AWS_ACCESS_KEY_ID"):
            steps.bind(LambdaDataPlane(client))(event(), LambdaContext())
        assert len(selector.get_map()) == before
    finally:
        asyncio.run(client.aclose())
    assert len(service.server.requests) == 2


def test_steps_that_run_together_share_their_calls(service: Service, sent: list[bool]) -> None:
    @durable_execution
    async def workflow(event: int, ctx: DurableContext) -> int:
        total = await ctx.step(add, event, 1)
        total += sum(await asyncio.gather(*(ctx.step(add, n, 1) for n in range(100))))
        return await ctx.step(add, total, 1)

    assert service.run(workflow) == Ran(SUCCEEDED, result=str(2 + 5050 + 1))
    assert len(service.server.requests) == 3
    assert sent == [True]


@pytest.mark.usefixtures("sent")
def test_over_tls(tls_server: Loopback, certificate: Path, waits: Waits) -> None:
    url = f"https://localhost:{tls_server.port}"
    environ = {"AWS_ENDPOINT_URL_LAMBDA": url, "AWS_CA_BUNDLE": str(certificate)}
    tls_server.usual = OK
    tls_server.answers.extend([OK, answered(Mood="x" * 100_000), INSIDE["reset"]])
    assert Service(tls_server, waits, environ=environ).run(steps) == Ran(SUCCEEDED, result="4")
    assert tls_server.connections == 2


def test_a_data_plane_of_the_users_sees_each_call(service: Service, sent: list[bool]) -> None:
    seen: list[int] = []

    class Seeing(LambdaDataPlane):
        async def checkpoint(self, request: Any) -> Any:
            seen.append(len(request.updates))
            return await super().checkpoint(request)

    client = LambdaClient(environ=service.server.environ(), timing=service.waits.timing)
    try:
        steps.bind(Seeing(client))(event(), LambdaContext())
    finally:
        asyncio.run(client.aclose())
    assert seen == [2, 2, 2]
    assert not any(sent)


@pytest.mark.usefixtures("sent")
def test_a_step_takes_two_turns_of_the_loop(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    @durable_execution
    async def many(event: int, ctx: DurableContext) -> int:
        total = 0
        for n in range(event):
            total += await ctx.step(add, n, 1)
        return total

    selector = environment().loop.idle_selector
    turns = 0
    select = type(selector).select

    def counting(self: Any, timeout: float | None = None) -> Any:
        nonlocal turns
        turns += 1
        return select(self, timeout)

    monkeypatch.setattr(type(selector), "select", counting)
    taken: list[int] = []
    for count in (10, 60):
        turns = 0
        execution = event()["InitialExecutionState"]["Operations"][0]
        execution["ExecutionDetails"] = {"InputPayload": str(count)}
        state = {"Operations": [execution], "NextMarker": ""}
        assert service.run(many, InitialExecutionState=state).outcome == SUCCEEDED
        taken.append(turns)
    assert (taken[1] - taken[0]) / 50 <= 2.1


def test_a_plane_that_passes_on_what_it_does_not_have_sees_each_call(service: Service) -> None:
    class Front:
        def __init__(self, plane: LambdaDataPlane) -> None:
            self._plane = plane
            self.seen = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._plane, name)

        async def checkpoint(self, request: Any) -> Any:
            self.seen += 1
            return await self._plane.checkpoint(request)

    client = LambdaClient(environ=service.server.environ(), timing=service.waits.timing)
    front: Any = Front(LambdaDataPlane(client))
    try:
        steps.bind(front)(event(), LambdaContext())
    finally:
        asyncio.run(client.aclose())
    assert front.seen == 3


def test_a_status_goes_with_a_call_that_a_body_sends(service: Service, sent: list[bool]) -> None:
    @durable_execution
    async def workflow(event: int, ctx: DurableContext) -> int:
        total = event
        for n in range(3):
            ctx.set_status("replaced")
            ctx.progress(n, 3)
            total = await ctx.step(add, total, 1)
        return total

    assert service.run(workflow) == Ran(SUCCEEDED, result="4")
    bodies = [json.loads(request.body) for request in service.server.requests]
    updates = [[(each["Name"], each["Action"]) for each in body["Updates"]] for body in bodies]
    assert updates == [[("status", "SUCCEED"), ("add", "START"), ("add", "SUCCEED")]] * 3
    assert [json.loads(body["Updates"][0]["Payload"])["done"] for body in bodies] == [0, 1, 2]
    assert sent == [True, True]
