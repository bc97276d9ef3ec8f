"""``wait_for_callback``: one CONTEXT that holds a callback and the step that passes its id on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from msgspec.structs import asdict, replace

from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import (
    CallbackError,
    CallbackSubmitterError,
    ConfigError,
    StepError,
)
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.callback import CallbackConfig, create_callback
from durable_execution_sdk.operations.child import Child, ChildConfig
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_config,
    check_result_type,
    check_serdes,
    check_strategy,
    check_timeouts,
)
from durable_execution_sdk.operations.step import StepConfig, bound_config, step
from durable_execution_sdk.protocol.limits import MAX_NAME_CHARACTERS
from durable_execution_sdk.protocol.operations import OperationSubType
from durable_execution_sdk.retry import RetryStrategy
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope, current_scope
from durable_execution_sdk.runtime.error_objects import capture, rebuild
from durable_execution_sdk.serdes import PassThroughSerDes, SerDes, SerDesContext, serdes_for_type

__all__ = ["WaitForCallbackConfig", "wait_for_callback"]

_T = TypeVar("_T")

_AS_IT_CAME = PassThroughSerDes()


class WaitForCallbackConfig(Options, Generic[_T], frozen=True, kw_only=True):
    """The options of ``wait_for_callback``.

    ``timeout``, ``heartbeat_timeout``, ``result_type`` and ``serdes`` are those of ``CallbackConfig``; a
    ``serdes`` is only used to read. ``retry_strategy`` is for the submitter, which runs as a step; ``None`` is
    the handler's default, of 6 attempts in all, and ``NoRetry()`` makes one. ``submitter_timeout`` is the timeout of
    each of its attempts, as in ``StepConfig``; ``timeout`` is that of the answer. Where these two are ``None``, the
    options that ``durable_step`` has bound to the submitter hold, and its other ones (``semantics``, ``needs`` ...) always.
    """

    timeout: DurationLike | None = None
    heartbeat_timeout: DurationLike | None = None
    result_type: type[_T] | None = None
    serdes: SerDes[_T] | None = None
    retry_strategy: RetryStrategy | None = None
    submitter_timeout: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the timeouts, the serdes and the strategy. Raises ``ConfigError``."""
        check_timeouts("WaitForCallbackConfig", self.timeout, self.heartbeat_timeout)
        check_serdes("WaitForCallbackConfig.serdes", self.serdes)
        check_result_type("WaitForCallbackConfig", self.result_type, self.serdes)
        check_strategy("WaitForCallbackConfig.retry_strategy", self.retry_strategy)
        if self.submitter_timeout is not None:
            from durable_execution_sdk.operations.lifecycle.limits import seconds_of  # noqa: PLC0415 - for few callbacks

            seconds_of("WaitForCallbackConfig.submitter_timeout", self.submitter_timeout)


class _SubmitterConfig(StepConfig, frozen=True, kw_only=True):
    """The options of the step that runs a submitter, which code has given by others."""

    timeout_option: ClassVar[str] = "WaitForCallbackConfig.submitter_timeout"


def wait_for_callback(
    scope: IdScope,
    submitter: Callable[..., object],
    args: tuple[object, ...],
    name: str | None,
    config: WaitForCallbackConfig[object] | None,
) -> Handle[object]:
    """Create a callback, call the submitter with its id in a step, and wait for the answer."""
    check_config("ctx.wait_for_callback", config, WaitForCallbackConfig)
    chosen: WaitForCallbackConfig[Any] = config or WaitForCallbackConfig()
    expected: CallbackConfig[Any] = CallbackConfig(
        timeout=chosen.timeout,
        heartbeat_timeout=chosen.heartbeat_timeout,
        result_type=chosen.result_type,
        serdes=None if chosen.serdes is None else _AS_IT_CAME,
    )

    # The names that AWS's own Python SDK gives to the two, so that an execution begun under it can go on here.
    prefix = f"{name} " if name else ""

    async def body(context_state: ContextState) -> Any:
        callback = await create_callback(
            current_scope(context_state), _fitting(f"{prefix}create callback id"), expected
        )
        try:
            await step(
                current_scope(context_state),
                submitter,
                (callback.callback_id, *args),
                _fitting(f"{prefix}submitter"),
                _submitters(submitter, chosen),
            )
        except StepError as error:
            raise rebuild(
                CallbackSubmitterError,
                capture(error),
                operation_id=error.operation_id,
                operation_name=name,
            ) from error
        return await callback

    context: Child[Any] = Child(
        scope,
        body,
        name,
        ChildConfig(),
        _serdes_of(scope, chosen, name),
        OperationSubType.WAIT_FOR_CALLBACK,
        CallbackError,
    )
    return context.handle


def _submitters(submitter: Callable[..., object], config: WaitForCallbackConfig[Any]) -> StepConfig:
    """Return the options of the submitter's step: those that ``durable_step`` bound to it, and those of the call."""
    bound = bound_config(submitter) or StepConfig()
    strategy = config.retry_strategy or bound.retry_strategy
    if config.submitter_timeout is None and bound.is_limited:
        return replace(bound, retry_strategy=strategy)
    options: dict[str, Any] = asdict(bound)
    options |= {"retry_strategy": strategy, "timeout": config.submitter_timeout}
    return _SubmitterConfig(**options)


class _Answer:
    """A serdes that keeps the answer as text, so that the user's serdes reads exactly the sender's text.

    The user's may support only reading, or not read its own output. In the context's result the text is a
    JSON string, and ``null`` if there was none, as in AWS's own SDKs.
    """

    def __init__(self, serdes: SerDes[Any]) -> None:
        self._serdes = serdes
        self._text = serdes_for_type(str | None)

    def serialize(self, value: str | None, context: SerDesContext, /) -> str:
        """Write the text as JSON."""
        return self._text.serialize(value, context)

    def deserialize(self, payload: str, context: SerDesContext, /) -> object:
        """Read the text with the user's serdes."""
        text = self._text.deserialize(payload, context)
        return None if text is None else self._serdes.deserialize(text, context)


def _serdes_of(scope: IdScope, config: WaitForCallbackConfig[Any], name: str | None) -> SerDes[Any]:
    if config.serdes is not None:
        return _Answer(config.serdes)
    try:
        return scope.context_state.run.settings.serdes_for_type(config.result_type)
    except ConfigError as error:
        raise ConfigError(f"wait_for_callback {name!r}: {error}") from error


def _fitting(name: str) -> str:
    """Cut a name to its last 256 characters, the most that the service accepts."""
    return name[-MAX_NAME_CHARACTERS:]
