"""Named retry strategies for common cases."""

from __future__ import annotations

from msgspec import Struct

from durable_execution_sdk.duration import Duration
from durable_execution_sdk.retry.backoff import JitterStrategy
from durable_execution_sdk.retry.strategies import ExponentialBackoff, LinearBackoff, NoRetry

__all__ = ["RetryPresets", "retry_presets"]


class RetryPresets(Struct, frozen=True, kw_only=True):
    """The strategies behind ``retry_presets``."""

    none: NoRetry = NoRetry()
    """The first failure is final."""

    default: ExponentialBackoff = ExponentialBackoff()
    """The default of steps: 6 attempts, 5 s doubling up to 60 s, full jitter."""

    linear: LinearBackoff = LinearBackoff()
    """For delays that grow evenly: 6 attempts, 5 s growing by 5 s up to 60 s, full jitter."""

    transient: ExponentialBackoff = ExponentialBackoff(
        max_attempts=3,
        initial_delay=Duration(1),
        max_delay=Duration(10),
        jitter=JitterStrategy.HALF,
    )
    """For errors that pass in seconds: 3 attempts, 1 s doubling up to 10 s, half jitter."""

    resource_availability: ExponentialBackoff = ExponentialBackoff(
        max_attempts=5, initial_delay=Duration(5), max_delay=Duration(300)
    )
    """For resources that become available in minutes: 5 attempts, 5 s doubling up to 5 minutes."""

    critical: ExponentialBackoff = ExponentialBackoff(
        max_attempts=10,
        initial_delay=Duration(1),
        max_delay=Duration(60),
        backoff_rate=1.5,
        jitter=JitterStrategy.NONE,
    )
    """For critical steps: 10 attempts, 1 s growing by half up to 60 s, no jitter."""


retry_presets = RetryPresets()
"""The presets: ``retry_presets.transient`` etc."""
