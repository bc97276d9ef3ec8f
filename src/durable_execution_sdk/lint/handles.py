"""Find handles of operations that are dropped, or used in place of the results that they are awaited for.

Handles are returned by the operations of the context, by plain functions of the module that only return such
handles, and by tasks, gathers and shields around code that uses the context.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from durable_execution_sdk.lint.held_handles import held_handles, taken_for_results
from durable_execution_sdk.lint.names import dotted
from durable_execution_sdk.lint.rules import CREATION, FORGOTTEN, HANDLE, RUNS_ON, UNANSWERED, Rule
from durable_execution_sdk.lint.scope import Names
from durable_execution_sdk.lint.workflows import ENDINGS, OPERATIONS, Function, WorkflowNode

_FUTURES = frozenset(
    {"asyncio.create_task", "asyncio.ensure_future", "asyncio.gather", "asyncio.shield"}
)
_FIRST = frozenset({"race", "any"})

Use = tuple[ast.stmt | ast.expr, str, Rule]


class Handles:
    """The handles of one workflow function. ``makers`` are the plain functions that return handles."""

    def __init__(self, workflow: WorkflowNode, names: Names, makers: set[str]) -> None:
        self._workflow = workflow
        self._context = workflow.context
        self._names = names
        self._makers = makers
        self._held = held_handles(workflow.function, self._operation)
        self._created = set(self._creations_by_name(workflow.function))
        self._used = {
            node.id
            for node in ast.walk(workflow.function)
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)
        } | {
            name
            for node in ast.walk(workflow.function)
            if isinstance(node, ast.Global | ast.Nonlocal)
            for name in node.names
        }

    def uses(self, node: ast.AST) -> Iterator[Use]:
        """Yield the handles that a statement or an expression drops or takes for a result."""
        for taken, text in taken_for_results(node, self._held, self._context):
            yield taken, text, HANDLE
        match node:
            case ast.Expr(value=value):
                yield from self._dropped(value)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                yield from self._unused(name, value)
            case ast.Call(func=ast.Attribute(value=owner, attr=method), args=args):
                if method in _FIRST and dotted(owner) == self._context:
                    yield from self._creations(args, f"{self._context}.{method}(...)")
            case _:
                for value in _conditions(node):
                    what = self._handle(value)
                    if what is not None:
                        yield value, what, HANDLE

    def returned(self) -> Iterator[Use]:
        """Yield the handles that the function returns, where its result is recorded."""
        if not self._workflow.is_recorded:
            return
        for node in _own(self._workflow.function):
            for value in _members(node.value) if isinstance(node, ast.Return) else []:
                taken = self._held.get(value.id) if isinstance(value, ast.Name) else None
                what = taken or self._handle(value)
                if what is not None:
                    yield value, what, HANDLE

    def _dropped(self, value: ast.expr) -> Iterator[Use]:
        match value:
            case ast.Call(func=ast.Attribute(value=owner, attr=ending)) if (
                ending in ENDINGS and dotted(owner) == self._context
            ):
                yield value, f"{self._context}.{ending}(...)", RUNS_ON
            case _:
                yield from self._left(value, self._handle(value), "")

    def _unused(self, name: str, value: ast.expr) -> Iterator[Use]:
        if name in self._used or name.startswith("_"):
            return
        yield from self._left(value, self._operation(value), f"{name} = ")

    def _left(self, value: ast.expr, handle: str | None, target: str) -> Iterator[Use]:
        if handle is not None:
            yield value, f"{target}{handle}", FORGOTTEN
        elif isinstance(value, ast.Await) and self._is_creation(value.value):
            yield value, f"{target}await {self._context}.create_callback(...)", UNANSWERED

    def _creations(self, args: list[ast.expr], what: str) -> Iterator[Use]:
        for arg in args:
            if self._is_creation(arg) or (isinstance(arg, ast.Name) and arg.id in self._created):
                yield arg, what, CREATION

    def _handle(self, value: ast.AST) -> str | None:
        """Return a text for an expression that is a handle."""
        operation = self._operation(value)
        if operation is not None or not isinstance(value, ast.Call):
            return operation
        name = self._names.of(value.func)
        is_about_context = any(
            isinstance(node, ast.Name) and node.id == self._context for node in ast.walk(value)
        )
        return f"{name}(...)" if name in _FUTURES and is_about_context else None

    def _operation(self, value: ast.AST) -> str | None:
        match value:
            case ast.Call(func=ast.Attribute(value=owner, attr=operation)):
                is_one = operation in OPERATIONS and dotted(owner) == self._context
                return f"{self._context}.{operation}(...)" if is_one else None
            case ast.Call(func=ast.Name(id=name)) if name in self._makers:
                return f"{name}(...)"
            case _:
                return None

    def _is_creation(self, value: ast.AST) -> bool:
        return self._operation(value) == f"{self._context}.create_callback(...)"

    def _creations_by_name(self, function: Function) -> Iterator[str]:
        """Yield the names that are bound to nothing but creations of callbacks."""
        bound: dict[str, bool] = {}
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    bound[name] = self._is_creation(value) and bound.get(name, True)
                case _:
                    pass
        stores = Counter(
            node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )
        return (name for name, is_creation in bound.items() if is_creation and stores[name] == 1)


def makers(tree: ast.Module, contexts: set[str]) -> set[str]:
    """Return the names of the plain functions that return nothing but handles.

    ``contexts`` are the names of the contexts of the module's workflows.
    """
    names: dict[str, bool] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            returned = [inner.value for inner in _own(node) if isinstance(inner, ast.Return)]
            is_maker = bool(returned) and all(_is_operation(value, contexts) for value in returned)
            names[node.name] = is_maker and names.get(node.name, True)
        elif isinstance(node, ast.AsyncFunctionDef | ast.ClassDef):
            names[node.name] = False
    return {name for name, is_maker in names.items() if is_maker}


def _is_operation(value: ast.expr | None, contexts: set[str]) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=context), attr=operation)):
            return context in contexts and operation in OPERATIONS
        case _:
            return False


def _conditions(node: ast.AST) -> list[ast.expr]:
    """Return the parts of a node that are taken for true or false, compared or written as text."""
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            return [test]
        case ast.Assert(test=test):
            return [test]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return [operand]
        case ast.BoolOp(values=values):
            return values[:-1]
        case ast.Compare(left=left, ops=ops, comparators=others):
            is_plain = not any(
                isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in ops
            )
            return [left, *others] if is_plain else []
        case ast.FormattedValue(value=value):
            return [value]
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case _:
            return []


def _members(value: ast.expr | None) -> list[ast.expr]:
    match value:
        case None:
            return []
        case ast.Tuple(elts=members) | ast.List(elts=members) | ast.Dict(values=members):
            return members
        case ast.ListComp(elt=member) | ast.DictComp(value=member):
            return [member]
        case _:
            return [value]


def _own(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function, without those of inner functions and classes."""
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            stack += ast.iter_child_nodes(node)
