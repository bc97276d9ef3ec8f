"""Resolve dotted names by the imports of a module."""

from __future__ import annotations

import ast


def imported_names(tree: ast.AST, package: str | None = None) -> dict[str, str]:
    """Map the names that a module's imports bind, at any depth, to qualified names.

    Relative imports are left out unless ``package`` is that of the module, empty for one outside of packages.
    """
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
                else:
                    top = alias.name.partition(".")[0]
                    names[top] = top
        elif isinstance(node, ast.ImportFrom):
            base = origin(node, package)
            for alias in node.names if base else ():
                names[alias.asname or alias.name] = f"{base}.{alias.name}"
    return names


def origin(node: ast.ImportFrom, package: str | None) -> str | None:
    """Return the module that ``from ... import`` names; ``None`` if that is not known."""
    if not node.level:
        return node.module
    if package is None:
        return None
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, *filter(None, [node.module])])


def dotted(node: ast.AST) -> str | None:
    """Return the text of ``a`` or ``a.b.c``; ``None`` for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


def qualified(node: ast.AST, imported: dict[str, str]) -> str | None:
    """Return the qualified name behind an imported name; a simple name that is not imported is returned."""
    text = dotted(node)
    if text is None:
        return None
    first, dot, rest = text.partition(".")
    if first in imported:
        return f"{imported[first]}{dot}{rest}"
    return None if dot else text


def root(node: ast.expr) -> ast.expr:
    """Return the object at the start of a chain of attributes, items and method calls."""
    while True:
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner):
                node = inner
            case ast.Call(func=ast.Attribute(value=inner)):
                node = inner
            case _:
                return node
