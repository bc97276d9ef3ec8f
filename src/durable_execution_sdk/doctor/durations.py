"""Lengths of time in code: numbers, ``Duration`` and ``timedelta``."""

from __future__ import annotations

import ast

from durable_execution_sdk.lint.names import dotted

__all__ = ["seconds"]

_SECONDS = {
    "from_seconds": 1,
    "from_minutes": 60,
    "from_hours": 3_600,
    "from_days": 86_400,
    "from_weeks": 604_800,
}
_TIMEDELTA = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}


def seconds(node: ast.expr) -> float | None:
    """Return the seconds of a number, a ``Duration`` or a ``timedelta``; ``None`` if the code does not tell."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.Call(
            func=ast.Attribute(attr=unit), args=[ast.Constant(value=int() | float() as value)]
        ) if unit in _SECONDS:
            return value * _SECONDS[unit]
        case ast.Call(func=func, args=[], keywords=words) if words and (
            (dotted(func) or "").rpartition(".")[2] == "timedelta"
        ):
            total = 0.0
            for word in words:
                if not isinstance(word.value, ast.Constant) or word.arg not in _TIMEDELTA:
                    return None
                total += float(word.value.value) * _TIMEDELTA[word.arg]  # type: ignore[arg-type]
            return total
        case _:
            return None
