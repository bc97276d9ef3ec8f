"""Percent-encoding by the rules of SigV4, so that paths and queries are sent as they are signed."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["query_string", "segment", "twice"]

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_TABLE = [chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)]
_encoded = _TABLE.__getitem__


def segment(text: str) -> str:
    """Encode text as one path segment; slashes, colons and dollars are encoded too."""
    return "".join(map(_encoded, text.encode()))


def query_string(parameters: Iterable[tuple[str, str]]) -> str:
    """Encode and sort parameters: the canonical query of SigV4, which is also sent."""
    pairs = sorted((segment(name), segment(value)) for name, value in parameters)
    return "&".join([f"{name}={value}" for name, value in pairs])


def twice(path: str) -> str:
    """Encode an encoded path again: the canonical path of SigV4 for all services but S3."""
    return path.replace("%", "%25")
