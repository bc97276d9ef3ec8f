"""Reads a module and finds what its workflows do that replay cannot repeat.

It knows names and shapes, not values: it misses what hides behind other functions, and a line that it
is wrong about takes a comment, ``# durable: ignore[DUR001]``, or without a code for all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from durable_execution_sdk.lint.names import dotted, imported_names, qualified
from durable_execution_sdk.lint.rules import (
    FOREIGN,
    FORGOTTEN,
    GLOBAL,
    ORDER,
    READS,
    Rule,
    rule_for_call,
)
from durable_execution_sdk.lint.workflows import (
    OPERATIONS,
    Function,
    Workflow,
    step_bodies,
    workflows,
)

_IGNORED = re.compile(r"#\s*durable:\s*ignore(?:\[(?P<codes>[A-Z0-9, ]+)\])?")


class Finding(NamedTuple):
    """Something in a workflow that replay cannot repeat; line and column count from 1."""

    line: int
    column: int
    what: str
    rule: Rule

    def __str__(self) -> str:
        """What is said of it, without the place."""
        return f"{self.rule.code} {self.what} {self.rule.why}: {self.rule.fix}"


def check_source(source: str, filename: str = "<source>") -> list[Finding]:
    """Everything that stands out in a module's workflows, in the order of its lines.

    Raises:
        SyntaxError: this is no Python.
    """
    tree = ast.parse(source, filename)
    imported = imported_names(tree)
    found: dict[Finding, None] = {}
    reader = _Reader(list(workflows(tree, imported)), step_bodies(tree), imported)
    for workflow in reader.workflows:
        found.update(dict.fromkeys(reader.read(workflow)))
    lines = source.splitlines()
    return sorted(each for each in found if not _is_ignored(each, lines))


def _is_ignored(finding: Finding, lines: list[str]) -> bool:
    comment = _IGNORED.search(lines[finding.line - 1])
    if comment is None:
        return False
    codes = comment["codes"]
    return codes is None or finding.rule.code in re.split(r"[ ,]+", codes)


class _Reader:
    """Goes through workflow functions, and leaves out what runs in a step."""

    def __init__(
        self, workflows: list[Workflow], bodies: set[str], imported: dict[str, str]
    ) -> None:
        self.workflows = workflows
        self._contexts = {workflow.function: workflow.context for workflow in workflows}
        self._bodies = bodies
        self._imported = imported

    def read(self, workflow: Workflow) -> Iterator[Finding]:
        for statement in workflow.function.body:
            yield from self._walk(statement, workflow.context)

    def _walk(self, node: ast.AST, context: str) -> Iterator[Finding]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from self._nested(node, context)
            return
        yield from self._look_at(node, context)
        for child in ast.iter_child_nodes(node):
            yield from self._walk(child, context)

    def _nested(self, node: Function | ast.Lambda, context: str) -> Iterator[Finding]:
        """A function within a workflow: a step's body, a workflow of its own, or a part of this one."""
        shadowed = context in {arg.arg for arg in _parameters(node)}
        outer = [] if shadowed else list(_uses(node, context))
        if isinstance(node, ast.Lambda):
            return
        is_body = node.name in self._bodies
        if node in self._contexts or is_body:
            for use in outer:
                yield _finding(use, f"{context}.{use.attr} in {node.name}", FOREIGN)
        elif outer:
            for statement in node.body:
                yield from self._walk(statement, context)

    def _look_at(self, node: ast.AST, context: str) -> Iterator[Finding]:
        match node:
            case ast.Call():
                name = qualified(node.func, self._imported)
                rule = None if name is None else rule_for_call(name)
                if name is not None and rule is not None:
                    yield _finding(node, f"{name}()", rule)
            case ast.Subscript():
                name = qualified(node.value, self._imported) or ""
                if name in READS:
                    yield _finding(node, f"{name}[...]", READS[name])
            case ast.For() | ast.AsyncFor() | ast.comprehension():
                if _is_set(node.iter):
                    yield _finding(node.iter, "this loop", ORDER)
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=operation) as called)):
                if operation in OPERATIONS and dotted(called.value) == context:
                    yield _finding(node, f"{context}.{operation}(...)", FORGOTTEN)
            case ast.Global():
                yield _finding(node, f"global {', '.join(node.names)}", GLOBAL)
            case _:
                pass


def _parameters(node: Function | ast.Lambda) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _uses(node: ast.AST, context: str) -> Iterator[ast.Attribute]:
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Attribute)
            and inner.attr in OPERATIONS
            and dotted(inner.value) == context
        ):
            yield inner


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return isinstance(node, ast.Call) and dotted(node.func) in {"set", "frozenset"}


def _finding(node: ast.stmt | ast.expr, what: str, rule: Rule) -> Finding:
    return Finding(node.lineno, node.col_offset + 1, what, rule)
