"""How deeply JSON from outside may be nested: what reads it recurses, and every stack has an end."""

from __future__ import annotations

import re

DEEPEST = 500
"""Arrays and objects inside one another; Python's own reader gives up at about 1,000."""

# One that never ends reaches to the end of the text, and nothing is tried twice: the search takes as long
# as the text is, whatever stands there.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


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
