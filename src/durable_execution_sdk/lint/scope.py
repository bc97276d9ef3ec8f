"""The names that a module and its workflow functions bind, to resolve a name in a function."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from durable_execution_sdk.lint.names import dotted, imported_names, qualified, root

_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MAKERS = frozenset({"dict", "list", "set", "deque", "defaultdict", "Counter", "OrderedDict"})
_LOGGERS = {
    "loguru.logger": "loguru",
    **dict.fromkeys(
        ("structlog.get_logger", "structlog.getLogger", "structlog.stdlib.get_logger"), "structlog"
    ),
}
# A module that imports the filter of a library has its lines filtered; another module may do it too, which is not seen.
_FILTERS = {
    "loguru": "durable_execution_sdk.loguru_filter",
    "structlog": "durable_execution_sdk.structlog_renderer",
}


class Module:
    """The names bound at the top level of a module."""

    def __init__(self, tree: ast.Module) -> None:
        self.imported = imported_names(tree)
        self.bound = set(_bound(tree.body))
        self.containers: set[str] = set()
        self.loggers: dict[str, str] = {}
        self.values: dict[str, list[ast.expr]] = defaultdict(list)
        for name, value in _assigned(tree.body):
            self.values[name].append(value)
            if self.is_container(value):
                self.containers.add(name)
            library = self.library_of(value)
            if library is not None:
                self.loggers[name] = library

    def library_of(self, value: ast.expr) -> str | None:
        """Return the library, other than ``logging``, whose factory makes this logger and whose lines nothing filters."""
        library = self._maker(value)
        if library is None or _FILTERS[library] in self.imported.values():
            return None
        return library

    def _maker(self, value: ast.expr) -> str | None:
        at = value
        while True:
            name = qualified(at.func if isinstance(at, ast.Call) else at, self.imported)
            if name in _LOGGERS:
                return _LOGGERS[name]
            if not (isinstance(at, ast.Call) and isinstance(at.func, ast.Attribute)):
                return None
            at = at.func.value

    def is_container(self, value: ast.expr) -> bool:
        """Tell whether the expression makes a list, a dictionary or a set."""
        if isinstance(value, _DISPLAYS):
            return True
        name = qualified(value.func, self.imported) if isinstance(value, ast.Call) else None
        return name is not None and name.rpartition(".")[2] in _MAKERS


class Names:
    """The resolution of names within one workflow function."""

    def __init__(self, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._module = module
        declared = {
            name
            for node in ast.walk(function)
            if isinstance(node, ast.Global)
            for name in node.names
        }
        self._local = set(bound_within(function)) - declared - {function.name}
        self._lines = range(function.lineno, (function.end_lineno or function.lineno) + 1)
        self._values: dict[str, list[ast.expr]] = defaultdict(list)
        for name, value in _assigned(ast.walk(function)):
            self._values[name].append(value)

    def meanings(self, node: ast.expr, depth: int = 3) -> Iterator[ast.expr]:
        """Yield an expression, and those that it stands for by way of variables and of ``functools.partial``.

        A variable may hold every value that the function, or else the module, assigns to it.
        """
        yield node
        if depth == 0:
            return
        match node:
            case ast.Name(id=name):
                values = self._values if name in self._local else self._module.values
                for value in values.get(name, ()):
                    yield from self.meanings(value, depth - 1)
            case ast.Attribute(value=ast.Name() as owner, attr=attr):
                for value in self.meanings(owner, depth):
                    if value is not owner:
                        yield ast.Attribute(value=value, attr=attr, ctx=ast.Load())
            case ast.Call(func=func, args=[first, *_]) if self.of(func) == "functools.partial":
                yield from self.meanings(first, depth - 1)
            case _:
                pass

    def is_within(self, node: ast.expr) -> bool:
        """Tell whether the expression stands in the function."""
        return node.lineno in self._lines

    def of(self, node: ast.AST) -> str | None:
        """Return the qualified name of an import or a builtin; ``None`` for names bound by the module."""
        name = qualified(node, self._module.imported)
        text = dotted(node) or ""
        if text.partition(".")[0] in self._module.imported:
            return name
        return None if name in self._local or name in self._module.bound else name

    def is_global(self, name: str) -> bool:
        """Tell whether the module binds the name, and the function does not."""
        is_bound = name in self._module.bound or name in self._module.imported
        return is_bound and name not in self._local

    def is_local(self, name: str | None) -> bool:
        """Tell whether the function binds the name."""
        return name in self._local

    def holds_container(self, name: str) -> bool:
        """Tell whether the name is a list, a dictionary or a set that the function makes."""
        values = self._values.get(name, ())
        return name in self._local and any(map(self._module.is_container, values))

    def is_global_container(self, name: str) -> bool:
        """Tell whether the name is a list, a dictionary or a set of the module."""
        return name in self._module.containers and name not in self._local

    def library_of(self, logger: ast.expr) -> str | None:
        """Return the library, other than ``logging``, that this logger comes from."""
        owner = root(logger)
        if isinstance(owner, ast.Name) and owner.id not in self._local:
            library = self._module.loggers.get(owner.id)
            if library is not None:
                return library
        return self._module.library_of(logger)


def _assigned(body: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from (
                    (target.id, value) for target in targets if isinstance(target, ast.Name)
                )
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case _:
                pass


def _bound(body: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that statements bind in their own scope, except those of imports."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif not isinstance(node, ast.Lambda):
            yield from _bound(ast.iter_child_nodes(node))


def bound_within(function: ast.AST) -> Iterator[str]:
    """Yield the names that a function and its inner functions bind, with parameters."""
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ExceptHandler(name=str() as name):
                yield name
            case _:
                pass
