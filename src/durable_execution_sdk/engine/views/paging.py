"""Pages of results: their size, and the marker of the next page."""

from __future__ import annotations

import base64
import binascii

from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import invalid


def page_size(max_items: int, limits: Limits) -> int:
    """Return the number of items that a request asks for; 0 means the default."""
    if not 0 <= max_items <= limits.max_page_items:
        raise invalid(f"Invalid MaxItems {max_items}: 0 to {limits.max_page_items}.")
    return max_items or limits.page_items


def marker_for(kind: str, position: int) -> str:
    """Return an opaque marker for a position in one kind of list."""
    return base64.b64encode(f"{kind}:{position}".encode()).decode()


def place_of(marker: str) -> tuple[str, int]:
    """Return the kind of list and the position that a marker stands for."""
    try:
        kind, _, position = base64.b64decode(marker, validate=True).decode().partition(":")
        index = int(position)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise invalid(f"Invalid Marker {marker!r}: use the NextMarker of an answer.") from error
    if index < 0:
        raise invalid(f"Invalid Marker {marker!r}: use the NextMarker of an answer.")
    return kind, index
