"""More statements: locks and queues, generators and context managers, threads, sagas, anyio."""

from __future__ import annotations

from tests.generated.programs import Node, statement
from tests.generated.rendering import Writer
from tests.generated.statements import _jobs, functions


def pairs(w: Writer, node: Node) -> str:
    """Write a function for each block, and return a tuple expression of the functions with their keys."""
    return "(" + "".join(f"({name}, {key}), " for name, key in functions(w, node)).rstrip() + ")"


@statement(blocks=(2, 3), make=_jobs, racy=True)
def queue(w: Writer, node: Node) -> None:
    name, calls = w.name("queue"), pairs(w, node)
    w.line(f"{name} = asyncio.Queue()")
    with w.under(f"async def produce(job, at, queue={name}):"):
        w.line("await queue.put(await job(at))")
    w.line(f"producers = [asyncio.create_task(produce(*job)) for job in {calls}]")
    with w.under("for i in range(len(producers)):"):
        w.observe(f"{name}.get()", key=w.key(None, "-{i}"))
    w.observe(f"c.step(work, {w.key()})")
    w.line("await asyncio.gather(*producers)")


@statement(
    blocks=(2, 3), make=lambda rng: {**_jobs(rng), "places": rng.choice((1, 1, 2))}, weight=2
)
def lock(w: Writer, node: Node) -> None:
    """A lock, or a semaphore for two."""
    name, calls = w.name("lock"), pairs(w, node)
    places = node.data["places"]
    w.line(f"{name} = asyncio.Lock()" if places == 1 else f"{name} = asyncio.Semaphore({places})")
    with w.under(f"async def alone(job, at, lock={name}):"):
        with w.under("async with lock:"):
            w.line("return await job(at)")
    w.observe(f"asyncio.gather(*(alone(*job) for job in {calls}))")


@statement(blocks=(2, 2), make=_jobs)
def event(w: Writer, node: Node) -> None:
    name = w.name("event")
    first, second = functions(w, node)
    w.line(f"{name} = asyncio.Event()")
    with w.under(f"async def later(at, event={name}):"):
        w.line("await event.wait()")
        w.line(f"return await {second[0]}(at)")
    w.line(f"waiting = asyncio.create_task(later({second[1]}))")
    w.observe(f"{first[0]}({first[1]})")
    w.line(f"{name}.set()")
    w.observe("waiting")


@statement(blocks=(2, 3), make=_jobs, racy=True)
def condition(w: Writer, node: Node) -> None:
    name, arrived, calls = w.name("condition"), w.name("arrived"), pairs(w, node)
    w.line(f"{name}, {arrived} = asyncio.Condition(), []")
    with w.under(f"async def arrive(job, at, condition={name}, arrived={arrived}):"):
        w.line("value = await job(at)")
        with w.under("async with condition:"):
            w.line("arrived.append(value)")
            w.line("condition.notify_all()")
            w.line(f"await condition.wait_for(lambda: len(arrived) == {len(node.blocks)})")
        w.line("return arrived.index(value)")
    w.observe(f"asyncio.gather(*(arrive(*job) for job in {calls}))")


@statement(blocks=(2, 3), make=_jobs, racy=True)
def barrier(w: Writer, node: Node) -> None:
    name, calls = w.name("barrier"), pairs(w, node)
    w.line(f"{name} = asyncio.Barrier({len(node.blocks)})")
    with w.under(f"async def arrive(job, at, barrier={name}):"):
        w.line("value = await job(at)")
        w.line("return value, await barrier.wait()")
    w.observe(f"asyncio.gather(*(arrive(*job) for job in {calls}))")


@statement(ops=(1, 1))
def future(w: Writer, node: Node) -> None:
    """A plain future, which a task sets."""
    name, key = w.name("future"), w.key()
    w.line(f"{name} = asyncio.get_running_loop().create_future()")
    with w.under(f"async def fulfil(future={name}):"):
        started = w.start(node.ops[0])
        with w.under("try:"):
            w.line(f"value = plain(await {started})")
        with w.under("except Exception as error:"):
            w.line("value = plain(error)")
        with w.under("if not future.done():"):
            w.line("future.set_result(value)")
    w.line("fulfilling = asyncio.create_task(fulfil())")
    w.observe(name, key=key)
    w.line("await fulfilling")


@statement(
    blocks=(1, 1), make=lambda rng: {"count": rng.randint(1, 3), "breaks": rng.random() < 0.5}
)
def generator(w: Writer, node: Node) -> None:
    """An async generator with operations in it, which is sometimes left unfinished."""
    n, count = w.number(), node.data["count"]
    with w.under("async def items(at):"):
        w.line("out = []")
        outer, w.at = w.at, "at"
        at = w.name("at")
        with w.under(f"for {at} in [{w.key(None, '-{k}')} for k in range({count})]:"):
            w.at = at
            w.block(node.blocks[0])
            w.line(f"yield {at}")
        w.at = outer
    with w.under(f"async for value in items({w.key(n)}):"):
        w.tell("value")
        if node.data["breaks"]:
            w.line("break")


@statement(blocks=(2, 2), make=lambda rng: {"raises": rng.random() < 0.3})
def closed_generator(w: Writer, node: Node) -> None:
    """A generator that is closed before its end, with operations in ``finally``."""
    n = w.number()
    with w.under("async def items(at):"):
        w.line("out = []")
        outer, w.at = w.at, "at"
        with w.under("try:"):
            w.block(node.blocks[0])
            w.line(f"yield {w.key()}")
            w.line(f"yield {w.key()}")
        with w.under("finally:"):
            w.block(node.blocks[1])
        w.at = outer
    with w.under("try:"):
        with w.under(f"async with contextlib.aclosing(items({w.key(n)})) as values:"):
            with w.under("async for value in values:"):
                w.tell("value")
                w.line("raise Declined('enough')" if node.data["raises"] else "break")
    with w.under("except Declined as error:"):
        w.tell("error")


@statement(blocks=(1, 1), make=lambda rng: {"raises": rng.random() < 0.3})
def manager(w: Writer, node: Node) -> None:
    key = w.key()
    with w.under("try:"):
        with w.under(f"async with guard(c, {w.key()}) as token:"):
            w.tell("token")
            w.block(node.blocks[0])
            if node.data["raises"]:
                w.line("raise Declined('inside')")
    with w.under("except Declined as error:"):
        w.line(f"out.append(see(c, {key}, error))")


@statement(blocks=(1, 1), ops=(1, 1))
def finally_(w: Writer, node: Node) -> None:
    with w.under("try:"):
        w.block(node.blocks[0])
    with w.under("finally:"):
        w.observe_op(node.ops[0])


@statement(blocks=(2, 2), make=_jobs)
def variable(w: Writer, node: Node) -> None:
    """Context variables, which tasks inherit and do not share."""
    calls = pairs(w, node)
    w.line(f"VARIABLE.set({w.key()})")
    with w.under("async def reading(job, at):"):
        w.line("value = VARIABLE.get()")
        w.line(f"VARIABLE.set({w.key()})")
        w.line("return value, await job(at), VARIABLE.get()")
    w.observe(f"asyncio.gather(*(reading(*job) for job in {calls}))")
    w.tell("VARIABLE.get()")


@statement(make=lambda rng: {"seconds": rng.choice((0.3, 2))}, ops=(1, 1))
def call_later(w: Writer, node: Node) -> None:
    name = w.name("rung")
    key = w.key()
    started = w.start(node.ops[0])
    w.line(f"{name} = asyncio.Event()")
    w.line(f"asyncio.get_running_loop().call_later({node.data['seconds']}, {name}.set)")
    w.observe(started, catch="Exception" if w.may_fail(node.ops[0]) else None, key=key)
    w.observe(f"{name}.wait()")


@statement(ops=(1, 1), racy=True)
def cancel_wait(w: Writer, node: Node) -> None:
    name = w.name("w")
    w.line(f"{name} = c.wait(seconds(5))")
    w.observe_op(node.ops[0])
    w.line(f"{name}.cancel()")
    w.observe(name)


@statement(racy=True)
def replay_safe(w: Writer, node: Node) -> None:
    w.line(f"see(c, {w.key()}, [str(c.now()), str(c.uuid4()), c.random().random()])")


@statement(make=lambda rng: {"seconds": rng.choice((1, 3))}, ops=(1, 1))
def callback_timeout(w: Writer, node: Node) -> None:
    name = w.name("callback")
    config = f"CallbackConfig(timeout=seconds({node.data['seconds']}))"
    w.line(f"{name} = await c.create_callback(config={config})")
    w.observe_op(node.ops[0])
    w.observe(name, catch="Exception")


@statement()
def callback(w: Writer, node: Node) -> None:
    name = w.name("callback")
    w.line(f"{name} = await c.create_callback()")
    w.line(f"await c.step(give, {name}.callback_id, {w.key()})")
    w.observe(name)


@statement(
    blocks=(1, 1), make=lambda rng: {"raises": rng.random() < 0.5, "count": rng.randint(1, 3)}
)
def saga(w: Writer, node: Node) -> None:
    key = w.key()
    with w.under("try:"):
        with w.under("async with c.saga() as saga:"):
            for _ in range(node.data["count"]):
                w.observe(f"saga.step(work, {w.key()}, compensate=undo)")
            w.block(node.blocks[0])
            if node.data["raises"]:
                w.line("raise Declined('undo it')")
    with w.under("except Declined as error:"):
        w.line(f"out.append(see(c, {key}, error))")


@statement(blocks=(2, 3), make=_jobs, feature="anyio", weight=4)
def anyio_group(w: Writer, node: Node) -> None:
    n = w.number()
    names = [w.function(f"{node.data['fname']}{i}", block) for i, block in enumerate(node.blocks)]
    with w.under("async with anyio.create_task_group() as group:"):
        for i, name in enumerate(names):
            w.line(f"group.start_soon({name}, {w.key(n, 'abc'[i])})")
    w.observe(f"c.step(work, {w.key()})")


@statement(
    blocks=(1, 1),
    feature="anyio",
    racy=True,
    weight=4,
    make=lambda rng: {"seconds": rng.choice((0, 1.5, 30))},
)
def move_on(w: Writer, node: Node) -> None:
    scope = w.name("scope")
    with w.under(f"with anyio.move_on_after({node.data['seconds']}) as {scope}:"):
        w.block(node.blocks[0])
    w.tell(f"{scope}.cancelled_caught")


@statement(ops=(1, 1), blocks=(1, 1), feature="anyio", racy=True, weight=3)
def cancel_scope(w: Writer, node: Node) -> None:
    scope = w.name("scope")
    with w.under(f"with anyio.CancelScope() as {scope}:"):
        w.block(node.blocks[0])
        w.line(f"{scope}.cancel()")
        w.observe_op(node.ops[0])
    w.tell(f"{scope}.cancelled_caught")
