"""The meaning of a dotted name in a module, as far as its imports tell."""

from __future__ import annotations

import ast


def imported_names(tree: ast.AST) -> dict[str, str]:
    """The names that the imports of a module bind, wherever they stand, fully qualified."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
                else:
                    top = alias.name.partition(".")[0]
                    names[top] = top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.AST) -> str | None:
    """The text of ``a`` or ``a.b.c``; nothing for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


def qualified(node: ast.AST, imported: dict[str, str]) -> str | None:
    """The full name behind a name; one that nothing imports stands for itself if it is a builtin."""
    text = dotted(node)
    if text is None:
        return None
    first, dot, rest = text.partition(".")
    if first in imported:
        return f"{imported[first]}{dot}{rest}"
    return None if dot else text


def root(node: ast.expr) -> ast.expr:
    """The object at the beginning of a chain of attributes, items and method calls."""
    while True:
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner):
                node = inner
            case ast.Call(func=ast.Attribute(value=inner)):
                node = inner
            case _:
                return node
