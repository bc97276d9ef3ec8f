"""Check a module's syntax tree for workflow code that replay cannot repeat.

The check sees names and statements, not values, and does not follow calls into other functions. The
comment ``# durable: ignore[DUR001]`` accepts a line; without codes it accepts every rule.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from durable_execution_sdk.lint.calls import READS, forbidden
from durable_execution_sdk.lint.handles import Handles, makers
from durable_execution_sdk.lint.lost_changes import lost_changes
from durable_execution_sdk.lint.names import dotted
from durable_execution_sdk.lint.rules import (
    ELAPSED,
    FOREIGN,
    GLOBAL,
    LOST,
    PATCH_ONCE,
    REPLAYING,
    SPINNING,
    Rule,
)
from durable_execution_sdk.lint.scope import Module, Names
from durable_execution_sdk.lint.sets import Sets
from durable_execution_sdk.lint.statements import (
    asks_for_replay,
    changed_globals,
    patches_asked_once,
    spins,
)
from durable_execution_sdk.lint.workflows import (
    OPERATIONS,
    Function,
    WorkflowNode,
    step_bodies,
    workflows,
)

_IGNORED = re.compile(r"#\s*durable:\s*ignore(?:\[(?P<codes>[A-Z0-9, ]+)\])?")


# Calls of a context that return no handle.
_SYNCHRONOUS = frozenset({"patched", "progress", "set_status"})


class Finding(NamedTuple):
    """Code in a workflow that replay cannot repeat; ``line`` and ``column`` count from 1."""

    line: int
    column: int
    what: str
    rule: Rule

    def __str__(self) -> str:
        """Write the finding as a sentence, without its position."""
        return f"{self.rule.code} {self.what} {self.rule.why}: {self.rule.fix}"


def check_source(source: str, filename: str = "<source>") -> list[Finding]:
    """Return the findings in a module's workflows, in the order of the lines.

    Raises:
        SyntaxError: the source is not Python.
    """
    tree = ast.parse(source, filename)
    module = Module(tree)
    nodes = list(workflows(tree, module.imported))
    contexts = {workflow.function for workflow in nodes}
    handle_makers = makers(tree, {workflow.context for workflow in nodes})
    findings: dict[Finding, None] = {}
    for workflow in nodes:
        reader = _Reader(workflow, contexts, step_bodies(tree), module, handle_makers)
        findings.update(dict.fromkeys(reader.read()))
        lost = lost_changes(workflow, tree, Names(module, workflow.function))
        findings.update(dict.fromkeys(_finding(*each, LOST) for each in lost))
    lines = source.splitlines()
    return sorted(finding for finding in findings if not _is_ignored(finding, lines))


def _is_ignored(finding: Finding, lines: list[str]) -> bool:
    comment = _IGNORED.search(lines[finding.line - 1])
    if comment is None:
        return False
    codes = comment["codes"]
    return codes is None or finding.rule.code in re.split(r"[ ,]+", codes)


class _Reader:
    """Walk one workflow function; skip the bodies of steps."""

    def __init__(
        self,
        workflow: WorkflowNode,
        contexts: set[Function],
        bodies: set[str],
        module: Module,
        handle_makers: set[str],
    ) -> None:
        self._function, self._context, _ = workflow
        self._contexts = contexts
        self._bodies = bodies
        self._names = Names(module, workflow.function)
        self._handles = Handles(workflow, self._names, handle_makers)
        self._sets = Sets(workflow.function, workflow.context, self._names)
        self._called = {
            node.func.id
            for node in ast.walk(workflow.function)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }

    def read(self) -> Iterator[Finding]:
        """Yield the findings of the function."""
        yield from self._decorators(self._function)
        for use in self._handles.returned():
            yield _finding(*use)
        for statement in self._function.body:
            yield from self._walk(statement)

    def _walk(self, node: ast.AST) -> Iterator[Finding]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from self._nested(node)
            return
        yield from self._check_node(node)
        for child in ast.iter_child_nodes(node):
            yield from self._walk(child)

    def _nested(self, node: Function | ast.Lambda) -> Iterator[Finding]:
        """Check an inner function: a step's body, a workflow of its own, or code of this workflow."""
        shadowed = self._context in {arg.arg for arg in _parameters(node)}
        outer = [] if shadowed else list(_uses(node, self._context))
        if isinstance(node, ast.Lambda):
            return
        is_body = node.name in self._bodies
        if node in self._contexts or is_body:
            for use in outer:
                yield _finding(use, f"{self._context}.{use.attr} in {node.name}", FOREIGN)
        elif outer or self._is_called(node):
            yield from self._decorators(node)
            for statement in node.body:
                yield from self._walk(statement)

    def _is_called(self, node: Function) -> bool:
        """Tell whether the workflow calls this coroutine function; a plain one may run in a thread."""
        return isinstance(node, ast.AsyncFunctionDef) and node.name in self._called

    def _decorators(self, function: Function) -> Iterator[Finding]:
        """Check the decorators for time limits, which start anew in each invocation."""
        for node in (
            inner for decorator in function.decorator_list for inner in ast.walk(decorator)
        ):
            if isinstance(node, ast.Call):
                named = forbidden(node, self._names)
                if named is not None and named.rule is ELAPSED:
                    yield _finding(node, *named)

    def _check_node(self, node: ast.AST) -> Iterator[Finding]:
        for use in (*self._sets.uses(node), *self._handles.uses(node)):
            yield _finding(*use)
        if asks_for_replay(node, self._context):
            yield _finding(_place(node), f"{self._context}.is_replaying", REPLAYING)
        match node:
            case ast.Call():
                named = forbidden(node, self._names)
                if named is not None:
                    yield _finding(node, *named)
            case ast.Subscript():
                name = self._names.of(node.value) or ""
                if name in READS:
                    yield _finding(node, f"{name}[...]", READS[name])
            case ast.Global():
                yield _finding(node, f"global {', '.join(node.names)}", GLOBAL)
            case ast.While() if spins(node, self._names):
                yield _finding(node, "this loop", SPINNING)
            case _:
                pass
        for call in patches_asked_once(node, self._context):
            yield _finding(call, f"{self._context}.patched() in this loop", PATCH_ONCE)
        for changed, what in changed_globals(node, self._names):
            yield _finding(changed, what, GLOBAL)


def _parameters(node: Function | ast.Lambda) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _uses(node: ast.AST, context: str) -> Iterator[ast.Attribute]:
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Attribute)
            and (inner.attr in OPERATIONS or inner.attr in _SYNCHRONOUS)
            and dotted(inner.value) == context
        ):
            yield inner


def _place(node: ast.AST) -> ast.stmt | ast.expr:
    """Return a node with a position; for a comprehension, which has none, its first condition."""
    if isinstance(node, ast.comprehension):
        return node.ifs[0]
    assert isinstance(node, ast.stmt | ast.expr)
    return node


def _finding(node: ast.stmt | ast.expr, what: str, rule: Rule) -> Finding:
    return Finding(node.lineno, node.col_offset + 1, what, rule)
