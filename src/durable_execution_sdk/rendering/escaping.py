"""Escape control characters and invisible characters in text from outside.

Names, payloads, errors and log lines are untrusted. An escape sequence in one of them could set the
window's title, hide lines or forge them; a bidirectional override makes a name read as another.
"""

from __future__ import annotations

import re

# C0 without tab and line feed, DEL and C1; soft hyphen; zero-width, bidirectional and other invisible
# format characters, except the two joiners, which some scripts and emoji need; line and paragraph
# separators; surrogates; interlinear marks; tags.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u070f\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Replace every control or invisible character by its JSON escape."""
    return text if text.isascii() and text.isprintable() else _INVISIBLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
