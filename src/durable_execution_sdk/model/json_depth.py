"""How deeply JSON from outside may be nested: what reads it recurses, and every stack has an end."""

from __future__ import annotations

import re

DEEPEST = 500
"""Arrays and objects inside one another; Python's own reader gives up at about 1,000."""

# One that never ends reaches to the end of the text, and nothing is tried twice: the search takes as long
# as the text is, whatever stands there.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_STRING_OR_BRACKET = re.compile(_STRING.pattern + rb"|[\[\]{}]", re.DOTALL)


def is_too_deep(json: bytes, deepest: int = DEEPEST) -> bool:
    """Tell whether a text that may be JSON is nested more deeply than that, without recursion."""
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
