"""The service's limits. Sizes are UTF-8 bytes; times are milliseconds unless the name has a unit."""

from __future__ import annotations

import msgspec

_KIB = 1024
_MIB = 1024 * _KIB
_SECOND = 1000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The service's current limits; pass smaller ones to test a workflow's behaviour at a limit."""

    operations: int = 3_000
    storage_bytes: int = 100 * _MIB
    operation_payload_bytes: int = _MIB
    synchronous_payload_bytes: int = 6 * _MIB
    asynchronous_payload_bytes: int = _MIB
    chained_invoke_payload_bytes: int = _MIB
    callback_result_bytes: int = _MIB
    error_bytes: int = _MIB
    reason_characters: int = 1_024
    wait_seconds: int = 31_622_400
    retry_delay_seconds: int = 31_622_400
    callback_timeout_seconds: int = 99_999_999
    execution_timeout_seconds: int = 31_622_400
    paused_execution_seconds: int = 366 * 24 * 3_600
    retention_days: int = 90
    default_retention_days: int = 14
    page_items: int = 100
    max_page_items: int = 1_000
    first_page_items: int = 1_000
    page_bytes: int = 5 * _MIB
    invocation_backoff: int = _SECOND
    max_invocation_backoff: int = 60 * _SECOND
    pending_refusals: int = 3
    # A seed makes responses to checkpoints omit some operations that timers or external systems have
    # changed, when the handler is sure to checkpoint again. A later response reports them, with the time
    # at which they changed.
    late_news: int | None = None


DEFAULT_LIMITS = Limits()
