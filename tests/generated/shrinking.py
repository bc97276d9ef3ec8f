"""Smaller programs: without a statement, or with a part of it in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.generated.programs import Block, Node, Program

SIMPLEST = Node("step", {"name": "work"})
SMALLEST = {"count": 1, "items": 1, "places": 1, "seconds": 1}
OFF = ("raises", "large", "flat", "denied", "broken", "breaks", "named")


def smaller(program: Program) -> Iterator[Program]:
    """Yield programs that are a little smaller, the smallest first."""
    for body in _blocks(program.body):
        if body:
            yield replace(program, body=body)
    if program.fails:
        yield replace(program, fails=False)


def _blocks(block: Block) -> Iterator[Block]:
    if len(block) > 3:
        yield block[: len(block) // 2]
        yield block[len(block) // 2 :]
    for n in range(len(block)):
        yield block[:n] + block[n + 1 :]
    for n, node in enumerate(block):
        before, after = block[:n], block[n + 1 :]
        for inner in node.blocks:
            yield before + inner + after
        for op in node.ops:
            for inner in op.blocks:
                yield before + inner + after
        if node.ops and node.kind != "await_op":
            yield (*before, *(Node("await_op", {}, (), (op,)) for op in node.ops), *after)
        for other in _nodes(node):
            yield (*before, other, *after)


def _nodes(node: Node) -> Iterator[Node]:
    """Yield the node with a smaller part in it."""
    if len(node.ops) > 2:
        for n in range(len(node.ops)):
            yield replace(node, ops=node.ops[:n] + node.ops[n + 1 :])
    for n, op in enumerate(node.ops):
        if op.kind != "step":
            yield replace(node, ops=(*node.ops[:n], SIMPLEST, *node.ops[n + 1 :]))
            for other in _nodes(op):
                yield replace(node, ops=(*node.ops[:n], other, *node.ops[n + 1 :]))
    if len(node.blocks) > 2:
        for n in range(len(node.blocks)):
            yield replace(node, blocks=node.blocks[:n] + node.blocks[n + 1 :])
    for n, inner in enumerate(node.blocks):
        for block in _blocks(inner):
            yield replace(node, blocks=(*node.blocks[:n], block, *node.blocks[n + 1 :]))
    for member, least in SMALLEST.items():
        value = node.data.get(member)
        if isinstance(value, int) and value > least:
            yield replace(
                node, data={**node.data, member: value - 1 if member == "count" else least}
            )
    for member in OFF:
        if node.data.get(member):
            yield replace(node, data={**node.data, member: False})
    if node.data.get("concurrency"):
        yield replace(node, data={**node.data, "concurrency": None})
