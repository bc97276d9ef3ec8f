"""Bodies of steps, the same for all SDKs."""

from __future__ import annotations


def add(a: int, b: int) -> int:
    return a + b


def double(n: int) -> int:
    return n * 2


def rows(size: int) -> list[str]:
    """Return a list of about ``size`` bytes as JSON."""
    return ["x" * 97] * (size // 100)
