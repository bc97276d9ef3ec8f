"""Repeatable random numbers for retry delays in tests."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import count

from durable_execution_sdk.retry.backoff import JITTER_SOURCE
from durable_execution_sdk.runtime.current import CURRENT, StepContext

__all__ = ["seeded_jitter"]


@contextmanager
def seeded_jitter() -> Generator[None]:
    """Derive the random numbers of retry strategies from the operation's id and its attempt."""
    draws = count()

    def roll() -> float:
        step = CURRENT.get()
        if isinstance(step, StepContext):
            seed = f"{step.operation_id}|{step.attempt}"
        else:
            seed = f"draw {next(draws)}"
        return int.from_bytes(blake2b(seed.encode(), digest_size=7).digest()) / (1 << 56)

    before = JITTER_SOURCE.set(roll)
    try:
        yield
    finally:
        JITTER_SOURCE.reset(before)
