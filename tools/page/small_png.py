"""Make a PNG small: its most frequent colours become a palette, and each other colour the nearest of them."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

__all__ = ["shrink"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_COLOURS = 256
_ALIKE_BITS = 4


def shrink(image: bytes) -> bytes:
    """Return a PNG of 8 bits for each channel with a palette; another one as it is."""
    chunks = dict(_chunks(image))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    if depth != 8 or kind not in {2, 6}:
        return image
    channels = 3 if kind == 2 else 4
    rows = [*_rows(zlib.decompress(chunks[b"IDAT"]), width * channels, channels)]
    pixels = [[row[at : at + 3] for at in range(0, len(row), channels)] for row in rows]
    counted = Counter(pixel for row in pixels for pixel in row)
    palette = _palette(counted)
    places = {colour: _nearest(colour, palette) for colour in counted}
    data = b"".join(b"\0" + bytes(places[pixel] for pixel in row) for row in pixels)
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(data, 9)),
            (b"IEND", b""),
        )
    )


def _chunks(image: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, data = len(_SIGNATURE), b""
    while at < len(image):
        length, name = struct.unpack(">I4s", image[at : at + 8])
        body = image[at + 8 : at + 8 + length]
        at += 12 + length
        if name == b"IDAT":
            data += body
        else:
            yield name, body
    yield b"IDAT", data


def _rows(data: bytes, length: int, step: int) -> Iterator[bytes]:
    """Undo the filter of each row."""
    before = bytearray(length)
    for start in range(0, len(data), length + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + length])
        for at in range(length if kind else 0):
            left = row[at - step] if at >= step else 0
            corner = before[at - step] if at >= step else 0
            row[at] = (row[at] + _predicted(kind, left, before[at], corner)) & 0xFF
        yield bytes(row)
        before = row


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    if kind < 4:
        return (0, left, above, (left + above) // 2)[kind]
    near = left + above - corner
    return min((left, above, corner), key=lambda each: abs(near - each))


def _palette(counted: Counter[bytes]) -> list[bytes]:
    """Choose colours that are not alike, so that a rare one has a place beside the shades of text."""
    chosen: dict[bytes, bytes] = {}
    for colour, _ in counted.most_common():
        chosen.setdefault(bytes(part >> _ALIKE_BITS for part in colour), colour)
    return list(chosen.values())[:_MOST_COLOURS]


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(
        range(len(palette)),
        key=lambda index: sum((a - b) ** 2 for a, b in zip(colour, palette[index], strict=True)),
    )
