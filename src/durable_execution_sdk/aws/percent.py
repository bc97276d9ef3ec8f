"""Percent-encoding as SigV4 wants it, so that what is sent is already what is signed."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["query_string", "segment", "twice"]

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_TABLE = [chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)]
_encoded = _TABLE.__getitem__


def segment(text: str) -> str:
    """Encode text for one path segment: slashes, colons and dollars too."""
    return "".join(map(_encoded, text.encode()))


def query_string(parameters: Iterable[tuple[str, str]]) -> str:
    """Encode and sort parameters: the canonical query is also the one that is sent."""
    pairs = sorted((segment(name), segment(value)) for name, value in parameters)
    return "&".join([f"{name}={value}" for name, value in pairs])


def twice(path: str) -> str:
    """Encode a path that is encoded already, as every service but S3 signs it."""
    return path.replace("%", "%25")
