"""Deployed workflows are tested over HTTP, through this package's client and through botocore."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import botocore.config
import botocore.session
import pytest
from tests.rig import Rig

from durable_execution_sdk import ConfigError, Duration, ServiceError, StepError, durable_execution
from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.client import InboxRef, NoInboxError
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.ports.follower import Follower
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import (
    HistoryPage,
    HistoryRequest,
    InvokeRequest,
    InvokeResponse,
)
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.server.http_server import Server, serve
from durable_execution_sdk.testing import (
    CloudDurableTestRunner,
    DurableTestError,
    LocalDurableTestRunner,
    NoSuchOperationError,
    RunTimeoutError,
)
from durable_execution_sdk.testing.cloud.pace import Pace

NAME = "workflow:$LATEST"


@dataclass
class Greeting:
    text: str
    by: str | None


def ask(callback_id: str) -> None:
    pass


def greet(name: str) -> str:
    if name == "nobody":
        raise LookupError("nobody is here")
    return f"Hello, {name}!"


@durable_execution
async def greeting(event: dict[str, Any], ctx) -> Greeting:
    text = await ctx.step(greet, event["name"])
    await ctx.wait(Duration.from_days(3), name="a while")
    if not event.get("ask"):
        return Greeting(text, None)
    answer = await ctx.wait_for_callback(ask, name="approval")
    return Greeting(text, answer["by"])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(Rig(greeting).driver, workers=1) as server:
        yield server


def environ(server: Server) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_LAMBDA": server.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }


def runner_of(server: Server, **options: Any) -> CloudDurableTestRunner[Any]:
    return CloudDurableTestRunner(
        NAME, environ=environ(server), **({"longest_pause": 0.02} | options)
    )


def test_it_gives_the_result_that_a_local_runner_gives(server):
    reports = []
    runner = runner_of(server, result_type=Greeting, on_progress=reports.append)
    result = runner.run_sync({"name": "Ada"})
    local = LocalDurableTestRunner(greeting).run_sync({"name": "Ada"})
    assert result.result == local.result == Greeting("Hello, Ada!", None)
    assert str(result).splitlines()[1:] == str(local).splitlines()[1:]
    assert [each.event_type for each in result.history] == [
        each.event_type for each in local.history
    ]
    assert [(each.name, each.id, each.status) for each in result.operations] == [
        (each.name, each.id, each.status) for each in local.operations
    ]
    assert result.duration.days == 3
    assert [len(each.executed) for each in result.invocations] == [2, 0]
    assert reports[-1].succeeded
    lengths = [len(each.history) for each in reports]
    assert lengths == sorted(lengths)


def test_a_failure_is_the_exception_again(server):
    result = runner_of(server).run_sync({"name": "nobody"})
    assert result.status == "FAILED"
    assert isinstance(result.error, StepError)
    assert isinstance(result.error, LookupError)
    with pytest.raises(LookupError, match="nobody is here"):
        _ = result.result


def test_callbacks_are_answered_while_the_test_waits_for_the_end(server):
    async def test() -> None:
        runner = runner_of(server, result_type=Greeting)
        await runner.start({"name": "Ada", "ask": True}, name="asking")
        end = asyncio.create_task(runner.complete())
        approval = await runner.wait_for_callback("approval")
        [same] = await runner.callbacks()
        assert same.callback_id == approval.callback_id
        await approval.heartbeat()
        assert not (await runner.result()).is_done
        await approval.succeed({"by": "Grace"})
        assert (await end).result == Greeting("Hello, Ada!", "Grace")
        with pytest.raises(ServiceError):
            await runner.callback(approval.callback_id).fail(ValueError("too late"))
        with pytest.raises(NoSuchOperationError, match="ended before the callback 'approval'"):
            await runner.wait_for_callback("approval")

    asyncio.run(test())


def test_plain_tests_answer_callbacks_too(server):
    runner = runner_of(server, result_type=Greeting).sync
    runner.start({"name": "Ada", "ask": True})
    approval = runner.wait_for_callback("approval")
    approval.heartbeat()
    [same] = runner.callbacks()
    assert (same.callback_id, same.name) == (approval.callback_id, "approval")
    assert not runner.result().is_done
    runner.callback(approval.callback_id).succeed({"by": "Grace"})
    assert runner.complete().result == Greeting("Hello, Ada!", "Grace")
    runner.start({"name": "Ada", "ask": True})
    runner.wait_for_callback().fail(PermissionError("no"))
    assert runner.complete().error.error_type == "PermissionError"
    runner.start({"name": "Ada", "ask": True})
    runner.wait_for_callback()
    assert runner.stop().status == "STOPPED"


def test_messages_are_sent_to_a_deployed_workflow():
    async def words(event: Any, ctx: Any) -> list[str]:
        inbox = ctx.inbox("words", str)
        return [await inbox.get(), await inbox.get()]

    with serve(Rig(durable_execution(words)).driver, workers=1) as served:
        runner = runner_of(served)

        async def test() -> None:
            await runner.start()
            assert await runner.send("words", "a", id="one") == "one"

        asyncio.run(test())
        assert runner.sync.send(InboxRef("words", str), "b")
        assert runner.sync.complete().result == ["a", "b"]
        with pytest.raises(NoInboxError, match="has ended"):
            runner.sync.send("words", "c")


def test_what_goes_on_for_too_long_is_shown_and_can_be_stopped(server):
    async def test() -> None:
        runner = runner_of(server)
        await runner.start({"name": "Ada", "ask": True})
        await runner.wait_for_callback()
        with pytest.raises(RunTimeoutError, match=r"allows 0\.2 s(.|\n)*approval"):
            await runner.complete(timeout=0.2)
        result = await runner.stop(RuntimeError("enough"))
        assert (result.status, result.error.error_type) == ("STOPPED", "RuntimeError")

    asyncio.run(test())


def test_the_same_name_finds_the_same_execution(server):
    runner = runner_of(server)
    first = runner.run_sync({"name": "Ada"}, name="only-once")
    assert runner.run_sync({"name": "Ada"}, name="only-once").arn == first.arn
    assert runner.run_sync({"name": "Ada"}).arn != first.arn


@pytest.mark.parametrize("name", ["workflow", "arn:aws:lambda:us-east-1:123456789012:function:w"])
def test_a_name_without_a_version_is_refused_and_told_how_to_go_on(server, name):
    with pytest.raises(ConfigError, match=r"names no version or alias.*:\$LATEST"):
        CloudDurableTestRunner(name, environ=environ(server))


@pytest.mark.parametrize("what", [None, greeting])
def test_only_what_is_deployed_has_a_name(what):
    with pytest.raises(ConfigError, match="takes the name or ARN of a function that is deployed"):
        CloudDurableTestRunner(what)


def test_nothing_can_be_asked_before_a_start(server):
    with pytest.raises(DurableTestError, match="nothing was started"):
        asyncio.run(runner_of(server).result())
    with pytest.raises(ConfigError, match="timeout is a number of seconds greater than 0"):
        runner_of(server, timeout=0)
    with pytest.raises(ConfigError, match="longest_pause is a number of seconds"):
        runner_of(server, longest_pause="a")


def test_a_function_that_is_not_there_is_the_service_s_error(server):
    with pytest.raises(ServiceError, match="Function not found"):
        CloudDurableTestRunner("other:$LATEST", environ=environ(server)).run_sync()


class Shaky(LambdaControlPlane):
    """A control plane with pages of two events, on which every other call is throttled."""

    def __init__(self, server: Server) -> None:
        super().__init__(LambdaClient(environ=environ(server)))
        self.calls = 0
        self.read: list[int] = []

    async def history(self, request: HistoryRequest) -> Any:
        self.calls += 1
        if self.calls % 2:
            raise ServiceError("Rate Exceeded.", code="TooManyRequestsException", status=429)
        page = await super().history(
            HistoryRequest(
                durable_execution_arn=request.durable_execution_arn,
                marker=request.marker,
                max_items=2,
            )
        )
        self.read += [event.event_id for event in page.events]
        return page


def test_the_history_is_followed_page_by_page_even_if_the_service_stumbles(server):
    runner_of(server).run_sync({"name": "Ada"}, name="paged")

    async def test() -> None:
        control = Shaky(server)
        runner = runner_of(server, control_plane=control)
        result = await runner.run({"name": "Ada"}, name="paged")
        assert [event.event_id for event in result.history] == list(range(1, 9))
        assert control.calls >= 8
        assert control.read == list(range(1, 9))
        await control.aclose()

    asyncio.run(test())


class Growing(EmulatorControlPlane):
    """A control plane whose history grows with each poll, with two events in a page."""

    def __init__(self, rig: Rig, events: list[HistoryEvent]) -> None:
        super().__init__(rig.driver)
        self.events = events
        self.there = 0
        self.read: list[int] = []

    async def history(self, request: HistoryRequest) -> HistoryPage:
        first = int(request.marker or 0)
        page = self.events[first : min(first + 2, self.there)]
        self.read += [event.event_id for event in page]
        more = str(first + 2) if first + 2 < self.there else None
        return HistoryPage(events=page, next_marker=more)


def test_the_less_happens_the_less_often_it_looks(monkeypatch):
    pauses: list[float] = []
    own, sleep_really = threading.get_ident(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        if threading.get_ident() != own:
            # The servers of other tests sleep in threads of their own.
            await sleep_really(seconds)
            return
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def look(pace: Pace) -> None:
        for _ in range(4):
            await pace.wait(60)
        pace.quicken()
        await pace.wait(60)
        await pace.wait(0.1)

    asyncio.run(look(Pace(1.0, 3.0)))
    assert pauses == [1.0, 1.5, 2.25, 3.0, 1.0, 0.1]


def test_only_the_last_page_is_read_again_when_a_history_has_grown():
    rig = Rig(greeting)
    ran = rig.run({"name": "Ada"})
    control = Growing(rig, ran.events)
    follower = Follower(control, ran.arn)

    async def look(there: int) -> list[int]:
        control.there, control.read = there, []
        await follower.look()
        assert follower.history == ran.events[:there]
        return control.read

    assert asyncio.run(look(1)) == [1]
    assert asyncio.run(look(3)) == [1, 2, 3]
    assert asyncio.run(look(4)) == [3, 4]
    assert asyncio.run(look(8)) == [3, 4, 5, 6, 7, 8]
    assert asyncio.run(look(8)) == [7, 8]


class Botocore:
    """A control plane through botocore, which drops members that its model lacks."""

    def __init__(self, server: Server) -> None:
        self._api = botocore.session.Session().create_client(
            "lambda",
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=botocore.config.Config(parameter_validation=True),
        )

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        answer = self._api.invoke(
            FunctionName=request.function_name,
            InvocationType=str(request.invocation_type),
            Payload=request.payload,
            DurableExecutionName=request.durable_execution_name,
        )
        return InvokeResponse(
            status_code=answer["StatusCode"], durable_execution_arn=answer["DurableExecutionArn"]
        )

    async def describe(self, arn: str, *, include_execution_data: bool = True) -> Any:
        answer = self._api.get_durable_execution(DurableExecutionArn=arn)
        return control_plane_codec.decode_description(as_json(answer))

    async def history(self, request: HistoryRequest) -> Any:
        answer = self._api.get_durable_execution_history(
            DurableExecutionArn=request.durable_execution_arn,
            MaxItems=request.max_items,
            IncludeExecutionData=True,
            **({"Marker": request.marker} if request.marker else {}),
        )
        return control_plane_codec.decode_history_page(as_json(answer))

    async def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        self._api.send_durable_execution_callback_success(CallbackId=callback_id, Result=result)

    def close(self) -> None:
        self._api.close()


def as_json(answer: dict[str, Any]) -> bytes:
    answer.pop("ResponseMetadata")
    return json.dumps(answer, default=lambda moment: moment.timestamp()).encode()


def test_it_needs_nothing_that_aws_s_own_model_does_not_have(server):
    async def test() -> None:
        control = Botocore(server)
        runner = runner_of(server, result_type=Greeting, control_plane=control)
        await runner.start({"name": "Ada", "ask": True})
        await (await runner.wait_for_callback("approval")).succeed({"by": "Grace"})
        through_botocore = await runner.complete()
        assert through_botocore.result == Greeting("Hello, Ada!", "Grace")
        ours = runner_of(server)
        await ours.start({"name": "Ada", "ask": True}, name=through_botocore.name)
        result = await ours.complete()
        assert result.history == through_botocore.history
        assert result.described == through_botocore.described
        control.close()

    asyncio.run(test())


def test_the_emulator_s_own_control_plane_will_do_too():
    rig = Rig(greeting)
    control = EmulatorControlPlane(rig.driver)

    class Driven(EmulatorControlPlane):
        async def describe(self, arn: str, *, include_execution_data: bool = True) -> Any:
            await asyncio.to_thread(rig.driver.run_until, lambda: False, family=arn)
            return await control.describe(arn)

    runner: CloudDurableTestRunner[Any] = CloudDurableTestRunner(
        NAME, control_plane=Driven(rig.driver)
    )
    assert runner.run_sync({"name": "Ada"}).succeeded
