"""The code of handlers: modules are read, never imported."""

from __future__ import annotations

import ast
import glob
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from durable_execution_sdk.doctor.findings import Place
from durable_execution_sdk.doctor.package import installed_names, may_install
from durable_execution_sdk.lint.names import dotted, imported_names, qualified
from durable_execution_sdk.lint.workflows import Function, step_bodies, workflows

_DECORATORS = frozenset(
    {
        "durable_execution_sdk.durable_execution",
        "durable_execution_sdk.handler.durable_execution",
        "aws_durable_execution_sdk_python.durable_execution",
        "aws_durable_execution_sdk_python.execution.durable_execution",
    }
)


class Module:
    """A module of the application. Raises ``SyntaxError``, ``ValueError`` or ``OSError`` if it is not Python."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.text = file.read_text(encoding="utf-8")
        with warnings.catch_warnings(action="ignore"):
            self.tree = ast.parse(self.text, str(file))
            # Refuses an await in a plain function, and the like, which the grammar allows.
            compile(self.tree, str(file), "exec", dont_inherit=True)
        self.imported = imported_names(self.tree)
        self.functions: dict[str, Function] = {
            node.name: node
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.values: dict[str, ast.expr] = {
            target.id: node.value
            for node in self.tree.body
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
                self._modules[file] = Module(file)
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
        text = requirements.read_text(encoding="utf-8", errors="replace")
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

    def _member(self, module: Module, name: str, depth: int) -> Handler | None:
        if name in module.functions:
            node = module.functions[name]
            durable = any(module.is_durable(each) for each in node.decorator_list)
            # Another decorator may apply the durable one.
            known = durable or not node.decorator_list
            return Handler(module, module.place(node), durable if known else None, node)
        if name in module.values:
            value = module.values[name]
            durable = isinstance(value, ast.Call) and module.is_durable(value)
            inner = value.args[0] if isinstance(value, ast.Call) and value.args else None
            function = module.functions.get(inner.id) if isinstance(inner, ast.Name) else None
            return Handler(module, module.place(value), durable or None, function)
        origin, _, member = module.imported.get(name, "").rpartition(".")
        other = self.module(origin)
        if other is not None and depth < _DEEPEST:
            return self._member(other, member, depth + 1)
        return Handler(
            module, Place.of(module.file, 1), None if module.may_bind(name) else False, None
        )

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

    def _named(self, module: Module, name: str) -> tuple[Module, Function | ast.expr] | None:
        here = module.functions.get(name) or module.values.get(name)
        if here is not None:
            return module, here
        first, dot, rest = name.partition(".")
        origin, _, member = f"{module.imported.get(first, '')}{dot}{rest}".rpartition(".")
        other = self.module(origin)
        if other is None:
            return None
        there = other.functions.get(member) or other.values.get(member)
        return None if there is None else (other, there)


_DEEPEST = 5


def _names(code: ast.AST) -> set[str]:
    return {text for node in ast.walk(code) if (text := dotted(node))}


def _module_of(handler: str) -> str:
    return handler.replace("/", ".").rpartition(".")[0]


def calls(function: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a function."""
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))
