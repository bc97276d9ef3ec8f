"""What the bodies of steps do, the same for every SDK."""

from __future__ import annotations


def add(a: int, b: int) -> int:
    return a + b


def double(n: int) -> int:
    return n * 2


def rows(size: int) -> list[str]:
    """A list that is about so many bytes of JSON."""
    return ["x" * 97] * (size // 100)
