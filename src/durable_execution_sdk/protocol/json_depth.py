"""Limit for the nesting of JSON from outside: decoders recurse, and the stack is limited."""

from __future__ import annotations

import re

DEEPEST = 500
"""Most arrays and objects inside one another; Python's ``json`` fails at about 1,000."""

# An unterminated string matches up to the end of the text. Possessive quantifiers avoid backtracking, so
# the search is linear in the length of the text.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_STRING_OR_BRACKET = re.compile(_STRING.pattern + rb"|[\[\]{}]", re.DOTALL)


def is_too_deep(json: bytes, deepest: int = DEEPEST) -> bool:
    """Return True when a text, JSON or not, is nested more deeply than ``deepest``; no recursion."""
    if json.count(b"[") + json.count(b"{") <= deepest:
        return False
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", json)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > deepest:
            return True
    return False


def depth_fault(json: bytes, deepest: int = DEEPEST) -> str | None:
    """Return the words about a text that is nested too deeply: where, and the cure; or ``None``."""
    if not is_too_deep(json, deepest):
        return None
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(json):
        if found[0][:1] != b'"':
            depth += 1 if found[0] in b"[{" else -1
        if depth > deepest:
            return (
                f"nested more than {deepest} deep at byte {found.start():,}; send a flat list of its"
                " parts, or the inner part as text"
            )
    raise AssertionError("both ways of counting brackets agree")
