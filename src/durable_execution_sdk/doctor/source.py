"""The code of handlers: modules are read, never imported."""

from __future__ import annotations

import ast
import glob
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from durable_execution_sdk.doctor.findings import Place
from durable_execution_sdk.doctor.module import Module, bound_names
from durable_execution_sdk.doctor.package import installed_names, may_install, requirements_text
from durable_execution_sdk.lint.names import dotted
from durable_execution_sdk.lint.workflows import Function


class Handler(NamedTuple):
    """The object that a function's ``Handler`` names; ``durable`` is ``None`` if that cannot be read."""

    module: Module
    place: Place
    durable: bool | None
    function: Function | None


class Sources:
    """The modules below a folder of code."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[Path, Module | None] = {}
        self._installed = installed_names(root)
        # The files that are no Python, with the reason.
        self.broken: dict[Path, Exception] = {}

    def module(self, name: str) -> Module | None:
        """Return the application's module of a dotted name; ``None`` if it is not here, or cannot be read."""
        file = self._file(name)
        if file is None:
            return None
        if file not in self._modules:
            try:
                package = ".".join(file.relative_to(self.root).parts[:-1])
                self._modules[file] = Module(file, package)
            except (SyntaxError, ValueError, OSError) as error:
                self._modules[file] = None
                self.broken[file] = error
        return self._modules[file]

    def _file(self, name: str) -> Path | None:
        parts = name.split(".")
        if not parts[0] or parts[0] in self._installed:
            return None
        files = (
            self.root.joinpath(*parts).with_suffix(".py"),
            self.root.joinpath(*parts, "__init__.py"),
        )
        return next((file for file in files if file.is_file()), None)

    def breaks(self, handler: str) -> bool:
        """Tell if the module of a handler is here, and cannot be read."""
        return self._file(_module_of(handler)) in self.broken

    def handler(self, name: str) -> Handler | None:
        """Return a handler by its name in a template; ``None`` if its module is not here."""
        module = self.module(_module_of(name))
        return None if module is None else self._member(module, name.rpartition(".")[2], 0)

    def lacks(self, handler: str) -> bool:
        """Tell if the module of a handler is not in the folder, nor in a package that its requirements name."""
        *parts, _ = handler.replace("/", ".").split(".")
        file = self.root.joinpath(*parts)
        if not all(parts) or parts[0] in self._installed or file.exists():
            return False
        has_python = any(True for _ in self.root.rglob("*.py"))
        if not has_python or any(file.parent.glob(f"{glob.escape(file.name)}.*")):
            return False
        requirements = self.root / "requirements.txt"
        if not requirements.is_file():
            return True
        text = requirements_text(requirements)
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return not any(may_install(line, parts[0]) for line in lines if line)

    def contradicts(self, handler: str) -> bool:
        """Tell if a handler is none of Python, or its module is missing in a package that the folder has."""
        *parts, name = handler.replace("/", ".").split(".")
        if not name.isidentifier():
            return True
        package, file = self.root.joinpath(*parts[:-1]), self.root.joinpath(*parts)
        is_here = file.exists() or any(package.glob(f"{glob.escape(file.name)}.*"))
        return (
            len(parts) > 1
            and all(parts)
            and parts[0] not in self._installed
            and (package / "__init__.py").is_file()
            and not is_here
        )

    def _member(self, module: Module, name: str, depth: int) -> Handler:
        if name in module.functions:
            node = module.functions[name]
            durable = any(module.is_durable(each) for each in node.decorator_list)
            # Another decorator may apply the durable one.
            known = durable or not node.decorator_list
            return Handler(module, module.place(node), durable if known else None, node)
        if name in module.values:
            return self._of_value(module, module.values[name], depth)
        if depth < _DEEPEST:
            for other, member in self._origins(module, name):
                found = self._member(other, member, depth + 1)
                if found.function is not None or name in module.imported:
                    return found
        return Handler(
            module, Place.of(module.file, 1), None if module.may_bind(name) else False, None
        )

    def _of_value(self, module: Module, value: ast.expr, depth: int) -> Handler:
        """Return the handler that an expression gives: another name of one, or a wrapped one."""
        unknown = Handler(module, module.place(value), None, None)
        if isinstance(value, ast.Name) and depth < _DEEPEST:
            found = self._member(module, value.id, depth + 1)
            return unknown if found.function is None else found
        if not isinstance(value, ast.Call) or depth >= _DEEPEST:
            return unknown
        inner = self._of_value(module, value.args[0], depth + 1) if value.args else unknown
        durable = True if module.is_durable(value) else None
        if durable is None and _is_transparent(value):
            durable = inner.durable
        return Handler(inner.module, unknown.place, durable, inner.function)

    def modules(self, first: Module) -> list[Module]:
        """Return a module and those of the application that it imports, directly or not."""
        found = {first.file: first}
        pending = [first]
        while pending:
            for name in self.imports(pending.pop()):
                module = self.module(name)
                if module is not None and module.file not in found:
                    found[module.file] = module
                    pending.append(module)
        return [*found.values()]

    def imports(self, module: Module) -> Iterator[str]:
        """Yield the names of what a module imports, and of the modules that have it."""
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    folder = module.file.parents[node.level - 1]
                    relative = folder.relative_to(self.root).parts if folder != self.root else ()
                    base = ".".join((*relative, *filter(None, [base])))
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if base)

    def reachable(self, handler: Handler) -> list[tuple[Module, Function]]:
        """Return the functions that a handler names, directly or not, in the modules of the application."""
        return [
            (module, node)
            for module, node in self.code(handler)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    def code(self, handler: Handler) -> list[tuple[Module, Function | ast.expr]]:
        """Return the functions that a handler names, and the values of the names of modules, directly or not."""
        if handler.function is None:
            return []
        found: dict[Function | ast.expr, Module] = {handler.function: handler.module}
        pending: list[Function | ast.expr] = [handler.function]
        while pending:
            code = pending.pop()
            for name in _names(code):
                other = self._named(found[code], name)
                if other is not None and other[1] not in found:
                    found[other[1]] = other[0]
                    pending.append(other[1])
        return [(module, code) for code, module in found.items()]

    def _named(
        self, module: Module, name: str, depth: int = 0
    ) -> tuple[Module, Function | ast.expr] | None:
        here = module.functions.get(name) or module.values.get(name)
        if here is not None:
            return module, here
        # A package may import the function from a module of its own.
        origins = self._origins(module, name) if depth < _DEEPEST else ()
        found = (self._named(other, member, depth + 1) for other, member in origins)
        return next((each for each in found if each is not None), None)

    def _origins(self, module: Module, name: str) -> Iterator[tuple[Module, str]]:
        """Yield the modules of the application from which a module may import a name, and its name there."""
        first, dot, rest = name.partition(".")
        if first in module.imported:
            base, _, member = f"{module.imported[first]}{dot}{rest}".rpartition(".")
            named = [(base, member)]
        else:
            named = [(base, name) for base in module.whole]
        for base, member in named:
            other = self.module(base)
            if other is not None:
                yield other, member


_DEEPEST = 5
# Decorators of Powertools that hand the event on.
_TRANSPARENT = frozenset({"inject_lambda_context", "capture_lambda_handler", "log_metrics"})


def _is_transparent(call: ast.Call) -> bool:
    function = call.func
    while isinstance(function, ast.Call):
        function = function.func
    return isinstance(function, ast.Attribute) and function.attr in _TRANSPARENT


def _names(code: ast.AST, bound: frozenset[str] = frozenset()) -> set[str]:
    """Return the names in code, without those that it binds itself: a parameter is not the function of its name."""
    text = dotted(code)
    if text is not None:
        parts = text.split(".")
        ends = range(1, len(parts) + 1) if parts[0] not in bound else ()
        return {".".join(parts[:end]) for end in ends}
    if isinstance(code, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        bound |= bound_names(code)
    return {name for part in ast.iter_child_nodes(code) for name in _names(part, bound)}


def _module_of(handler: str) -> str:
    return handler.replace("/", ".").rpartition(".")[0]
