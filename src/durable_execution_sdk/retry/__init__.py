"""Strategies for retries of failed steps, and for polling (``wait_for_condition``)."""

from typing import TYPE_CHECKING

from durable_execution_sdk.first_use import on_first_use

if TYPE_CHECKING:
    from durable_execution_sdk.retry.backoff import JitterStrategy
    from durable_execution_sdk.retry.filters import RetryableErrorFilter
    from durable_execution_sdk.retry.polling import (
        PollingStrategy,
        WaitDecision,
        WaitOutcome,
        WaitStrategy,
        poll_until,
        poll_while,
    )
    from durable_execution_sdk.retry.presets import RetryPresets, retry_presets
    from durable_execution_sdk.retry.strategies import (
        CustomRetry,
        ExponentialBackoff,
        FixedDelay,
        LinearBackoff,
        NoRetry,
        RetryDecision,
        RetryStrategy,
        custom_retry,
    )
else:
    __getattr__ = on_first_use(
        __name__,
        {
            "CustomRetry": "strategies",
            "ExponentialBackoff": "strategies",
            "FixedDelay": "strategies",
            "JitterStrategy": "backoff",
            "LinearBackoff": "strategies",
            "NoRetry": "strategies",
            "RetryableErrorFilter": "filters",
            "RetryDecision": "strategies",
            "RetryStrategy": "strategies",
            "custom_retry": "strategies",
            "PollingStrategy": "polling",
            "RetryPresets": "presets",
            "WaitDecision": "polling",
            "WaitOutcome": "polling",
            "WaitStrategy": "polling",
            "retry_presets": "presets",
            "poll_until": "polling",
            "poll_while": "polling",
        },
    )

__all__ = [
    "CustomRetry",
    "ExponentialBackoff",
    "FixedDelay",
    "JitterStrategy",
    "LinearBackoff",
    "NoRetry",
    "PollingStrategy",
    "RetryDecision",
    "RetryPresets",
    "RetryStrategy",
    "RetryableErrorFilter",
    "WaitDecision",
    "WaitOutcome",
    "WaitStrategy",
    "custom_retry",
    "poll_until",
    "poll_while",
    "retry_presets",
]
