"""The durable operations of generated programs. Each function returns the expression that starts one."""

from __future__ import annotations

import random
from typing import Any

from tests.generated.programs import Node, operation
from tests.generated.rendering import Writer


def _named(rng: random.Random) -> dict[str, Any]:
    # Mostly equal names.
    return {"name": rng.choice(("work", "work", "job", None))}


def _name(node: Node) -> str:
    name = node.data.get("name")
    return f", name={name!r}" if name else ""


@operation(make=_named, weight=10)
def step(w: Writer, node: Node) -> str:
    return f"c.step(work, {w.key()}{_name(node)})"


@operation(make=_named, weight=3, feature="threads")
def lookup(w: Writer, node: Node) -> str:
    return f"c.step(lookup, {w.key()}{_name(node)})"


@operation(make=_named, weight=4)
def pay(w: Writer, node: Node) -> str:
    return f"c.step(pay, {w.key()}{_name(node)}, config=ONCE)"


@operation(make=_named, weight=3)
def flaky(w: Writer, node: Node) -> str:
    return f"c.step(flaky, {w.key()}{_name(node)}, config=RETRIED)"


@operation(make=_named, fails=True)
def fails(w: Writer, node: Node) -> str:
    return f"c.step(fails, {w.key()}{_name(node)}, config=ONE_TRY)"


@operation(make=_named, weight=6, feature="streams")
def ask(w: Writer, node: Node) -> str:
    return f"c.step(ask, {w.key()}{_name(node)})"


@operation(make=lambda rng: {"seconds": rng.choice((1, 1, 2, 5, 60))}, weight=5)
def wait(w: Writer, node: Node) -> str:
    return f"c.wait(seconds({node.data['seconds']}))"


@operation(
    make=lambda rng: {"denied": rng.random() < 0.25}, weight=3, fails=lambda data: data["denied"]
)
def wait_for_callback(w: Writer, node: Node) -> str:
    submitter = "deny" if node.data["denied"] else "give"
    return f"c.wait_for_callback({submitter}, {w.key()})"


@operation(make=lambda rng: {"count": rng.randint(1, 3)})
def wait_for_condition(w: Writer, node: Node) -> str:
    return f"until(c, {w.key()}, {node.data['count']})"


@operation(make=lambda rng: {"broken": rng.random() < 0.25}, fails=lambda data: data["broken"])
def invoke(w: Writer, node: Node) -> str:
    function = "broken:1" if node.data["broken"] else "echo:1"
    return f"c.invoke({function!r}, {w.key()})"


def _child(rng: random.Random) -> dict[str, Any]:
    return {**_named(rng), "raises": rng.random() < 0.15, "fname": rng.choice(("part", "section"))}


@operation(make=_child, blocks=(1, 1), weight=4, fails=lambda data: data["raises"])
def child(w: Writer, node: Node) -> str:
    n = w.number()
    name = w.function(node.data["fname"], node.blocks[0], context=True, raises=node.data["raises"])
    return f"c.run_in_child_context({name}, {w.key(n, '/')}{_name(node)})"


@operation(make=_child, blocks=(1, 1), weight=2, fails=lambda data: data["raises"])
def virtual(w: Writer, node: Node) -> str:
    n = w.number()
    name = w.function(node.data["fname"], node.blocks[0], context=True, raises=node.data["raises"])
    return f"c.run_in_child_context({name}, {w.key(n, '/')}{_name(node)}, config=VIRTUAL)"


def _map(rng: random.Random) -> dict[str, Any]:
    return {
        "items": rng.randint(1, 4),
        "concurrency": rng.choice((None, None, 1, 2)),
        "flat": rng.random() < 0.3,
        "large": rng.random() < 0.1,
    }


@operation(make=_map, blocks=(1, 1), weight=3)
def map_(w: Writer, node: Node) -> str:
    n = w.number()
    data = node.data
    name = w.function("item", node.blocks[0], context=True, params="at, index", large=data["large"])
    options = [f"max_concurrency={data['concurrency']}"] if data["concurrency"] else []
    options += ["nesting=NestingType.FLAT"] if data["flat"] else []
    keys = f'[f"{{{w.at}}}.{n}-{{i}}/" for i in range({data["items"]})]'
    return (
        f"c.map({keys}, {name}, config=MapConfig({', '.join(['completion=TOLERANT', *options])}))"
    )


@operation(
    make=lambda rng: {"named": rng.random() < 0.5, "flat": rng.random() < 0.3},
    blocks=(2, 3),
    weight=3,
)
def parallel(w: Writer, node: Node) -> str:
    n = w.number()
    names = [
        w.function(f"branch{n}_{i}", block, context=True, at=w.key(n, f"{'abc'[i]}/"))
        for i, block in enumerate(node.blocks)
    ]
    branches = f"[{', '.join(names)}]"
    if node.data["named"]:
        branches = "{" + ", ".join(f"{'xyz'[i]!r}: {name}" for i, name in enumerate(names)) + "}"
    flat = ", nesting=NestingType.FLAT" if node.data["flat"] else ""
    return f"c.parallel({branches}, config=ParallelConfig(completion=TOLERANT{flat}))"


@operation(
    make=lambda rng: {"raises": rng.random() < 0.4},
    blocks=(1, 1),
    fails=lambda data: data["raises"],
)
def with_retry(w: Writer, node: Node) -> str:
    n = w.number()
    # Each attempt is a context of its own, and so has keys of its own.
    first = 'at = f"{at}{c.uuid4().hex[:4]}/"'
    raises = node.data["raises"]
    name = w.function("attempt", node.blocks[0], context=True, raises=raises, first=first)
    return f"c.with_retry({name}, {w.key(n, 'try')}, config=TWICE)"


@operation(
    blocks=(0, 0),
    ops=(2, 3),
    make=lambda rng: {"of": rng.choice(("all", "all_settled"))},
    fails=lambda data: data["of"] == "all",
    racy=lambda data: data["of"] == "all",
)
def combined(w: Writer, node: Node) -> str:
    return f"c.{node.data['of']}({', '.join(w.start(op) for op in node.ops)})"


@operation(
    ops=(2, 3),
    make=lambda rng: {"of": rng.choice(("any", "race"))},
    fails=True,
    racy=True,
    feature="races",
)
def raced(w: Writer, node: Node) -> str:
    return f"c.{node.data['of']}({', '.join(w.start(op) for op in node.ops)})"


# Operations with a time limit, which time decides.


def _limited(rng: random.Random) -> dict[str, Any]:
    return {**_child(rng), "limit": rng.choice((1, 1, 2, 5, 60))}


@operation(make=_limited, blocks=(1, 1), weight=3, fails=True, racy=True, feature="limits")
def limited_child(w: Writer, node: Node) -> str:
    return _limited_context(w, node, "")


@operation(make=_limited, blocks=(1, 1), weight=2, fails=True, racy=True, feature="limits")
def limited_virtual(w: Writer, node: Node) -> str:
    return _limited_context(w, node, "virtual=True, ")


def _limited_context(w: Writer, node: Node, options: str) -> str:
    n, data = w.number(), node.data
    name = w.function(data["fname"], node.blocks[0], context=True, raises=data["raises"])
    config = f"ChildConfig({options}timeout=seconds({data['limit']}))"
    return f"c.run_in_child_context({name}, {w.key(n, '/')}{_name(node)}, config={config})"


@operation(
    make=lambda rng: {**_map(rng), "limit": rng.choice((1, 2, 5)), "early": rng.random() < 0.3},
    blocks=(1, 1),
    weight=3,
    racy=True,
    feature="limits",
)
def limited_map(w: Writer, node: Node) -> str:
    n, data = w.number(), node.data
    name = w.function("item", node.blocks[0], context=True, params="at, index", large=data["large"])
    options = [f"item_timeout=seconds({data['limit']})"]
    options += [] if data["early"] else ["completion=TOLERANT"]
    options += [f"max_concurrency={data['concurrency']}"] if data["concurrency"] else []
    options += ["nesting=NestingType.FLAT"] if data["flat"] else []
    keys = f'[f"{{{w.at}}}.{n}-{{i}}/" for i in range({data["items"]})]'
    return f"c.map({keys}, {name}, config=MapConfig({', '.join(options)}))"


@operation(
    make=lambda rng: {"flat": rng.random() < 0.3, "limit": rng.choice((1, 2, 5))},
    blocks=(2, 3),
    weight=2,
    racy=True,
    feature="limits",
)
def limited_parallel(w: Writer, node: Node) -> str:
    n = w.number()
    names = [
        w.function(f"branch{n}_{i}", block, context=True, at=w.key(n, f"{'abc'[i]}/"))
        for i, block in enumerate(node.blocks)
    ]
    flat = ", nesting=NestingType.FLAT" if node.data["flat"] else ""
    limit = f"branch_timeout=seconds({node.data['limit']})"
    config = f"ParallelConfig(completion=TOLERANT, {limit}{flat})"
    return f"c.parallel([{', '.join(names)}], config={config})"


@operation(make=lambda _: {}, weight=2, fails=True, racy=True, feature="limits")
def limited_invoke(w: Writer, node: Node) -> str:
    return f"c.invoke('echo:1', {w.key()}, config=InvokeConfig(timeout=seconds(1)))"


@operation(
    make=lambda rng: {"count": rng.randint(1, 3), "limit": rng.choice((1, 2, 4))},
    weight=2,
    fails=True,
    racy=True,
    feature="limits",
)
def limited_poll(w: Writer, node: Node) -> str:
    return f"until(c, {w.key()}, {node.data['count']}, {node.data['limit']})"


@operation(
    make=lambda rng: {"raises": rng.random() < 0.4, "limit": rng.choice((1, 2, 5))},
    blocks=(1, 1),
    fails=True,
    racy=True,
    feature="limits",
)
def limited_retry(w: Writer, node: Node) -> str:
    n, limit = w.number(), node.data["limit"]
    first = 'at = f"{at}{c.uuid4().hex[:4]}/"'
    name = w.function(
        "attempt", node.blocks[0], context=True, raises=node.data["raises"], first=first
    )
    config = (
        "WithRetryConfig(retry_strategy=TWICE.retry_strategy,"
        f" attempt_timeout=seconds({limit}), timeout=seconds({2 * limit}))"
    )
    return f"c.with_retry({name}, {w.key(n, 'try')}, config={config})"
