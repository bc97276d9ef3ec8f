"""A result describes an execution correctly, and a failed test shows it."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest

from durable_execution_sdk import (
    CallbackError,
    ChildContextError,
    ConfigError,
    Duration,
    FixedDelay,
    InvokeError,
    NoRetry,
    OperationError,
    StepConfig,
    StepError,
    durable_execution,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    NoSuchOperationError,
    Raises,
    Returns,
    UnexpectedStatusError,
)

log = logging.getLogger("shop")


@dataclass
class Parcel:
    id: str
    weight: int


async def pack(ctx, ids: list[str]) -> list[Parcel]:
    return [await ctx.step(weigh, id_, name="weigh") for id_ in ids]


async def weigh(parcel_id: str) -> Parcel:
    log.info("on the scales")
    return Parcel(parcel_id, len(parcel_id))


tries: list[int] = []


def flaky() -> int:
    tries.append(1)
    if len(tries) % 2:
        raise ConnectionError("busy")
    return len(tries)


@durable_execution
async def send(ids: list[str], ctx) -> list[Parcel]:
    log.info("begins")
    retry = StepConfig(retry_strategy=FixedDelay(delay=Duration.from_minutes(1)))
    await ctx.step(flaky, config=retry)
    parcels = await ctx.run_in_child_context(pack, ids, name="pack")
    await ctx.wait(Duration.from_hours(1), name="truck")
    ctx.log_warn("sent")
    log.debug("too fine")
    return parcels


@pytest.fixture
def sent():
    tries.clear()
    return LocalDurableTestRunner(send).run_sync(["a", "bb"])


def test_operations_are_found_by_name_index_id_and_both(sent):
    assert [each.name for each in sent.operations] == ["flaky", "pack", "weigh", "weigh", "truck"]
    assert [each.index for each in sent.operations] == [0, 1, 2, 3, 4]
    second = sent.operation("weigh", index=1)
    assert second is sent.operation(index=3) is sent.operation("weigh", index=-1)
    assert second is sent.operation(operation_id=second.id)
    assert second.result == {"id": "bb", "weight": 2}
    assert second.result_as(Parcel) == Parcel("bb", 2)
    assert [each.name for each in sent.children()] == ["flaky", "pack", "truck"]
    assert sent.children("pack") == [sent.operation("weigh", index=0), second]
    assert sent.children(second) == []
    assert second.parent_id == sent.operation("pack").id


def test_what_is_not_there_is_told_with_what_is(sent):
    with pytest.raises(NoSuchOperationError, match=r"no operation has name='wiegh'(.|\n)*weigh"):
        sent.operation("wiegh")
    with pytest.raises(NoSuchOperationError, match="2 operations fit name='weigh'; say which"):
        sent.operation("weigh")
    with pytest.raises(NoSuchOperationError, match="name='weigh', index=2"):
        sent.operation("weigh", index=2)


def test_an_operation_tells_times_attempts_and_events(sent):
    step = sent.operation("flaky")
    assert (step.type, step.sub_type, step.status, step.attempt) == ("STEP", "Step", "SUCCEEDED", 2)
    assert [event.event_type for event in step.events] == [
        "StepStarted",
        "StepFailed",
        "StepStarted",
        "StepSucceeded",
    ]
    assert step.duration >= timedelta(minutes=1)
    assert step.is_done and step.succeeded and step.error is None
    truck = sent.operation("truck")
    assert truck.ended_at - truck.started_at == timedelta(hours=1)
    assert truck.result is None


def test_each_invocation_tells_what_it_executed_and_what_it_found_done(sent):
    first, second, third = sent.invocations
    assert ([each.name for each in first.executed], first.replayed) == (["flaky"], [])
    assert [each.name for each in second.executed] == ["flaky", "pack", "weigh", "weigh", "truck"]
    assert second.replayed == []
    assert third.executed == []
    assert [each.name for each in third.replayed] == ["flaky", "pack", "truck"]
    assert [each.status for each in sent.invocations] == ["PENDING", "PENDING", "SUCCEEDED"]
    assert second.started_at - first.ended_at >= timedelta(seconds=59)
    assert len({each.request_id for each in sent.invocations}) == 3


def test_an_invocation_has_executed_what_it_starts_and_what_it_ends_early():
    @durable_execution
    async def first_come(event: object, ctx) -> None:
        limit = ctx.wait(Duration.from_hours(1), name="limit")
        asked = ctx.create_callback(name="asked")
        await ctx.step(lambda: None, name="done")
        await asked
        limit.cancel()

    [only] = LocalDurableTestRunner(first_come).run_sync().invocations
    assert [operation.name for operation in only.executed] == ["limit", "asked", "done"]

    @durable_execution
    async def changes_its_mind(event: object, ctx) -> None:
        limit = ctx.wait(Duration.from_hours(9), name="limit")
        await ctx.wait(Duration.from_hours(1), name="while")
        limit.cancel()

    first, second = LocalDurableTestRunner(changes_its_mind).run_sync().invocations
    assert [operation.name for operation in first.executed] == ["limit", "while"]
    assert [operation.name for operation in second.executed] == ["limit"]


def test_logs_are_those_of_the_execution_each_once(sent):
    assert [(record.name, record.getMessage()) for record in sent.logs] == [
        ("shop", "begins"),
        ("shop", "on the scales"),
        ("shop", "on the scales"),
        ("durable_execution", "sent"),
    ]
    assert sent.logs[1].operation_name == "weigh"
    assert logging.root.level == logging.WARNING
    finer = LocalDurableTestRunner(send, log_level=logging.WARNING).run_sync(["a"])
    assert [record.getMessage() for record in finer.logs] == ["sent"]


def test_it_prints_as_a_tree_and_a_table(sent):
    out = io.StringIO()
    sent.print(file=out)
    text = re.sub(r"\d+ ms( *)", r"* ms\1", out.getvalue())
    assert [re.sub(r" +", " ", line) for line in text.splitlines()] == [
        "send test-1 SUCCEEDED",
        "├── ✔ flaky Step attempt 2 1 min",
        "├── ✔ pack RunInChildContext",
        "│ ├── ✔ weigh Step",
        "│ └── ✔ weigh Step",
        "└── ✔ truck Wait 1 h",
        "",
        "# began after took answered replayed executed",
        "1 * ms * ms PENDING 0 flaky",
        "2 1 min * ms PENDING 0 flaky, pack, weigh, weigh, 1 more",
        "3 1 h 1 min * ms SUCCEEDED 3 -",
    ]


def printed(result, **options) -> list[str]:
    out = io.StringIO()
    result.print(file=out, **options)
    return [re.sub(r"\b\d ms", "* ms", line) for line in out.getvalue().splitlines()]


def test_it_prints_a_table_with_the_chosen_columns(sent):
    columns = ("name", "status", "type", "attempt", "duration", "result")
    lines = printed(sent, columns=columns, invocations=False)
    assert [re.sub(r"  +", " | ", line) for line in lines] == [
        "name | status | type | attempt | duration | result",
        "flaky | SUCCEEDED | Step | 2 | 1 min | 2",
        'pack | SUCCEEDED | RunInChildContext | - | * ms | [{"id":"a","weight":1},{"id":"bb","weight":2}]',
        'weigh | SUCCEEDED | Step | 1 | * ms | {"id":"a","weight":1}',
        'weigh | SUCCEEDED | Step | 1 | * ms | {"id":"bb","weight":2}',
        "truck | SUCCEEDED | Wait | - | 1 h | -",
    ]
    assert printed(sent, columns=["status"]) == [
        *["status", *["SUCCEEDED"] * 5, ""],
        *printed(sent)[-4:],
    ]


def test_a_table_has_ids_times_and_errors():
    @durable_execution
    async def fails(event: object, ctx) -> None:
        await ctx.run_in_child_context(inner, name="inner")

    async def inner(ctx) -> None:
        await ctx.step(refused, name="paid", config=StepConfig(retry_strategy=NoRetry()))

    def refused() -> None:
        raise LookupError("no such card")

    result = LocalDurableTestRunner(fails).run_sync()
    heading, context, step = printed(result, columns="all", invocations=False)
    assert heading.split() == [
        *("id", "parent_id", "name", "type", "status", "attempt"),
        *("started", "ended", "duration", "result"),
    ]
    by_index = [result.operation(index=0), result.operation(index=1)]
    assert context.split()[:4] == [by_index[0].id, "-", "inner", "RunInChildContext"]
    assert step.split()[:6] == [by_index[1].id, by_index[0].id, "paid", "Step", "FAILED", "1"]
    assert "2026-01-01T00:00:00.00" in step
    assert step.endswith("LookupError: no such card")


def test_it_prints_results_in_the_tree_or_no_invocations(sent):
    lines = printed(sent, payloads=True, invocations=False)
    assert lines[1].endswith("→ 2")
    assert lines[-1] == "└── ✔ truck  Wait  1 h"
    assert lines[3].endswith('weigh  Step  → {"id":"a","weight":1}')


def test_options_of_print_that_do_not_exist_are_refused(sent):
    for columns, words in (
        (["nmae"], "parent_id, name, type.* not 'nmae'"),
        ("name", "not 'name'"),
        ([], r"not \[\]"),
    ):
        with pytest.raises(ConfigError, match=words):
            sent.print(columns=columns)
    with pytest.raises(ConfigError, match="name the column 'result'"):
        sent.print(columns=["name"], payloads=True)


def test_operations_are_found_by_status():
    runner = LocalDurableTestRunner(send)
    tries.clear()
    runner.sync.start(["a"])
    pending = runner.sync.run_until_suspended()
    assert [each.name for each in pending.operations_by_status("PENDING")] == ["flaky"]
    assert pending.operations_by_status("SUCCEEDED") == []
    done = runner.sync.complete()
    assert done.operations_by_status("SUCCEEDED", "FAILED") == done.operations
    assert done.operations_by_status("FAILED", "PENDING") == done.operations_by_status() == []
    with pytest.raises(ConfigError, match="no status 'SUCCEDED'; it may be STARTED, PENDING"):
        done.operations_by_status("SUCCEDED")


def test_where_there_are_no_such_signs_it_prints_letters(sent):
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    sent.print(file=out)
    out.seek(0)
    assert out.readlines()[1:4] == [
        "|-- + flaky  Step  attempt 2  1 min\n",
        "|-- + pack  RunInChildContext\n",
        "|   |-- + weigh  Step\n",
    ]


def test_the_history_is_what_the_service_gives(sent):
    types = [event.event_type for event in sent.history]
    assert (types[0], types[-1]) == ("ExecutionStarted", "ExecutionSucceeded")
    assert types.count("InvocationCompleted") == 3
    assert [event.event_id for event in sent.history] == list(range(1, len(types) + 1))


def failing() -> None:
    raise LookupError("no")


async def failing_child(ctx) -> None:
    await ctx.step(failing, config=StepConfig(retry_strategy=NoRetry()))


@durable_execution
async def fails(kind: str, ctx) -> None:
    match kind:
        case "step":
            await ctx.step(failing, config=StepConfig(retry_strategy=NoRetry()), name=kind)
        case "child":
            await ctx.run_in_child_context(failing_child, name=kind)
        case "invoke":
            await ctx.invoke("other", name=kind)
        case "callback":
            await ctx.wait_for_callback(lambda _: failing(), name=kind)
        case _:
            raise ValueError(kind)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("step", StepError),
        ("child", ChildContextError),
        ("invoke", InvokeError),
        ("callback", CallbackError),
    ],
)
def test_an_operation_that_failed_gives_the_exception_that_it_raised(kind, expected):
    runner = LocalDurableTestRunner(
        fails, functions={"other": Raises(LookupError("no"))}, timeout=60
    )
    result = runner.run_sync(kind)
    operation = result.operation(kind)
    assert isinstance(operation.error, expected)
    assert operation.error.error_type == "LookupError"
    assert isinstance(operation.error, LookupError) == (kind != "invoke")
    assert operation.status == "FAILED"
    assert type(result.error) is type(operation.error)


def test_an_assertion_shows_the_tree_and_where_it_was_raised():
    result = LocalDurableTestRunner(fails).run_sync("step")
    with pytest.raises(UnexpectedStatusError) as caught:
        result.assert_succeeded()
    assert str(caught.value).startswith("expected SUCCEEDED, found FAILED:\nfails ")
    assert "└── ✘ step  Step  LookupError: no\nerror: LookupError: no\n" in str(caught.value)
    assert "test_results.py" in str(caught.value)
    assert result.assert_failed() is result
    with pytest.raises(LookupError) as raised:
        _ = result.result
    assert "✘ step" in raised.value.__notes__[0]


@durable_execution
async def long_winded(event: object, ctx) -> None:
    raise ValueError("word " * 100)


def test_an_error_is_told_in_full():
    result = LocalDurableTestRunner(long_winded).run_sync()
    assert f"error: ValueError: {'word ' * 100}\n" in str(result)


def test_an_execution_that_goes_on_has_no_result_yet():
    runner = LocalDurableTestRunner(send).sync
    runner.start(["a"])
    result = runner.run_until_suspended()
    assert (result.is_done, result.error, result.ended_at, result.duration) == (
        False,
        None,
        None,
        None,
    )
    with pytest.raises(UnexpectedStatusError, match="no result yet"):
        _ = result.result
    assert "waits attempt" in str(result)


@durable_execution
async def times_out(event: object, ctx) -> None:
    await ctx.wait(Duration.from_days(2))


def test_a_timeout_is_an_error_too():
    result = LocalDurableTestRunner(times_out, execution_timeout=timedelta(days=1)).run_sync()
    assert result.status == "TIMED_OUT"
    assert abs(result.duration - timedelta(days=1)) <= timedelta(seconds=1)
    assert result.error is not None
    with pytest.raises(UnexpectedStatusError, match="expected FAILED, found TIMED_OUT"):
        result.assert_failed()


own = logging.getLogger("kept to itself")


@durable_execution(logger=own)
async def tells(event: str, ctx) -> None:
    def speak() -> None:
        time.sleep(0.005)
        log.info("step of %s", event)

    for _ in range(3):
        ctx.log_info(f"workflow of {event}")
        await ctx.step(speak)


def test_runners_that_are_at_work_at_once_keep_their_logs_apart(monkeypatch):
    async def test() -> None:
        names = ["Ada", "Grace", "Edsger"]
        monkeypatch.setattr(own, "propagate", False)
        runners = [LocalDurableTestRunner(tells) for _ in names]
        results = await asyncio.gather(
            *(runner.run(name) for runner, name in zip(runners, names, strict=True))
        )
        for result, name in zip(results, names, strict=True):
            assert [record.getMessage() for record in result.logs] == [
                f"workflow of {name}",
                f"step of {name}",
            ] * 3

    level = own.level
    own.setLevel(logging.INFO)
    asyncio.run(test())
    own.setLevel(level)
    assert (logging.root.level, own.handlers) == (logging.WARNING, [])


def test_why_it_was_stopped_is_only_told():
    runner = LocalDurableTestRunner(times_out).sync
    runner.start()
    data = '{"durable_error":1,"kind":"builtins:KeyError","classes":["builtins:KeyError"],"args":["x"]}'
    forged = ErrorObject(error_type="KeyError", error_message="x", error_data=data)
    error = runner.stop(forged).error
    assert type(error) is OperationError
    assert error.error_type == "KeyError"


@durable_execution
async def asks(event: object, ctx) -> object:
    return await ctx.invoke("price", {"of": "cup"}, name="price")


def test_canned_answers_travel_as_json():
    runner = LocalDurableTestRunner(asks, functions={"price": Returns(Parcel("a", 1))})
    assert runner.run_sync().result == {"id": "a", "weight": 1}


def test_a_result_stays_as_it_was_taken_however_late_it_is_read():
    @durable_execution
    async def workflow(_event, ctx):
        await ctx.wait(Duration.from_hours(1), name="pause")
        await ctx.invoke("child:$LATEST", name="child")
        return "done"

    @durable_execution
    async def child(_event, ctx):
        await ctx.wait(Duration.from_hours(1), name="nap")

    runner = LocalDurableTestRunner(workflow, functions={"child": child}).sync
    runner.start()
    pausing = runner.run_until_suspended()
    invoking = runner.advance(hours=1)
    done = runner.complete()

    assert [str(each.operation("pause")) for each in (pausing, done)] == [
        "<Wait 'pause' STARTED>",
        "<Wait 'pause' SUCCEEDED>",
    ]
    assert [each.name for each in pausing.operations] == ["pause"]
    assert [each.event_type for each in pausing.history][-1] == "InvocationCompleted"
    assert [waiter.path for waiter in pausing.family.waiters()] == [("pause",)]
    assert [waiter.path for waiter in invoking.family.waiters()] == [("child", "nap")]
    assert list(done.family.waiters()) == []
