"""The values of constants in code, also of those that are imported from other modules of the application."""

from __future__ import annotations

import ast

from durable_execution_sdk.doctor.durations import seconds
from durable_execution_sdk.doctor.module import Module
from durable_execution_sdk.doctor.source import Sources
from durable_execution_sdk.lint.names import dotted

__all__ = ["constants", "resolved"]

_DEEPEST = 5


def resolved(
    sources: Sources, module: Module, node: ast.expr, depth: int = 0
) -> tuple[Module, ast.expr]:
    """Return the value of a name at the top of a module, and the module that has it; of anything else, itself."""
    name = dotted(node) or ""
    if name in module.values:
        found = module, module.values[name]
    else:
        first, dot, rest = name.partition(".")
        origin, _, member = f"{module.imported.get(first, '')}{dot}{rest}".rpartition(".")
        other = sources.module(origin)
        if other is None or member not in other.values:
            return module, node
        found = other, other.values[member]
    return resolved(sources, *found, depth + 1) if depth < _DEEPEST else found


def constants(sources: Sources, module: Module) -> dict[str, ast.expr]:
    """Return the constants of a module, and the lengths of time that it imports."""
    found = dict(module.constants)
    for name in module.imported:
        other, given = resolved(sources, module, ast.Name(name))
        length = None if other is module else seconds(given, other.constants)
        if length is not None:
            found[name] = ast.Constant(length)
    return found
