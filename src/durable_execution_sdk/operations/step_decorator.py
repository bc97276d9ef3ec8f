"""``durable_step``: the configuration of a step, bound to its function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.first_use import explained
from durable_execution_sdk.operations.step import BOUND_CONFIG, StepConfig, StepSemantics
from durable_execution_sdk.retry import RetryStrategy
from durable_execution_sdk.serdes import SerDes

__all__ = ["durable_step"]

_F = TypeVar("_F", bound=Callable[..., Any])


@explained
def durable_step(
    *,
    retry_strategy: RetryStrategy | None = None,
    semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE_PER_RETRY,
    serdes: SerDes[Any] | None = None,
    acknowledge_start: bool = False,
    timeout: DurationLike | None = None,
    needs: DurationLike | None = None,
) -> Callable[[_F], _F]:
    """Bind a step's configuration to a function where it is defined.

    The function itself is unchanged. ``ctx.step(function, ...)`` uses the configuration unless the call has
    a ``config`` of its own. So do the steps and compensations of a saga, and a submitter of ``ctx.wait_for_callback``,
    for which ``WaitForCallbackConfig`` may give another strategy and timeout. The options are those of ``StepConfig``: ``retry_strategy=None`` is the default
    strategy, and ``NoRetry()`` none.
    """
    config = StepConfig(
        retry_strategy=retry_strategy,
        semantics=semantics,
        serdes=serdes,
        acknowledge_start=acknowledge_start,
        timeout=timeout,
        needs=needs,
    )

    def bind(function: _F) -> _F:
        setattr(function, BOUND_CONFIG, config)
        return function

    return bind
