"""Ids and times that are the same on every replay, for code outside of the workflow function.

With a context, ``ctx.now()``, ``ctx.uuid4()`` and ``ctx.random()`` are shorter.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

from durable_execution_sdk.context import DurableContext

__all__ = [
    "datetime_from_execution",
    "timestamp_from_execution",
    "timestamp_seconds_from_execution",
    "uuid_from_operation",
    "uuid_string_from_operation",
]


def uuid_from_operation(operation_id: str, seed: int = 0) -> UUID:
    """Return a UUID derived from an operation's id, the same on every replay.

    Different values of ``seed`` give different UUIDs for one operation.
    """
    digest = hashlib.blake2b(f"{operation_id}|{seed}".encode(), digest_size=16).digest()
    return UUID(bytes=digest, version=4)


def uuid_string_from_operation(operation_id: str, seed: int = 0) -> str:
    """Return ``uuid_from_operation`` as text."""
    return str(uuid_from_operation(operation_id, seed))


def timestamp_from_execution(ctx: DurableContext) -> int:
    """Return the start of the execution, in milliseconds since the epoch."""
    return ctx.started_at


def timestamp_seconds_from_execution(ctx: DurableContext) -> int:
    """Return the start of the execution, in whole seconds since the epoch."""
    return ctx.started_at // 1000


def datetime_from_execution(ctx: DurableContext) -> datetime:
    """Return the start of the execution, in UTC."""
    return datetime.fromtimestamp(ctx.started_at / 1000, UTC)
