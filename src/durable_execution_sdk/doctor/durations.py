"""Lengths of time in code: numbers, ``Duration`` and ``timedelta``, and constants that have them."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from durable_execution_sdk.lint.names import dotted

__all__ = ["seconds"]

_SECONDS = {
    "from_seconds": 1,
    "from_minutes": 60,
    "from_hours": 3_600,
    "from_days": 86_400,
    "from_weeks": 604_800,
    "from_months": 30 * 86_400,
    "from_years": 365 * 86_400,
}
_TIMEDELTA = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 604_800}


def seconds(node: ast.expr, constants: Mapping[str, ast.expr]) -> float | None:
    """Return the seconds of a number, a ``Duration`` or a ``timedelta``; ``None`` if the code does not tell.

    ``constants`` are the names whose values the module tells.
    """
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name) if name in constants:
            # A constant that refers to itself has no value.
            others = {key: value for key, value in constants.items() if key != name}
            return seconds(constants[name], others)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Add(), right=right):
            first, second = seconds(left, constants), seconds(right, constants)
            if first is None or second is None:
                return None
            return first * second if isinstance(node.op, ast.Mult) else first + second
        case ast.Call(func=ast.Attribute(attr=unit), args=[count]) if unit in _SECONDS:
            number = seconds(count, constants)
            return None if number is None else number * _SECONDS[unit]
        case (
            ast.Call(func=func, args=[count])
            | ast.Call(func=func, args=[], keywords=[ast.keyword(arg="seconds", value=count)])
        ) if (dotted(func) or "").rpartition(".")[2] == "Duration":
            return seconds(count, constants)
        case ast.Call(func=func, args=[], keywords=words) if words and (
            (dotted(func) or "").rpartition(".")[2] == "timedelta"
        ):
            return _sum_of_units(words, constants)
        case _:
            return None


def _sum_of_units(words: list[ast.keyword], constants: Mapping[str, ast.expr]) -> float | None:
    total = 0.0
    for word in words:
        number = seconds(word.value, constants)
        if number is None or word.arg not in _TIMEDELTA:
            return None
        total += number * _TIMEDELTA[word.arg]
    return total
