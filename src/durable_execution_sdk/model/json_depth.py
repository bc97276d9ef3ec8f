"""Limit for the nesting of JSON from outside: decoders recurse, and the stack is limited."""

from __future__ import annotations

import re

DEEPEST = 500
"""Most arrays and objects inside one another; Python's ``json`` fails at about 1,000."""

# An unterminated string matches up to the end of the text. Possessive quantifiers avoid backtracking, so
# the search is linear in the length of the text.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


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
