"""A module of the application, which is read and never imported."""

from __future__ import annotations

import ast
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from durable_execution_sdk.doctor.findings import Place
from durable_execution_sdk.lint.names import dotted, imported_names, origin, qualified
from durable_execution_sdk.lint.workflows import Function, step_bodies, workflows

__all__ = ["Module", "bound_names", "calls"]

_DECORATORS = frozenset(
    {
        "durable_execution_sdk.durable_execution",
        "durable_execution_sdk.handler.durable_execution",
        "aws_durable_execution_sdk_python.durable_execution",
        "aws_durable_execution_sdk_python.execution.durable_execution",
    }
)


class Module:
    """A module of the application. Raises ``SyntaxError``, ``ValueError`` or ``OSError`` if it is not Python.

    ``package`` is the name of its package, empty for a module outside of packages.
    """

    def __init__(self, file: Path, package: str = "") -> None:
        self.file = file
        # As Python decodes it: by a mark at its start, or by the encoding that its first lines name.
        with tokenize.open(file) as opened:
            self.text = opened.read()
        with warnings.catch_warnings(action="ignore"):
            self.tree = ast.parse(self.text, str(file))
            # Refuses an await in a plain function, and the like, which the grammar allows.
            compile(self.tree, str(file), "exec", dont_inherit=True)
        self.imported = imported_names(self.tree, package)
        # The modules of which all names are imported.
        self.whole: list[str] = [
            base
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom) and any(each.name == "*" for each in node.names)
            if (base := origin(node, package))
        ]
        statements = [*_statements(self.tree.body)]
        self.functions: dict[str, Function] = {
            node.name: node
            for node in statements
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.values: dict[str, ast.expr] = {
            target.id: node.value
            for node in statements
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }

    @cached_property
    def contexts(self) -> dict[Function, str]:
        """Functions that receive a durable context, with the parameter's name."""
        return {node.function: node.context for node in workflows(self.tree, self.imported)}

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """The values of the names that are bound once in the whole module, at its top level."""
        bound = Counter(
            node.arg if isinstance(node, ast.arg) else node.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.arg)
            or (isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load))
        )
        return {name: value for name, value in self.values.items() if bound[name] == 1}

    @cached_property
    def step_bodies(self) -> set[str]:
        """Names of the functions that run as steps."""
        decorated = {
            name
            for name, node in self.functions.items()
            if any(
                (dotted(each.func if isinstance(each, ast.Call) else each) or "").endswith(
                    "durable_step"
                )
                for each in node.decorator_list
            )
        }
        return step_bodies(self.tree) | decorated

    def may_bind(self, name: str) -> bool:
        """Tell if the module may give this name a value, in any way."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Name(id=bound, ctx=ast.Store()) if bound == name:
                    return True
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if (
                    node.name == name
                ):
                    return True
                case ast.Import() | ast.ImportFrom():
                    names = {(each.asname or each.name).partition(".")[0] for each in node.names}
                    if names & {name, "*"}:
                        return True
                case _:
                    pass
        return name in self.imported or "__getattr__" in self.functions

    def place(self, node: ast.stmt | ast.expr) -> Place:
        """Return the place of a node."""
        return Place.of(self.file, node.lineno)

    def is_durable(self, node: ast.expr) -> bool:
        """Tell if a decorator, or a call, makes a durable handler."""
        while isinstance(node, ast.Call):
            node = node.func
        name = qualified(node, self.imported)
        return name in _DECORATORS or (name == "durable_execution" and self._imports_all())

    def _imports_all(self) -> bool:
        return any(
            isinstance(node, ast.ImportFrom)
            and node.module == "durable_execution_sdk"
            and any(alias.name == "*" for alias in node.names)
            for node in self.tree.body
        )


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, also those in branches, which bind names of the same scope."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in ("body", "handlers", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, []))


def calls(function: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a function."""
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def bound_names(function: Function | ast.Lambda) -> set[str]:
    """Return the names that a function binds: its parameters, and what it assigns and defines, without imports."""
    found = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    pending: list[ast.AST] = (
        [function.body] if isinstance(function, ast.Lambda) else [*function.body]
    )
    outer: set[str] = set()
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
                continue
            case ast.Lambda():
                continue
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Global() | ast.Nonlocal():
                outer.update(node.names)
            case _:
                pass
        pending.extend(ast.iter_child_nodes(node))
    return found - outer
