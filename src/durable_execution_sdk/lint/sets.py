"""Find code that depends on the iteration order of a set.

A set of strings has another order in each process (hash seed), and a set of coroutines in each run
(hashes are addresses). Tasks and operations of the SDK have stable hashes, so their sets are fine.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from durable_execution_sdk.lint.names import dotted
from durable_execution_sdk.lint.rules import GATHERS, ORDER, PLAIN_FUTURES, Rule
from durable_execution_sdk.lint.scope import Names
from durable_execution_sdk.lint.values import Kind, Values, acts, starred

# The result of these does not depend on the order of their argument.
_ORDER_FREE = frozenset({"sorted", "set", "frozenset", "len", "sum", "any", "all", "min", "max"})
# The result of these is in the order of their argument.
_ORDERED = frozenset({"list", "tuple", "enumerate", "iter", "map", "filter", "zip"})
_RULES = {Kind.VALUES: ORDER, Kind.FUTURES: GATHERS}
_WAITS = frozenset({"asyncio.wait", "asyncio.as_completed"})


class Use(NamedTuple):
    """An expression that depends on the order of a set."""

    node: ast.expr
    what: str
    rule: Rule


class Sets:
    """The uses of sets in one workflow function."""

    def __init__(self, function: ast.AST, context: str, names: Names) -> None:
        self._context = context
        self._names = names
        self._values = Values(function, context, names)
        self._is_free: set[ast.AST] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.SetComp) and not acts(node, context):
                self._is_free.update(node.generators)
            elif isinstance(node, ast.Call) and dotted(node.func) in _ORDER_FREE:
                for argument in node.args:
                    self._set_free(argument)

    def uses(self, node: ast.AST) -> Iterator[Use]:
        """Yield the ways in which this node depends on the order of a set."""
        if node in self._is_free:
            return
        for used, what in self._iterated(node):
            rule = _RULES.get(self._values.kind_of_set(used) or Kind.TASKS)
            if rule is not None:
                yield Use(used, what, rule)
        if isinstance(node, ast.Call) and node.args:
            name = self._names.of(node.func)
            if name in _WAITS and self._values.has_bare_futures(node.args[0]):
                yield Use(node, f"{name}()", PLAIN_FUTURES)

    def _set_free(self, node: ast.expr) -> None:
        """Accept any order in an argument of ``sorted`` and the like."""
        self._is_free.add(node)
        match node:
            case ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner]):
                self._set_free(inner)
            case ast.GeneratorExp() | ast.ListComp() if not acts(node, self._context):
                self._is_free.update(node.generators)
            case _:
                pass

    def _iterated(self, node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
        """Yield the collections that this node iterates over, each with a text for messages."""
        match node:
            case ast.For(iter=used) | ast.AsyncFor(iter=used) | ast.comprehension(iter=used):
                yield used, "this loop"
            case ast.List(elts=members) | ast.Tuple(elts=members):
                yield from ((member, "this list") for member in starred(members))
            case ast.Call():
                yield from self._iterated_by_call(node)
            case _:
                pass

    def _iterated_by_call(self, call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
        name = dotted(call.func) or ""
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        what = f"{method or name or 'this call'}()"
        yield from ((argument, what) for argument in starred(call.args))
        is_ordered = name in _ORDERED or name == f"{self._context}.map" or method == "join"
        if is_ordered or self._names.of(call.func) == "asyncio.as_completed":
            yield from ((argument, what) for argument in call.args)
        if isinstance(call.func, ast.Attribute) and method == "pop" and not call.args:
            yield call.func.value, what
