"""Model requests as steps.

Retries are in one place, the step: it waits without running, follows the provider's ``Retry-After``, and each attempt
is in the log. Retries of the HTTP client, which would multiply with those of the step and are billed while they wait,
are off while a step runs (``single_attempts``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from durable_execution_sdk.agents.backoff import ModelBackoff
from durable_execution_sdk.agents.single_attempts import single_attempts
from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.step import StepConfig
from durable_execution_sdk.retry import RetryDecision, RetryStrategy
from durable_execution_sdk.serdes import SerDes

__all__ = ["ModelOptions", "model_step_name", "request_model"]

_T = TypeVar("_T")


class ModelOptions(Options, frozen=True, kw_only=True):
    """The options of an agent's model requests, each of which is a step.

    ``retry_strategy`` decides about failed attempts. ``timeout`` is that of an attempt; without it a request is
    limited by the model's client and by the function's own time. ``needs``: an attempt does not begin with less time
    left than this, but in a fresh invocation. See ``StepConfig``.
    """

    retry_strategy: RetryStrategy = ModelBackoff()
    timeout: DurationLike | None = None
    needs: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        if self.retry_strategy is None:
            raise ConfigError(
                "ModelOptions.retry_strategy must be a strategy; NoRetry() makes one attempt"
            )
        self.step_config()

    def step_config(
        self, serdes: SerDes[Any] | None = None, final: tuple[type[Exception], ...] = ()
    ) -> StepConfig:
        """Return the configuration of a request's step; errors of the classes ``final`` are not retried."""
        strategy = self.retry_strategy

        def decide(error: Exception, attempt: int, /) -> RetryDecision:
            return RetryDecision.stop() if isinstance(error, final) else strategy(error, attempt)

        return StepConfig(
            retry_strategy=decide if final else strategy,
            timeout=self.timeout,
            needs=self.needs,
            serdes=serdes,
        )


_DEFAULT = ModelOptions()


def model_step_name(agent: str | None, work: str = "model") -> str:
    """Return the name of an agent's model requests: ``"support: model"``, or ``"model"`` without a name.

    The model is not in it, so that another model can be taken while executions are open.
    """
    return f"{agent}: {work}" if agent else work


async def request_model(
    agent: str | None,
    call: Callable[[], Awaitable[_T]],
    *,
    serdes: SerDes[_T] | None = None,
    options: ModelOptions = _DEFAULT,
    final: tuple[type[Exception], ...] = (),
    clients: Iterable[object] = (),
    work: str = "model",
) -> _T:
    """Run a request to a model as a step of the current context, and return its recorded answer.

    ``serdes`` writes the answer; without it the answer is plain JSON data. ``final`` are the errors that the
    framework handles itself, which are not retried. ``clients`` are the model, or its clients, whose own retries are
    turned off meanwhile. ``work`` names the step, with the agent. Costs one operation.

    Raises:
        StepError: no more attempts; also an instance of the exception that the request raised.
    """

    async def body() -> Any:
        with single_attempts(clients):
            return await call()

    config = options.step_config(serdes, final)
    name = model_step_name(agent, work)
    return await DurableContext.current().step(body, name=name, config=config)
