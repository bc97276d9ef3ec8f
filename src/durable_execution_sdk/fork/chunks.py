"""The form in which a fork keeps the old history: the results of a few STEPs, each of less than 256 KB.

A chunk has whole events where they fit, so that it can be read. An event that is larger than a chunk is divided into
pieces of its JSON. Every chunk has the number of chunks and the digest of the whole, so that a history that was read
again after a crash is known to be the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import msgspec
from msgspec import Struct

from durable_execution_sdk.errors import ExecutionError
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.operations import OperationSubType, OperationType
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate, text_bytes

__all__ = ["Chunk", "Seed", "chunk_id", "chunk_updates", "read_chunk", "seed_from"]

CHUNK_BYTES = 250_000
"""The most bytes of a chunk, but for its frame; a payload of 262,144 is accepted by every version of the service."""

_encode = msgspec.json.Encoder(order="deterministic").encode
# However long the list of contexts with other results is, a chunk has room for this much.
_SMALLEST = 200


class Seed(Struct, frozen=True, kw_only=True):
    """The events that a fork takes over, the first of which is ExecutionStarted.

    ``cut_at`` is the time of the cut: what was open has as much time left as then. ``stored`` has the ids of contexts
    whose results were changed, so that they are not computed again.
    """

    events: list[HistoryEvent]
    cut_at: float
    stored: list[str]


class Chunk(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A part of a seed: whole events, or a piece of the JSON of one; ``continues``: the next chunk has more of it."""

    part: int
    parts: int
    digest: str
    cut_at: float
    stored: list[str] = []
    events: list[HistoryEvent] = []
    piece: str | None = None
    continues: bool = False


def chunk_id(part: int) -> str:
    """Return the id of the STEP that has the part-th chunk, from 1; no operation of workflow code has it."""
    return blake2b(f"fork-{part}".encode()).digest()[:32].hex()


def chunk_updates(seed: Seed, origin: str) -> list[OperationUpdate]:
    """Return the updates that record a seed. ``origin`` names the old execution in the history of the fork."""
    bodies = list(_bodies(seed))
    digest = _digest(seed)
    return [
        OperationUpdate(
            id=chunk_id(part),
            type=OperationType.STEP,
            action=OperationAction.SUCCEED,
            name=f"forked from {origin} ({part} of {len(bodies)})",
            sub_type=OperationSubType.STEP,
            payload=_encode(
                Chunk(
                    part=part,
                    parts=len(bodies),
                    digest=digest,
                    cut_at=seed.cut_at,
                    stored=seed.stored if part == 1 else [],
                    events=events,
                    piece=piece,
                    continues=continues,
                )
            ).decode(),
        )
        for part, (events, piece, continues) in enumerate(bodies, 1)
    ]


def read_chunk(payload: str | None) -> Chunk:
    """Read the payload of a chunk; raise ``ExecutionError`` if it is none."""
    try:
        return msgspec.json.decode(payload or "", type=Chunk)
    except msgspec.DecodeError as error:
        raise ExecutionError(
            f"the log of this fork has a part of the old history that cannot be read ({error}). Fork again"
        ) from error


def seed_from(chunks: Mapping[int, Chunk]) -> Seed | None:
    """Join the chunks to the seed; return ``None`` if some are missing."""
    first = chunks.get(1)
    if first is None or any(part not in chunks for part in range(1, first.parts + 1)):
        return None
    events: list[HistoryEvent] = []
    pieces: list[str] = []
    for part in range(1, first.parts + 1):
        chunk = chunks[part]
        events += chunk.events
        if chunk.piece is not None:
            pieces.append(chunk.piece)
            if not chunk.continues:
                events.append(msgspec.json.decode("".join(pieces), type=HistoryEvent))
                pieces.clear()
    return Seed(events=events, cut_at=first.cut_at, stored=first.stored)


def _digest(seed: Seed) -> str:
    return blake2b(_encode(seed), digest_size=16).hexdigest()


def _bodies(seed: Seed) -> Iterator[tuple[list[HistoryEvent], str | None, bool]]:
    """Divide the events: yield lists of whole ones, and pieces of large ones."""
    room = max(_SMALLEST, CHUNK_BYTES - text_bytes("".join(seed.stored)))
    events: list[HistoryEvent] = []
    size = 0
    for event in seed.events:
        text = _encode(event).decode()
        length = text_bytes(text)
        if events and size + length > room:
            yield events, None, False
            events, size = [], 0
        if length <= room:
            events.append(event)
            size += length
            continue
        pieces = list(_pieces(text, room))
        for number, piece in enumerate(pieces, 1):
            yield [], piece, number < len(pieces)
    if events:
        yield events, None, False


def _pieces(text: str, room: int) -> Iterator[str]:
    """Cut a text into pieces, each of which has at most ``room`` bytes as a JSON string, quotes not counted."""
    start = 0
    while start < len(text):
        length = min(room, len(text) - start)
        while length > 1 and len(_encode(text[start : start + length])) - 2 > room:
            length = max(1, length * 3 // 4)
        yield text[start : start + length]
        start += length
