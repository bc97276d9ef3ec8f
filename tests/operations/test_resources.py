"""Resources of steps: made once or for each attempt, cleaned up, replaced in tests, and refused where they cannot be."""

import asyncio
import contextvars
import functools
import gc
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from tests.memory_service import MemoryService
from tests.rig import Ran, run_workflow
from tests.virtual_time import virtual_time

from durable_execution_sdk import (
    INJECTED,
    CheckpointingMode,
    ConfigError,
    Depends,
    DurableContext,
    Duration,
    FixedDelay,
    JsonSerDes,
    NoRetry,
    StepConfig,
    StepContext,
    WaitForConditionConfig,
    durable_execution,
    durable_step,
    poll_until,
)
from durable_execution_sdk.middleware import Middleware
from durable_execution_sdk.runtime.event_loop.environment import environment
from durable_execution_sdk.testing import LocalDurableTestRunner, check_crash_safety_sync

RETRY = StepConfig(retry_strategy=FixedDelay(max_attempts=3, delay=Duration.from_seconds(1)))
ONE_TRY = StepConfig(retry_strategy=NoRetry())
MODES = list(CheckpointingMode)

notes: list[str] = []


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Begin with a container that holds nothing."""
    environment().close()
    notes.clear()
    yield
    environment().close()


class Client:
    """A client that notes its charges."""

    def __init__(self, name: str = "real") -> None:
        self.name = name

    async def charge(self, order: int) -> str:
        notes.append(f"{self.name} charges {order}")
        return f"{self.name} {order}"

    def charge_now(self, order: int) -> str:
        notes.append(f"{self.name} charges {order}")
        return f"{self.name} {order}"


def get_client() -> Client:
    notes.append("make client")
    return Client()


async def get_client_async() -> Client:
    notes.append("make client")
    return Client()


async def get_session(client: Annotated[Client, Depends(get_client)]) -> AsyncIterator[str]:
    notes.append("begin")
    try:
        yield f"session of {client.name}"
        notes.append("commit")
    except ValueError as error:
        notes.append(f"rollback: {error}")
        raise
    finally:
        notes.append("close")


def get_transaction() -> Iterator[str]:
    notes.append("begin")
    try:
        yield "transaction"
        notes.append("commit")
    except ValueError as error:
        notes.append(f"rollback: {error}")
        raise
    finally:
        notes.append("close")


async def charge(order: int, *, client: Annotated[Client, Depends(get_client)] = INJECTED) -> str:
    return await client.charge(order)


def charge_plain(
    order: int, client: Annotated[Client, Depends(get_client_async)] = INJECTED
) -> str:
    return client.charge_now(order)


async def charge_by_default(order: int, client: Client = Depends(get_client)) -> str:
    return await client.charge(order)


async def charge_without_default(order: int, client: Annotated[Client, Depends(get_client)]) -> str:
    return await client.charge(order)


def in_workflow(*calls: tuple[Callable[..., Any], int], config: StepConfig | None = None) -> Any:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        return [await ctx.step(function, order, config=config) for function, order in calls]

    return workflow


def run(*calls: tuple[Callable[..., Any], int], **options: Any) -> Ran:
    return run_workflow(in_workflow(*calls, **options))


# What is given, and how often it is made.


@pytest.mark.parametrize(
    "function",
    [charge, charge_plain, charge_by_default, charge_without_default],
    ids=lambda function: function.__name__,
)
def test_a_resource_is_made_once_and_the_call_passes_the_other_arguments(
    function: Callable[..., Any],
) -> None:
    ran = run((function, 1), (function, 2))
    assert ran.result == ["real 1", "real 2"]
    assert notes == ["make client", "real charges 1", "real charges 2"]


def test_steps_of_one_container_share_what_one_function_makes() -> None:
    run((charge, 1), (charge_by_default, 2), (charge_without_default, 3))
    assert notes.count("make client") == 1


@pytest.mark.parametrize("mode", MODES)
def test_warm_invocations_keep_a_resource(mode: CheckpointingMode) -> None:
    @durable_execution(checkpointing=mode)
    async def workflow(event: int, ctx: DurableContext) -> str:
        return await ctx.step(charge, event)

    for event in ("1", "2", "3"):
        service = MemoryService()
        assert workflow.bind(service)(service.event(event), None)["Status"] == "SUCCEEDED"
    assert notes.count("make client") == 1


def test_it_is_made_once_for_steps_that_need_it_at_the_same_time() -> None:
    made: list[Client] = []
    begun = asyncio.Event()

    async def slow() -> Client:
        made.append(Client())
        await asyncio.sleep(0)
        begun.set()
        await asyncio.sleep(0)
        return made[-1]

    async def use(order: int, client: Annotated[Client, Depends(slow)] = INJECTED) -> bool:
        return client is made[0]

    def use_in_thread(order: int, client: Annotated[Client, Depends(slow)] = INJECTED) -> bool:
        return client is made[0]

    async def workflow(event: Any, ctx: DurableContext) -> list[bool]:
        steps = [ctx.step(function, n) for n in range(5) for function in (use, use_in_thread)]
        return await asyncio.gather(*steps)

    assert run_workflow(workflow).result == [True] * 10
    assert len(made) == 1


def test_a_plain_function_that_makes_one_runs_in_a_thread_and_only_once() -> None:
    threads: list[str] = []

    def make() -> int:
        threads.append(threading.current_thread().name)
        return len(threads)

    async def use(n: int, value: Annotated[int, Depends(make)] = INJECTED) -> int:
        return value

    async def workflow(event: Any, ctx: DurableContext) -> list[int]:
        return await asyncio.gather(*(ctx.step(use, n) for n in range(8)))

    assert run_workflow(workflow).result == [1] * 8
    assert threads == ["durable-step"]


def test_a_resource_that_could_not_be_made_is_made_by_the_next_attempt() -> None:
    def make() -> str:
        notes.append("make")
        if len(notes) == 1:
            raise ConnectionError("no route")
        return "made"

    async def use(n: int, value: Annotated[str, Depends(make)] = INJECTED) -> str:
        return value

    assert run((use, 1), config=RETRY).result == ["made"]
    assert notes == ["make", "make"]


def test_the_failure_to_make_one_names_both_functions() -> None:
    def make() -> str:
        raise ConnectionError("no route")

    async def use(n: int, value: Annotated[str, Depends(make)] = INJECTED) -> str:
        return value

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        try:
            await ctx.step(use, 1, config=ONE_TRY)
        except ConnectionError as error:
            return error.__notes__
        return []

    [note] = run_workflow(workflow).result
    assert "make, which makes a resource of" in note
    assert "use" in note


def test_one_that_is_given_up_while_it_makes_the_resource_leaves_that_to_the_next() -> None:
    gate: list[asyncio.Event] = []

    async def make() -> str:
        notes.append("make")
        if len(notes) == 1:
            gate.append(asyncio.Event())
            await gate[0].wait()
        return "made"

    async def use(n: int, value: Annotated[str, Depends(make)] = INJECTED) -> str:
        return value

    async def workflow(event: Any, ctx: DurableContext) -> str:
        first, second = ctx.step(use, 1), ctx.step(use, 2)
        await ctx.step(asyncio.sleep, 0, name="turn")
        first.cancel()
        return await second

    assert run_workflow(workflow).result == "made"
    assert notes == ["make", "make"]


def test_threads_of_the_process_have_resources_of_their_own() -> None:
    clients: list[Client] = []

    async def take(n: int, client: Annotated[Client, Depends(get_client)] = INJECTED) -> int:
        clients.append(client)
        return n

    threads = [threading.Thread(target=run, args=((take, n),)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, clients))) == 3


# For each attempt.


def test_a_generator_sets_up_and_cleans_up_around_each_attempt() -> None:
    attempts: list[int] = []

    async def use(n: int, session: Annotated[str, Depends(get_session)] = INJECTED) -> str:
        attempts.append(n)
        notes.append("use")
        if len(attempts) == 1:
            raise ValueError("declined")
        return session

    assert run((use, 1), config=RETRY).result == ["session of real"]
    attempt = ["begin", "use", "rollback: declined", "close"]
    assert notes == ["make client", *attempt, "begin", "use", "commit", "close"]


def test_a_plain_generator_serves_an_async_function() -> None:
    async def use(n: int, transaction: Annotated[str, Depends(get_transaction)] = INJECTED) -> str:
        notes.append("use")
        raise ValueError("declined")

    run((use, 1), config=ONE_TRY)
    assert notes == ["begin", "use", "rollback: declined", "close"]


def test_a_plain_function_and_its_plain_generators_run_in_one_thread_and_context() -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")
    threads: set[int] = set()

    def connect() -> Iterator[str]:
        threads.add(threading.get_ident())
        var.set("set")
        yield "connection"
        threads.add(threading.get_ident())

    def use(n: int, connection: Annotated[str, Depends(connect)] = INJECTED) -> str:
        threads.add(threading.get_ident())
        return connection + " " + var.get()

    assert run((use, 1)).result == ["connection set"]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_what_an_asynchronous_resource_needs_is_made_before_a_plain_function() -> None:
    def plain() -> Iterator[str]:
        notes.append("plain")
        yield "plain"
        notes.append("plain ends")

    async def outer(inner: Annotated[str, Depends(plain)]) -> AsyncIterator[str]:
        notes.append("outer")
        yield f"outer of {inner}"
        notes.append("outer ends")

    def use(
        n: int,
        *,
        own: Annotated[str, Depends(get_transaction)] = INJECTED,
        other: Annotated[str, Depends(outer)] = INJECTED,
    ) -> str:
        notes.append("use")
        return f"{own}, {other}"

    assert run((use, 1)).result == ["transaction, outer of plain"]
    set_up = ["plain", "outer", "begin"]
    assert notes == [*set_up, "use", "commit", "close", "outer ends", "plain ends"]


def test_one_attempt_makes_a_resource_once_however_many_need_it() -> None:
    async def one(session: Annotated[str, Depends(get_session)]) -> str:
        return session + " 1"

    def two(session: Annotated[str, Depends(get_session)]) -> Iterator[str]:
        yield session + " 2"

    async def use(
        n: int,
        *,
        first: Annotated[str, Depends(one)] = INJECTED,
        second: Annotated[str, Depends(two)] = INJECTED,
        session: Annotated[str, Depends(get_session)] = INJECTED,
    ) -> list[str]:
        return [first, second, session]

    ran = run((use, 1), (use, 2))
    assert ran.result[1] == ["session of real 1", "session of real 2", "session of real"]
    assert notes == ["make client", *["begin", "commit", "close"] * 2]


def test_keep_false_makes_it_for_each_attempt() -> None:
    async def use(n: int, client: Annotated[Client, Depends(get_client, keep=False)]) -> int:
        return n

    run((use, 1), (use, 2))
    assert notes == ["make client"] * 2


@pytest.mark.parametrize("is_plain", [False, True], ids=["async", "plain"])
@pytest.mark.parametrize("fails", [False, True], ids=["after success", "after failure"])
def test_an_error_of_the_clean_up_fails_the_attempt_and_says_whose_it_is(
    is_plain: bool, fails: bool
) -> None:
    async def commit() -> AsyncIterator[str]:
        try:
            yield "session"
        finally:
            raise ConnectionError("the commit was lost")

    def commit_plain() -> Iterator[str]:
        try:
            yield "session"
        finally:
            raise ConnectionError("the commit was lost")

    async def use(n: int, session: Annotated[str, Depends(commit)] = INJECTED) -> str:
        if fails:
            raise ValueError("declined")
        return session

    def use_plain(n: int, session: Annotated[str, Depends(commit_plain)] = INJECTED) -> str:
        if fails:
            raise ValueError("declined")
        return session

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        try:
            await ctx.step(use_plain if is_plain else use, 1, config=ONE_TRY)
        except ConnectionError as error:
            return [*error.__notes__, repr(error.__context__)]
        return []

    note, context = run_workflow(workflow).result
    ending = "had failed" if fails else "had returned"
    assert "raised by the clean-up of" in note
    assert note.endswith(ending)
    assert ("declined" in context) == fails


@pytest.mark.parametrize("is_plain", [False, True], ids=["async", "plain"])
def test_a_generator_that_does_not_raise_again_makes_no_success_of_a_failure(
    is_plain: bool,
) -> None:
    async def swallow() -> AsyncIterator[str]:
        try:
            yield "session"
        except ValueError:
            notes.append("swallowed")

    def swallow_plain() -> Iterator[str]:
        try:
            yield "session"
        except ValueError:
            notes.append("swallowed")

    async def use(n: int, session: Annotated[str, Depends(swallow)] = INJECTED) -> str:
        raise ValueError("declined")

    def use_plain(n: int, session: Annotated[str, Depends(swallow_plain)] = INJECTED) -> str:
        raise ValueError("declined")

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        try:
            await ctx.step(use_plain if is_plain else use, 1, config=ONE_TRY)
        except ValueError as error:
            return [str(error), *error.__notes__]
        return []

    message, note = run_workflow(workflow).result
    assert message == "declined"
    assert "did not raise this again" in note
    assert notes == ["swallowed"]


def test_a_generator_may_raise_another_error_in_its_place() -> None:
    async def translate() -> AsyncIterator[str]:
        try:
            yield "session"
        except ValueError as error:
            raise LookupError(f"translated {error}") from error

    async def use(n: int, session: Annotated[str, Depends(translate)] = INJECTED) -> str:
        raise ValueError("declined")

    ran = run((use, 1), config=ONE_TRY)
    assert ran.error.error_type == "LookupError"
    assert ran.error.error_message == "translated declined"


def test_an_attempt_that_is_cancelled_cleans_up() -> None:
    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        except asyncio.CancelledError:
            notes.append("cancelled")
            raise

    async def use(n: int, session: Annotated[str, Depends(session)] = INJECTED) -> None:
        notes.append("use")
        await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        given_up = ctx.step(use, 1)
        await ctx.step(asyncio.sleep, 0, name="turn")
        given_up.cancel()

    run_workflow(workflow)
    assert notes == ["use", "cancelled"]


def test_a_generator_that_yields_nothing_is_named() -> None:
    async def empty() -> AsyncIterator[str]:
        return
        yield ""

    async def use(n: int, session: Annotated[str, Depends(empty)] = INJECTED) -> str:
        return session

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        try:
            await ctx.step(use, 1, config=ONE_TRY)
        except RuntimeError as error:
            return [str(error), *error.__notes__]
        return []

    message, note = run_workflow(workflow).result
    assert "didn't yield" in message
    assert "empty, which makes" in note


# Kept generators.


async def kept() -> AsyncGenerator[str, None]:
    notes.append("open")
    try:
        yield "pool"
    finally:
        await asyncio.sleep(0)
        notes.append("close")


def kept_plain() -> Generator[str, None, None]:
    notes.append("open")
    yield "pool"
    notes.append("close")


@asynccontextmanager
async def from_a_library() -> AsyncIterator[str]:
    notes.append("enter")
    yield "inner"
    notes.append("leave")


async def kept_with_generators() -> AsyncIterator[str]:
    async with from_a_library() as inner:
        notes.append("open")
        yield f"pool of {inner}"
        notes.append("close")


def in_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("make", "before", "after"),
    [
        (kept, ["open"], ["close"]),
        (kept_plain, ["open"], ["close"]),
        (kept_with_generators, ["enter", "open"], ["close", "leave"]),
    ],
    ids=["async", "plain", "with generators"],
)
def test_a_kept_generator_serves_all_invocations_and_is_cleaned_up_with_its_thread(
    make: Callable[..., Any], before: list[str], after: list[str]
) -> None:
    async def use(n: int, pool: Annotated[str, Depends(make, keep=True)] = INJECTED) -> str:
        return pool

    def invocations() -> None:
        @durable_execution
        async def workflow(event: int, ctx: DurableContext) -> str:
            return await ctx.step(use, event)

        for event in ("1", "2"):
            service = MemoryService()
            outcome = workflow.bind(service)(service.event(event), None)
            assert outcome["Status"] == "SUCCEEDED", outcome
            notes.append("invoked")
            gc.collect()

    in_a_thread(invocations)
    assert notes == [*before, "invoked", "invoked", *after]


def test_kept_generators_are_cleaned_up_in_the_reverse_order_and_errors_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def pool() -> AsyncIterator[str]:
        yield "pool"
        notes.append("pool")

    async def cache(pool: Annotated[str, Depends(pool, keep=True)]) -> AsyncIterator[str]:
        yield f"cache of {pool}"
        notes.append("cache")
        raise ConnectionError("lost")

    async def use(n: int, cache: Annotated[str, Depends(cache, keep=True)] = INJECTED) -> str:
        return cache

    in_a_thread(lambda: notes.extend(run((use, 1)).result))
    assert notes == ["cache of pool", "cache", "pool"]
    [record] = [each for each in caplog.records if "clean-up of a resource failed" in each.message]
    assert record.exc_info is not None
    [note] = record.exc_info[1].__notes__  # type: ignore[union-attr]
    assert note.endswith("cache, as its container ended")


SCRIPT = """
import asyncio, sys
from typing import Annotated
from durable_execution_sdk import INJECTED, Depends, durable_execution
from tests.memory_service import MemoryService

async def pool():
    print("open")
    try:
        yield "pool"
    finally:
        await asyncio.sleep(0)
        print("close")

def plain():
    yield "plain"
    print("close plain")

async def use(n: int, *, pool: Annotated[str, Depends(pool, keep=True)] = INJECTED,
              plain: Annotated[str, Depends(plain, keep=True)] = INJECTED) -> str:
    return pool + plain

@durable_execution
async def workflow(event: int, ctx) -> str:
    return await ctx.step(use, event)

service = MemoryService()
print(workflow.bind(service)(service.event("1"), None)["Status"])
{end}
"""


@pytest.mark.parametrize(
    ("end", "lines"),
    [
        ("", ["open", "SUCCEEDED", "close plain", "close"]),
        ("sys.exit(0)", ["open", "SUCCEEDED", "close plain", "close"]),
        (
            "import os, signal; signal.signal(15, lambda *_: sys.exit(0)); os.kill(os.getpid(), 15)",
            ["open", "SUCCEEDED", "close plain", "close"],
        ),
        ("sys.stdout.flush(); import os; os._exit(0)", ["open", "SUCCEEDED"]),
    ],
    ids=["end", "exit", "SIGTERM with a handler", "killed"],
)
def test_the_end_of_the_process_cleans_up_unless_it_is_killed(end: str, lines: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("{end}", end)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert ran.stdout.split("\n")[:-1] == lines
    assert ran.stderr == ""


# Where functions run as steps.


def test_submitters_checks_and_compensations_get_resources() -> None:
    async def submit(
        callback_id: str, order: int, *, client: Annotated[Client, Depends(get_client)] = INJECTED
    ) -> None:
        await client.charge(order)

    def check(state: int, *, client: Annotated[Client, Depends(get_client)] = INJECTED) -> int:
        client.charge_now(state)
        return state + 1

    async def refund(charged: str, client: Annotated[Client, Depends(get_client)]) -> None:
        notes.append(f"{client.name} refunds {charged}")

    @durable_execution
    async def workflow(event: int, ctx: DurableContext) -> str:
        until = WaitForConditionConfig(
            initial_state=10, wait_strategy=poll_until(lambda state: state > 11)
        )
        await ctx.wait_for_condition(check, until)
        try:
            async with ctx.saga() as saga:
                await saga.step(charge, 5, compensate=refund)
                raise LookupError("no")
        except LookupError:
            pass
        answer: str = await ctx.wait_for_callback(submit, 7)
        return answer

    runner = LocalDurableTestRunner(workflow)
    runner.sync.start(1)
    runner.sync.wait_for_callback().succeed("yes")
    assert runner.sync.complete().result == "yes"
    assert notes == [
        "make client",
        "real charges 10",
        "real charges 11",
        "real charges 5",
        "real refunds real 5",
        "real charges 7",
    ]


def test_partials_methods_objects_and_wrappers_get_resources() -> None:
    class Shop:
        async def charge(
            self, order: int, *, client: Annotated[Client, Depends(get_client)] = INJECTED
        ) -> str:
            return await client.charge(order)

        async def __call__(
            self, order: int, *, client: Annotated[Client, Depends(get_client)] = INJECTED
        ) -> str:
            return await client.charge(order)

    def traced(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(function)
        def traced(*args: Any, **keywords: Any) -> Awaitable[Any]:
            return function(*args, **keywords)

        return traced

    async def two(
        order: int,
        amount: int,
        *,
        client: Annotated[Client, Depends(get_client)] = INJECTED,
        transaction: Annotated[str, Depends(get_transaction)] = INJECTED,
    ) -> str:
        return await client.charge(order + amount)

    ran = run(
        (Shop().charge, 1),
        (Shop(), 2),
        (functools.partial(charge), 3),
        (functools.partial(two, 4), 10),
        (traced(charge), 5),
        (functools.partial(two, amount=1), 6),
        (functools.partial(traced(two), 7), 1),
        (durable_step()(charge), 8),
    )
    assert ran.result == [f"real {n}" for n in (1, 2, 3, 14, 5, 7, 8, 8)]
    assert notes.count("commit") == 3
    assert notes.index("close") > notes.index("real charges 14")


def test_a_partial_that_gives_the_resource_is_left_alone() -> None:
    ran = run((functools.partial(charge, client=Client("own")), 1))
    assert ran.result == ["own 1"]
    assert "make client" not in notes


def test_a_class_and_an_object_may_make_resources() -> None:
    class Repository:
        def __init__(self, client: Annotated[Client, Depends(get_client)]) -> None:
            self.name = f"repository of {client.name}"

    class Pool:
        def __call__(self) -> Iterator[str]:
            yield "pool"
            notes.append("released")

    async def use(
        n: int,
        *,
        repository: Annotated[Repository, Depends(Repository)] = INJECTED,
        pool: Annotated[str, Depends(Pool())] = INJECTED,
    ) -> str:
        return f"{repository.name}, {pool}"

    assert run((use, 1)).result == ["repository of real, pool"]
    assert notes == ["make client", "released"]


def test_a_step_with_a_serdes_of_its_own_gets_resources() -> None:
    ran = run((charge, 1), config=StepConfig(serdes=JsonSerDes()))
    assert ran.result == ["real 1"]


def test_the_step_is_named_after_its_function_and_its_result_has_the_annotated_type() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str | None:
        handle = ctx.step(charge, 1)
        await handle
        return handle.name

    assert run_workflow(workflow).result == "charge"


def test_the_attempt_is_known_where_a_resource_is_made() -> None:
    async def make() -> AsyncIterator[int]:
        yield StepContext.current().attempt

    async def use(n: int, attempt: Annotated[int, Depends(make)] = INJECTED) -> int:
        if attempt == 1:
            raise ValueError("again")
        return attempt

    assert run((use, 1), config=RETRY).result == [2]


def test_middleware_is_around_the_resources() -> None:
    class Around(Middleware):
        async def around_step(self, info: StepContext, call_next: Any) -> Any:
            notes.append("around")
            try:
                return await call_next()
            finally:
                notes.append("after")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(use, 1)

    async def use(n: int, session: Annotated[str, Depends(get_session)] = INJECTED) -> str:
        return session

    handler = durable_execution(middleware=[Around()])(workflow)
    assert LocalDurableTestRunner(handler).run_sync().result == "session of real"
    assert notes == ["around", "make client", "begin", "commit", "close", "after"]


def test_replay_makes_no_resource() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        result = await ctx.step(charge, 1)
        await ctx.wait(Duration.from_seconds(5))
        return result

    handler = durable_execution(workflow)
    service = MemoryService()
    service.event("1")
    ran = run_workflow(workflow)
    assert ran.invocations == 2
    assert notes == ["make client", "real charges 1"]
    del handler


# Replaced in tests.


@durable_execution
async def shop(event: int, ctx: DurableContext) -> str:
    first = await ctx.step(charge, event)
    return first + ", " + await ctx.step(use_session, event)


async def use_session(n: int, *, session: Annotated[str, Depends(get_session)] = INJECTED) -> str:
    return session


def test_a_runner_replaces_a_resource_for_a_block_or_for_good() -> None:
    runner = LocalDurableTestRunner(shop)
    with runner.override(get_client, Client("fake")):
        with runner.override(get_client, Client("inner")):
            assert runner.run_sync(1).result == "inner 1, session of inner"
        assert runner.run_sync(1).result == "fake 1, session of fake"
    assert runner.run_sync(1).result == "real 1, session of real"
    runner.override(get_client, Client("lasting"))
    assert runner.run_sync(1).result == "lasting 1, session of lasting"
    assert LocalDurableTestRunner(shop).run_sync(1).result == "real 1, session of real"


def test_none_may_replace_a_resource() -> None:
    async def use(n: int, client: Annotated[Client | None, Depends(get_client)]) -> bool:
        return client is None

    runner = LocalDurableTestRunner(durable_execution(in_workflow((use, 1))))
    with runner.override(get_client, None):
        assert runner.run_sync().result == [True]


def test_a_function_may_replace_another_with_resources_of_its_own() -> None:
    async def fake(client: Annotated[Client, Depends(get_client)]) -> AsyncIterator[str]:
        yield f"fake session of {client.name}"
        notes.append("fake ends")

    runner = LocalDurableTestRunner(shop)
    runner.override(get_session, by=fake)
    assert runner.run_sync(1).result == "real 1, fake session of real"
    assert notes[-1] == "fake ends"


def test_invoked_handlers_and_the_checks_of_crashes_get_the_replacement() -> None:
    @durable_execution
    async def outer(event: int, ctx: DurableContext) -> str:
        invoked: str = await ctx.invoke("shop:1", event)
        return invoked + " / " + await ctx.step(charge, event)

    runner = LocalDurableTestRunner(outer, functions={"shop": shop})
    with runner.override(get_client, Client("fake")):
        assert runner.run_sync(1).result == "fake 1, session of fake / fake 1"
        check_crash_safety_sync(runner, 1)
    assert "make client" not in notes
    assert not any("real" in note for note in notes)


@pytest.mark.parametrize("mode", MODES)
def test_a_crash_anywhere_does_no_harm_and_leaves_no_attempt_without_its_clean_up(
    mode: CheckpointingMode,
) -> None:
    handler = durable_execution(checkpointing=mode)(shop.__wrapped__)
    check_crash_safety_sync(handler, 1, setup=notes.clear)
    assert notes.count("begin") == notes.count("close")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda runner: runner.override(get_client),
        lambda runner: runner.override(get_client, 1, by=get_client),
        lambda runner: runner.override(Client("fake"), get_client),
        lambda runner: runner.override(get_client, by=5),
    ],
    ids=["nothing", "both", "no function", "by no function"],
)
def test_a_wrong_replacement_is_refused(wrong: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="Depends"):
        wrong(LocalDurableTestRunner(shop))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement is new in 3.12")
def test_a_name_of_a_type_statement_may_be_the_annotation() -> None:
    names: dict[str, Any] = {"Annotated": Annotated, "Client": Client, "Depends": Depends}
    names |= {"get_client": get_client, "INJECTED": INJECTED}
    exec(
        textwrap.dedent(
            """
            type Given = Annotated[Client, Depends(get_client)]
            async def use(n: int, *, client: Given = INJECTED) -> str:
                return await client.charge(n)
            """
        ),
        names,
    )
    assert run((names["use"], 1)).result == ["real 1"]


def test_names_of_annotations_that_are_not_there_matter_only_for_resources() -> None:
    names: dict[str, Any] = {"__name__": "shop"}
    exec(
        textwrap.dedent(
            """
            from __future__ import annotations
            from typing import TYPE_CHECKING, Annotated
            from durable_execution_sdk import INJECTED, Depends
            if TYPE_CHECKING:
                from elsewhere import Order, Given

            def get_client() -> str:
                return "client"

            async def use(n: Order, *, client: Annotated[str, Depends(get_client)] = INJECTED):
                return client

            async def not_there(n: int, *, client: Given = INJECTED): ...
            """
        ),
        names,
    )
    assert run((names["use"], 1)).result == ["client"]
    assert "import what it names outside of TYPE_CHECKING" in refusal_of(names["not_there"], 1)


def test_a_step_that_was_abandoned_while_it_made_a_resource_blocks_no_later_invocation() -> None:
    async def make() -> str:
        notes.append("make")
        while len(notes) == 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue  # it ignores its cancellation for good
        return "made"

    async def use(n: int, value: Annotated[str, Depends(make)] = INJECTED) -> str:
        return value

    async def fails(event: Any, ctx: DurableContext) -> None:
        ctx.step(use, 1)
        await ctx.step(asyncio.sleep, 0, name="turn")
        raise ValueError("the invocation ends")

    async def later(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(use, 2)

    with virtual_time():
        service = MemoryService()
        outcome = durable_execution(fails).bind(service)(service.event("1"), None)
        assert outcome["Status"] == "FAILED"
        service = MemoryService()
        outcome = durable_execution(later).bind(service)(service.event("1"), None)
        assert outcome["Result"] == '"made"'


# Refused, when the step is called.


def refusal_of(function: Callable[..., Any], *args: Any) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            ctx.step(function, *args)
        except ConfigError as error:
            return str(error)
        return ""

    ran = run_workflow(workflow)
    assert not any(event.event_type.startswith("Step") for event in ran.events)
    message = ran.result
    assert message
    return str(message)


def test_a_circle_is_told_with_its_path() -> None:
    namespace: dict[str, Any] = {}
    exec(
        textwrap.dedent(
            """
            from __future__ import annotations
            from typing import Annotated
            from durable_execution_sdk import Depends

            def a(b: Annotated[int, Depends(b)]) -> int: ...
            async def b(c: Annotated[int, Depends(c)]) -> int: ...
            def c(a: Annotated[int, Depends(a)]) -> int: ...
            async def use(n: int, a: Annotated[int, Depends(a)]) -> int: ...
            """
        ),
        namespace,
    )
    assert "a -> b -> c -> a" in refusal_of(namespace["use"], 1)


def test_a_parameter_of_a_maker_that_nothing_gives_is_told_with_the_path() -> None:
    def needs_region(region: str) -> Client:
        return Client(region)

    async def use(n: int, client: Annotated[Client, Depends(needs_region)]) -> int:
        return n

    message = refusal_of(use, 1)
    assert "parameter 'region' of" in message
    assert "use -> " in message
    assert "give it a default" in message


def test_what_is_kept_cannot_need_what_is_made_for_each_attempt() -> None:
    def repository(session: Annotated[str, Depends(get_session)]) -> str:
        return session

    async def use(n: int, repository: Annotated[str, Depends(repository, keep=True)]) -> int:
        return n

    async def fine(n: int, repository: Annotated[str, Depends(repository)]) -> str:
        return repository

    assert "keep neither, or both" in refusal_of(use, 1)
    assert run((fine, 1), (fine, 2)).result == ["session of real"] * 2
    assert notes.count("begin") == 2


class ForeignDepends:
    """Stands for the class of another library."""


ForeignDepends.__name__ = "Depends"


async def with_the_mark_itself(n: int, client: Annotated[Client, Depends]) -> None: ...
async def with_another_mark(n: int, client: Annotated[Client, ForeignDepends()]) -> None: ...
async def with_no_mark(n: int, client: Client = INJECTED) -> None: ...
async def with_two_marks(
    n: int, client: Annotated[Client, Depends(get_client), Depends(get_client_async)]
) -> None: ...
async def with_two_places(
    n: int, client: Annotated[Client, Depends(get_client)] = Depends(get_client)
) -> None: ...
async def with_a_mark_inside(
    n: int, client: Annotated[Client, Depends(get_client)] | None = None
) -> None: ...
async def with_a_default_that_is_not_called(n: int, client: Client = Depends) -> None: ...  # type: ignore[assignment]
def without_annotations(n, client=Depends): ...  # type: ignore[no-untyped-def]
async def with_many(n: int, *clients: Annotated[Client, Depends(get_client)]) -> None: ...
async def with_keywords(n: int, **clients: Annotated[Client, Depends(get_client)]) -> None: ...
async def by_position(client: Annotated[Client, Depends(get_client)], /) -> None: ...
async def before_others(client: Annotated[Client, Depends(get_client)], n: int) -> None: ...
async def unresolved(n: int, client: "Annotated[Clientt, Depends(get_client)]") -> None: ...  # type: ignore[name-defined]  # noqa: F821
async def with_a_mistake(n: int, client: "Annotated[Client, Depends(get_client())]") -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (with_the_mark_itself, r"annotated with Depends itself: write Annotated\[..., Depends"),
        (with_another_mark, "from durable_execution_sdk import Depends"),
        (with_no_mark, "has the default INJECTED and no Annotated"),
        (with_two_marks, "leave one out"),
        (with_two_places, "leave one out"),
        (with_a_mark_inside, "it belongs outside"),
        (with_a_default_that_is_not_called, "has the default Depends itself: call it"),
        (without_annotations, "has the default Depends itself: call it"),
        (with_many, "takes many values"),
        (with_keywords, "takes many values"),
        (by_position, "behind the /"),
        (before_others, r"put resources last, as in \(n, \*, client: "),
        (unresolved, "'Clientt' is not defined"),
        (
            with_a_mistake,
            r"takes the function that makes the resource, as in Depends\(get_client\)",
        ),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_wrong_mark_is_told_when_the_step_is_called(
    function: Callable[..., Any], message: str
) -> None:
    import re

    refusal = refusal_of(function, 1)
    assert re.search(message, refusal), refusal


def test_an_argument_for_a_resource_is_refused() -> None:
    for function in (charge, charge_plain, charge_by_default, charge_without_default):
        message = refusal_of(function, 1, Client("mine"))
        assert "with 2 arguments" in message


def test_a_missing_argument_is_told_too() -> None:
    assert "with 0 arguments" in refusal_of(charge)


def test_depends_takes_a_function() -> None:
    with pytest.raises(ConfigError, match=r"as in Depends\(get_client\), not"):
        Depends(get_client())  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="takes the function"):
        Depends(Depends(get_client))  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="keep="):
        Depends(get_client, keep="process")  # type: ignore[call-overload]


def test_a_context_manager_is_refused_since_nothing_would_enter_it() -> None:
    @contextmanager
    def session() -> Iterator[str]:
        yield ""

    for manager in (session, from_a_library):
        with pytest.raises(ConfigError, match="would not be entered"):
            Depends(manager)


def test_an_unhashable_maker_is_refused() -> None:
    class Maker:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self) -> int:
            return 1

    with pytest.raises(ConfigError, match="hash"):
        Depends(Maker())


async def child(
    ctx: DurableContext, *, client: Annotated[Client, Depends(get_client)] = INJECTED
) -> None: ...
async def item(
    ctx: DurableContext, n: int, index: int, client: Client = Depends(get_client)
) -> None: ...


@pytest.mark.parametrize(
    "call",
    [
        lambda ctx: ctx.run_in_child_context(child),
        lambda ctx: ctx.map([1], item),
        lambda ctx: ctx.parallel([child]),
        lambda ctx: ctx.parallel({"a": child}),
        lambda ctx: ctx.with_retry(child),
    ],
    ids=["child", "map", "parallel", "named parallel", "with_retry"],
)
def test_workflow_functions_get_no_resources(call: Callable[[DurableContext], Any]) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await call(ctx)

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert "Workflow code gets none" in ran.error.error_message
    assert "make client" not in notes


def test_a_handler_gets_no_resources_either() -> None:
    async def handler(
        event: Any,
        ctx: DurableContext,
        *,
        client: Annotated[Client, Depends(get_client)] = INJECTED,
    ) -> None: ...

    with pytest.raises(ConfigError, match=r"'client' is a resource.*Workflow code gets none"):
        durable_execution(handler)


def test_a_function_that_is_called_without_the_sdk_is_told_that_nothing_was_given() -> None:
    with pytest.raises(AttributeError, match=r"INJECTED.charge: nothing has given this resource"):
        asyncio.run(charge(1))
    with pytest.raises(AttributeError, match=r"Depends\(get_client\).charge: nothing has given"):
        asyncio.run(charge_by_default(1))
    assert asyncio.run(charge(1, client=Client("own"))) == "own 1"


def test_arguments_that_are_compared_on_replay_leave_the_resources_out() -> None:
    runner = LocalDurableTestRunner(shop)
    runner.faults.compare_arguments()
    runner.run_sync(3)
    assert set(runner.faults.arguments.first().values()) == {"3"}


def test_a_handler_without_resources_loads_nothing_of_them() -> None:
    script = (
        "import sys, durable_execution_sdk; from tests.performance.test_work import *;"
        "run(steps, MemoryService(), '3');"
        "print([name for name in sys.modules if 'resources' in name and 'durable' in name])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert ran.stdout == "[]\n"
