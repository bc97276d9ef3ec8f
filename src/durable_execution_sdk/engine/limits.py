"""The limits that the engine enforces: those of the service, each of which a test can set lower.

Sizes are UTF-8 bytes; times are milliseconds unless the name has a unit.
"""

from __future__ import annotations

import msgspec

from durable_execution_sdk.protocol.limits import (
    DEFAULT_PAGE_ITEMS,
    DEFAULT_RETENTION_DAYS,
    LONGEST_CALLBACK_TIMEOUT_SECONDS,
    LONGEST_RETENTION_DAYS,
    LONGEST_TIMER_SECONDS,
    MAX_FIRST_PAGE_BYTES,
    MAX_OPERATIONS,
    MAX_PAGE_ITEMS,
    MAX_PAYLOAD_BYTES,
    MAX_REASON_CHARACTERS,
    MAX_STORAGE_BYTES,
    MAX_SYNCHRONOUS_PAYLOAD_BYTES,
)

_SECOND = 1000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The service's current limits; pass smaller ones to test a workflow's behaviour at a limit."""

    operations: int = MAX_OPERATIONS
    storage_bytes: int = MAX_STORAGE_BYTES
    operation_payload_bytes: int = MAX_PAYLOAD_BYTES
    synchronous_payload_bytes: int = MAX_SYNCHRONOUS_PAYLOAD_BYTES
    asynchronous_payload_bytes: int = MAX_PAYLOAD_BYTES
    chained_invoke_payload_bytes: int = MAX_PAYLOAD_BYTES
    callback_result_bytes: int = MAX_PAYLOAD_BYTES
    error_bytes: int = MAX_PAYLOAD_BYTES
    reason_characters: int = MAX_REASON_CHARACTERS
    wait_seconds: int = LONGEST_TIMER_SECONDS
    retry_delay_seconds: int = LONGEST_TIMER_SECONDS
    callback_timeout_seconds: int = LONGEST_CALLBACK_TIMEOUT_SECONDS
    execution_timeout_seconds: int = LONGEST_TIMER_SECONDS
    paused_execution_seconds: int = LONGEST_TIMER_SECONDS
    retention_days: int = LONGEST_RETENTION_DAYS
    default_retention_days: int = DEFAULT_RETENTION_DAYS
    page_items: int = DEFAULT_PAGE_ITEMS
    max_page_items: int = MAX_PAGE_ITEMS
    first_page_items: int = MAX_PAGE_ITEMS
    page_bytes: int = MAX_FIRST_PAGE_BYTES
    invocation_backoff: int = _SECOND
    max_invocation_backoff: int = 60 * _SECOND
    pending_refusals: int = 3
    # A seed makes responses to checkpoints omit some operations that timers or external systems have
    # changed, when the handler is sure to checkpoint again. A later response reports them, with the time
    # at which they changed.
    late_news: int | None = None


DEFAULT_LIMITS = Limits()
