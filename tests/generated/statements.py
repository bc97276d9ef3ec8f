"""The statements of generated programs: constructs of asyncio around durable operations."""

from __future__ import annotations

import random
from typing import Any

from tests.generated.programs import Node, statement
from tests.generated.rendering import Writer

JOBS = ("job", "pay_for", "task")


def _jobs(rng: random.Random) -> dict[str, Any]:
    return {"fname": rng.choice(JOBS)}


def jobs(w: Writer, node: Node, raises: int | None = None) -> list[str]:
    """Write a coroutine function for each block, and return calls of them."""
    return [f"{name}({key})" for name, key in functions(w, node, raises)]


def functions(w: Writer, node: Node, raises: int | None = None) -> list[tuple[str, str]]:
    """Write a coroutine function for each block, and return the name and the key of each."""
    n = w.number()
    return [
        (w.function(f"{node.data['fname']}{i}", block, raises=raises == i), w.key(n, "abcd"[i]))
        for i, block in enumerate(node.blocks)
    ]


@statement(ops=(1, 1), weight=14)
def await_op(w: Writer, node: Node) -> None:
    w.observe_op(node.ops[0])


@statement(ops=(2, 3), make=lambda rng: {"seed": rng.randrange(6)}, weight=4)
def handles(w: Writer, node: Node) -> None:
    """Start several, and await them in another order."""
    names = []
    for op in node.ops:
        names.append(w.name("h"))
        w.line(f"{names[-1]} = {w.start(op)}")
    pairs = list(zip(names, node.ops, strict=True))
    random.Random(node.data["seed"]).shuffle(pairs)
    for name, op in pairs:
        w.observe_op(op, name)


def _gather(rng: random.Random) -> dict[str, Any]:
    raises = rng.random() < 0.25
    return {**_jobs(rng), "raises": raises, "collects": rng.random() < 0.6}


@statement(
    blocks=(2, 3), make=_gather, weight=5, racy=lambda data: data["raises"] and not data["collects"]
)
def gather(w: Writer, node: Node) -> None:
    data = node.data
    calls = jobs(w, node, 1 if data["raises"] else None)
    if data.get("sequential"):
        for call in calls:
            w.observe(call, catch="Exception")
        return
    collected = ", return_exceptions=True" if data["collects"] else ""
    catch = None if data["collects"] else "Exception"
    w.observe(f"asyncio.gather({', '.join(calls)}{collected})", catch=catch)


@statement(blocks=(1, 1), make=lambda rng: {**_jobs(rng), "count": rng.randint(2, 4)}, weight=4)
def gather_same(w: Writer, node: Node) -> None:
    """The same function several times."""
    n, count = w.number(), node.data["count"]
    name = w.function(node.data["fname"], node.blocks[0])
    key = w.key(n, "-{k}")
    if node.data.get("sequential"):
        w.tell(f"[(await {name}({key})) for k in range({count})]")
        return
    w.observe(f"asyncio.gather(*({name}({key}) for k in range({count})))")


@statement(ops=(2, 4), weight=3)
def gather_ops(w: Writer, node: Node) -> None:
    started = ", ".join(w.start(op) for op in node.ops)
    w.observe(f"asyncio.gather({started}, return_exceptions=True)")


@statement(
    blocks=(2, 3),
    weight=4,
    racy=lambda data: data["raises"],
    make=lambda rng: {**_jobs(rng), "raises": rng.random() < 0.25},
)
def group(w: Writer, node: Node) -> None:
    tasks = w.name("tasks")
    raises = node.data["raises"]
    calls = jobs(w, node, 0 if raises else None)
    with w.under("try:"):
        with w.under("async with asyncio.TaskGroup() as group:"):
            w.line(f"{tasks} = [group.create_task(job) for job in ({', '.join(calls)},)]")
        w.line(f"out.append(see(c, {w.key()}, [each.result() for each in {tasks}]))")
    with w.under("except ExceptionGroup as error:"):
        w.line(f"out.append(see(c, {w.key()}, len(error.exceptions)))")


@statement(blocks=(2, 2), make=_jobs, weight=4)
def spawn(w: Writer, node: Node) -> None:
    """A task beside the code that follows."""
    n, name, task = w.number(), node.data["fname"], w.name("running")
    w.function(name, node.blocks[0])
    w.line(f"{task} = asyncio.create_task({name}({w.key(n, 'a')}))")
    w.block(node.blocks[1])
    w.observe(task)


@statement(blocks=(1, 1), make=lambda rng: {"count": rng.randint(2, 3)}, weight=3)
def loop(w: Writer, node: Node) -> None:
    at = w.name("at")
    keys = f"[{w.key(None, '-{k}')} for k in range({node.data['count']})]"
    with w.under(f"for {at} in {keys}:"):
        outer, w.at = w.at, at
        w.block(node.blocks[0])
        w.at = outer


@statement(make=lambda rng: {"count": rng.choice((0, 1, 2, 5))})
def turns(w: Writer, node: Node) -> None:
    w.line(f"await turns({node.data['count']})")


@statement(make=lambda rng: {"seconds": rng.choice((0.05, 0.4, 1.5, 3))})
def sleep(w: Writer, node: Node) -> None:
    w.observe(f"asyncio.sleep({node.data['seconds']}, 'slept')")


# Sets of tasks, and completions in the order of their ends.


@statement(
    ops=(2, 4), make=lambda rng: {"names": rng.random() < 0.5}, racy=True, feature="sets", weight=6
)
def wait_for_all_ops(w: Writer, node: Node) -> None:
    """Go through the set that ``asyncio.wait`` returns, with an operation for each member."""
    started = ", ".join(w.start(op) for op in node.ops)
    w.line(f"done, _ = await asyncio.wait([{started}])")
    _each_done(w)


def _each_done(w: Writer) -> None:
    with w.under("for i, each in enumerate(done):"):
        w.line(f"value = see(c, {w.key(None, '-{i}')}, each.exception() or each.result())")
        w.observe(f"c.step(work, {w.key(None, '-{i}')}, value, name='notify')")


@statement(blocks=(2, 3), make=_jobs, racy=True, feature="sets", weight=6)
def wait_for_first(w: Writer, node: Node) -> None:
    calls = jobs(w, node)
    w.line(f"left = {{asyncio.create_task(each) for each in ({', '.join(calls)},)}}")
    w.line("i = 0")
    with w.under("while left:"):
        w.line("done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)")
        with w.under("for each in done:"):
            w.line("i += 1")
            w.line(f"value = see(c, {w.key(None, '-{i}')}, each.result())")
            w.observe(f"c.step(work, {w.key(None, '-{i}')}, value, name='notify')")


@statement(
    blocks=(1, 1),
    make=lambda rng: {**_jobs(rng), "count": rng.randint(2, 5)},
    racy=True,
    feature="sets",
    weight=6,
)
def background(w: Writer, node: Node) -> None:
    """The set of background tasks that the documentation of asyncio recommends."""
    n, name, tasks = w.number(), node.data["fname"], w.name("background")
    w.function(name, node.blocks[0])
    w.line(f"{tasks} = set()")
    with w.under(f"for k in range({node.data['count']}):"):
        w.line(f"each = asyncio.create_task({name}({w.key(n, '-{k}')}))")
        w.line(f"{tasks}.add(each)")
        w.line(f"each.add_done_callback({tasks}.discard)")
    w.observe(f"c.step(work, {w.key()})")
    w.observe(f"asyncio.gather(*{tasks})")


@statement(ops=(2, 3), racy=True)
def as_completed_ops(w: Writer, node: Node) -> None:
    started = ", ".join(w.start(op) for op in node.ops)
    with w.under(f"for i, each in enumerate(asyncio.as_completed([{started}])):"):
        w.observe("each", catch="Exception", key=w.key(None, "-{i}"))


@statement(blocks=(2, 3), make=_jobs, racy=True, weight=3)
def as_completed_jobs(w: Writer, node: Node) -> None:
    calls = ", ".join(jobs(w, node))
    with w.under(f"for i, each in enumerate(asyncio.as_completed([{calls}])):"):
        w.observe("each", key=w.key(None, "-{i}"))


@statement(ops=(4, 4), racy=True, feature="futures", weight=6)
def gathers_in_a_set(w: Writer, node: Node) -> None:
    a, b, x, y = (w.start(op) for op in node.ops)
    pair = f"[asyncio.gather({a}, {b}, return_exceptions=True),"
    w.line(
        f"done, _ = await asyncio.wait({pair} asyncio.gather({x}, {y}, return_exceptions=True)])"
    )
    _each_done(w)


@statement(ops=(2, 3), racy=True, feature="futures", weight=6)
def shields_in_a_set(w: Writer, node: Node) -> None:
    started = ", ".join(f"asyncio.shield({w.start(op)})" for op in node.ops)
    w.line(f"done, _ = await asyncio.wait([{started}])")
    _each_done(w)


@statement(ops=(2, 4), racy=True, feature="futures", weight=4)
def as_completed_gathers(w: Writer, node: Node) -> None:
    each = ", ".join(f"asyncio.gather({w.start(op)}, return_exceptions=True)" for op in node.ops)
    with w.under(f"for i, each in enumerate(asyncio.as_completed([{each}])):"):
        w.observe("each", key=w.key(None, "-{i}"))


# Callbacks that are pending before an await.


@statement(ops=(1, 1), feature="pending", weight=5)
def call_soon(w: Writer, node: Node) -> None:
    flags, key = w.name("flags"), w.key()
    started = w.start(node.ops[0])
    w.line(f"{flags} = []")
    w.line(f"asyncio.get_running_loop().call_soon({flags}.append, 'called')")
    w.observe(started, catch="Exception" if w.may_fail(node.ops[0]) else None, key=key)
    w.line(f"out.append(see(c, {w.key()}, {flags}))")


@statement(ops=(1, 1), feature="pending", weight=5)
def done_callback(w: Writer, node: Node) -> None:
    """A task that is done at once tells so in a callback, before or after what is awaited."""
    key, seen = w.key(), w.key()
    started = w.start(node.ops[0])
    w.line("done_soon = asyncio.create_task(turns(0))")
    w.line(f"done_soon.add_done_callback(lambda _, key={seen}: see(c, key, 'done'))")
    w.observe(started, catch="Exception" if w.may_fail(node.ops[0]) else None, key=key)
    w.line("await done_soon")


SOURCES = {
    "operation": "{started}",
    "task": "asyncio.create_task(turns(1))",
    "gather": "asyncio.gather(turns(0), turns(2))",
    "future": "asyncio.get_running_loop().create_future()",
}


@statement(
    ops=(1, 1),
    blocks=(1, 1),
    feature="pending",
    weight=4,
    make=lambda rng: {**_jobs(rng), "source": rng.choice([*SOURCES, "soon", "later"])},
)
def callback_starts_a_task(w: Writer, node: Node) -> None:
    """A task with operations, made by a callback: it has the place and the variables of the code that added it."""
    kind, n, key, value = node.data["source"], w.number(), w.key(), w.key()
    job = w.function(node.data["fname"], node.blocks[0])
    source, made, call = w.name("source"), w.name("made"), w.name("call")
    started = w.start(node.ops[0])
    w.line(f"{made} = []")
    w.line(f"VARIABLE.set({key})")
    with w.under(f"def {call}(*_, key={w.key(n, 'a')}, value={value}):"):
        w.line("see(c, value, VARIABLE.get())")
        w.line(f"{made}.append(asyncio.create_task({job}(key)))")
    if kind in SOURCES:
        w.line(f"{source} = {SOURCES[kind].format(started=started)}")
        w.line(f"{source}.add_done_callback({call})")
    else:
        timer = {"soon": "call_soon(", "later": "call_later(0.1, "}[kind]
        w.line(f"asyncio.get_running_loop().{timer}{call})")
    if kind == "future":
        w.line(f"asyncio.get_running_loop().call_soon({source}.set_result, 1)")
    w.line("VARIABLE.set('another')")
    awaited = source if kind == "operation" else started
    w.observe(awaited, catch="Exception" if w.may_fail(node.ops[0]) else None)
    if kind == "later":
        w.line("await asyncio.sleep(0.2)")
    elif kind != "operation":
        w.line("await turns(4)")
    w.observe(f"asyncio.gather(*{made})")


@statement(ops=(1, 1), feature="pending", weight=4, racy=True)
def cancels_itself(w: Writer, node: Node) -> None:
    key = w.key()
    started = w.start(node.ops[0])
    w.line("asyncio.current_task().cancel()")
    with w.under("try:"):
        w.line(f"out.append(see(c, {key}, await {started}))")
    with w.under("except asyncio.CancelledError as error:"):
        w.line("asyncio.current_task().uncancel()")
        w.line(f"out.append(see(c, {key}, error))")


@statement(
    blocks=(1, 1),
    feature="pending",
    weight=5,
    racy=True,
    make=lambda rng: {"seconds": rng.choice((0, -1))},
)
def timeout_past(w: Writer, node: Node) -> None:
    _timeout(w, node)


@statement(
    blocks=(1, 1),
    feature="timeouts",
    racy=True,
    weight=3,
    make=lambda rng: {"seconds": rng.choice((0.2, 1.5, 30))},
)
def timeout(w: Writer, node: Node) -> None:
    _timeout(w, node)


def _timeout(w: Writer, node: Node) -> None:
    key = w.key()
    with w.under("try:"):
        with w.under(f"async with asyncio.timeout({node.data['seconds']}):"):
            w.block(node.blocks[0])
        w.line(f"out.append(see(c, {key}, 'in time'))")
    with w.under("except TimeoutError as error:"):
        w.line(f"out.append(see(c, {key}, error))")


@statement(
    ops=(1, 1),
    feature="timeouts",
    racy=True,
    make=lambda rng: {"seconds": rng.choice((0.2, 1.5, 30))},
)
def wait_for_op(w: Writer, node: Node) -> None:
    w.observe(
        f"asyncio.wait_for({w.start(node.ops[0])}, {node.data['seconds']})", catch="Exception"
    )


@statement(
    blocks=(1, 1),
    feature="timeouts",
    racy=True,
    weight=3,
    make=lambda rng: {**_jobs(rng), "seconds": rng.choice((0.2, 1.5, 30))},
)
def wait_for_job(w: Writer, node: Node) -> None:
    (call,) = jobs(w, node)
    w.observe(f"asyncio.wait_for({call}, {node.data['seconds']})", catch="TimeoutError")


@statement(ops=(1, 1))
def shield(w: Writer, node: Node) -> None:
    w.observe_op(node.ops[0], f"asyncio.shield({w.start(node.ops[0])})")


@statement(ops=(1, 1), feature="giveup", racy=True, weight=3)
def shield_timeout(w: Writer, node: Node) -> None:
    key, handle = w.key(), w.name("h")
    w.line(f"{handle} = {w.start(node.ops[0])}")
    with w.under("try:"):
        with w.under("async with asyncio.timeout(0.5):"):
            w.line(f"await asyncio.shield({handle})")
    with w.under("except TimeoutError as error:"):
        w.line(f"out.append(see(c, {key}, error))")
    with w.under("except Exception as error:"):
        w.line(f"out.append(see(c, {key}, error))")
    w.observe(handle, catch="Exception")


@statement(
    blocks=(1, 1),
    feature="giveup",
    racy=True,
    weight=3,
    make=lambda rng: {**_jobs(rng), "after": rng.choice(("nothing", "turns", "step", "wait"))},
)
def cancel(w: Writer, node: Node) -> None:
    (call,) = jobs(w, node)
    task = w.name("running")
    w.line(f"{task} = asyncio.create_task({call})")
    match node.data["after"]:
        case "turns":
            w.line("await turns(3)")
        case "step":
            w.observe(f"c.step(work, {w.key()})")
        case "wait":
            w.observe("c.wait(seconds(1))")
    w.line(f"{task}.cancel()")
    w.observe(f"asyncio.gather({task}, return_exceptions=True)")


@statement(blocks=(1, 1), feature="giveup", racy=True, make=_jobs)
def loose(w: Writer, node: Node) -> None:
    """A task that is not awaited."""
    (call,) = jobs(w, node)
    w.line(f"{w.name('loose')} = asyncio.create_task({call})")
