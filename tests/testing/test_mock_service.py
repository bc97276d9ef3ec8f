"""A scripted service responds to a handler by its script, and records the requests."""

from __future__ import annotations

import pytest

from durable_execution_sdk import (
    CallbackConfig,
    ConfigError,
    Duration,
    ServiceError,
    durable_execution,
)
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
)
from durable_execution_sdk.protocol.operations import (
    CallbackDetails,
    Operation,
    StepDetails,
)
from durable_execution_sdk.runtime.log.ids import operation_id
from durable_execution_sdk.testing import MockDurableServiceClient

ran: list[int] = []


def work(n: int) -> int:
    ran.append(n)
    return n * 10


@durable_execution
async def three(event: int, ctx) -> int:
    return sum([await ctx.step(work, number, name=f"work-{number}") for number in range(event)])


@pytest.fixture(autouse=True)
def nothing_ran():
    ran.clear()


def test_without_a_script_all_goes_well_and_everything_is_recorded():
    client = MockDurableServiceClient()
    outcome = client.invoke(three, 3)
    assert (outcome.status, outcome.result) == ("SUCCEEDED", "30")
    assert [(each.name, each.action, each.payload) for each in client.updates] == [
        ("work-0", "START", None),
        ("work-0", "SUCCEED", "0"),
        ("work-1", "START", None),
        ("work-1", "SUCCEED", "10"),
        ("work-2", "START", None),
        ("work-2", "SUCCEED", "20"),
    ]
    tokens = [each.checkpoint_token for each in client.checkpoints]
    assert tokens == ["token-0", "token-1", "token-2"]


def transient(client, name):
    getattr(client.on_checkpoint.succeed(), name)()
    return client


@pytest.mark.parametrize(
    ("fault", "status"),
    [("throttle", 429), ("server_error", 500), ("stale_token", 400), ("time_out", None)],
)
def test_what_may_pass_is_raised_so_that_lambda_invokes_again(fault, status):
    client = transient(MockDurableServiceClient(), fault)
    with pytest.raises(ServiceError) as caught:
        client.invoke(three, 3)
    assert caught.value.status == status
    assert caught.value.is_stale_token == (fault == "stale_token")
    assert ran == [0, 1]
    assert len(client.checkpoints) == 2
    assert client.on_checkpoint.unused == 0


def test_a_refusal_that_no_retry_helps_fails_the_execution():
    client = MockDurableServiceClient()
    client.on_checkpoint.fail(ServiceError("no such key", code="KMSDisabledException", status=502))
    outcome = client.invoke(three, 3)
    assert outcome.status == "FAILED"
    assert "work-0" in outcome.error.error_message


def test_without_a_token_the_invocation_stops_and_is_pending():
    client = MockDurableServiceClient()
    client.on_checkpoint.succeed().without_token().throttle(5)
    assert client.invoke(three, 3).status == "PENDING"
    assert ran == [0, 1]
    assert client.on_checkpoint.unused == 5


def test_what_the_log_holds_is_replayed_page_by_page():
    done = [
        Operation(
            id=operation_id(str(number + 1)),
            type="STEP",
            status="SUCCEEDED",
            name=f"work-{number}",
            sub_type="Step",
            step_details=StepDetails(result=str(number), attempt=1),
        )
        for number in range(2)
    ]
    client = MockDurableServiceClient()
    client.on_get_state.answer(StatePage(operations=done[1:]))
    outcome = client.invoke(three, 3, done[:1], next_marker="more")
    assert (outcome.result, ran) == ("21", [2])
    assert [each.marker for each in client.state_requests] == ["more"]
    client.on_get_state.throttle()
    with pytest.raises(ServiceError, match="Rate Exceeded"):
        client.invoke(three, 3, done[:1], next_marker="more")


@durable_execution
async def asks(event: object, ctx) -> str:
    config = CallbackConfig(timeout=Duration.from_hours(1))
    return (await ctx.create_callback(name="answer", config=config)).callback_id


def test_an_answer_may_be_made_of_the_request():
    def answer(request: CheckpointRequest) -> CheckpointResponse:
        [update] = request.updates
        created = Operation(
            id=update.id,
            type="CALLBACK",
            status="STARTED",
            name=update.name,
            sub_type="Callback",
            callback_details=CallbackDetails(callback_id="id-7"),
        )
        return CheckpointResponse(checkpoint_token="next", operations=[created])

    client = MockDurableServiceClient()
    client.on_checkpoint.answer_by(answer)
    assert client.invoke(asks, {}).result == '"id-7"'


def test_time_is_what_the_test_says():
    @durable_execution
    async def tell(event: object, ctx) -> str:
        return ctx.now().isoformat()

    client = MockDurableServiceClient()
    client.time = 1_893_456_000_000
    assert client.invoke(tell, {}).result == '"2030-01-01T00:00:00+00:00"'


def test_only_a_workflow_is_invoked():
    with pytest.raises(ConfigError, match="invokes the handler that @durable_execution makes"):
        MockDurableServiceClient().invoke(asks.__wrapped__, {})
