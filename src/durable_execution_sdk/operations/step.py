"""Steps: functions whose result is recorded, so that replay returns the result without running them.

At least once per retry (the default): the body runs at once. At most once: it waits for START, and is not run again.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from types import FunctionType
from typing import Any, Final, TypeVar

from msgspec import Struct

from durable_execution_sdk import operations, retry
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import ConfigError, StepInterruptedError
from durable_execution_sdk.first_use import OptionEnum, Options
from durable_execution_sdk.operations.lifecycle import SUCCEEDED
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    arity_of,
    check_config,
    check_serdes,
    check_strategy,
    counted,
    misfit,
    named_after,
)
from durable_execution_sdk.operations.lifecycle.attempts import AttemptOperation
from durable_execution_sdk.protocol.operations import Operation, OperationSubType
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate, text_bytes
from durable_execution_sdk.runtime.bodies import with_resources
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.event_loop.threads import is_coroutine_function
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.settings import MOST_CACHED_FUNCTIONS
from durable_execution_sdk.serdes import SerDes

__all__ = ["BOUND_CONFIG", "Step", "StepConfig", "StepSemantics", "bound_config", "step"]

_T = TypeVar("_T")

# Looked up once: the interpreter does not specialise attributes of classes.
_STEP = OperationSubType.STEP
_SUCCEED: Final = OperationAction.SUCCEED

# The attribute of a function to which ``durable_step`` binds a configuration.
BOUND_CONFIG = "__durable_step_config__"


class StepSemantics(StrEnum, metaclass=OptionEnum):
    """The number of times that a body may run in one attempt when the invocation is cut off."""

    AT_LEAST_ONCE_PER_RETRY = "AT_LEAST_ONCE_PER_RETRY"
    AT_MOST_ONCE_PER_RETRY = "AT_MOST_ONCE_PER_RETRY"


class StepConfig(Options, frozen=True, kw_only=True):
    """The options of a step.

    ``retry_strategy`` decides about failed attempts. ``None`` is the handler's default: 6 attempts in all.
    ``NoRetry()`` makes one attempt.

    ``semantics``: a body runs at least once per retry, or at most once. In the latter case, an attempt that
    was cut off fails with ``StepInterruptedError``, and the retry strategy decides about another one. So a body
    that is to run at most once in all needs ``AT_MOST_ONCE_PER_RETRY`` and ``NoRetry()``.

    A body that still runs when the function's time is nearly up is cancelled, and its attempt fails likewise. If the
    strategy then allows no other one, an at-least-once body runs once more, with the whole time of the next invocation.

    ``timeout``: an attempt that takes longer fails with ``StepTimeoutError``. ``needs``: a body does not start with
    less time left than this, but in a fresh invocation, a second later. See ``docs/time-limits.md``.

    ``serdes`` writes the result; by default the function's return annotation decides.

    ``acknowledge_start``: the body does not run before its START is acknowledged, at the cost of a call for each
    attempt, so that the history shows the step that killed the process. At-most-once steps and ``EAGER`` do so always.
    """

    retry_strategy: retry.RetryStrategy | None = None
    semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE_PER_RETRY
    serdes: SerDes[Any] | None = None
    acknowledge_start: bool = False
    timeout: DurationLike | None = None
    needs: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        check_strategy("StepConfig.retry_strategy", self.retry_strategy)
        if not isinstance(self.semantics, StepSemantics):
            raise ConfigError(
                "StepConfig.semantics must be StepSemantics.AT_LEAST_ONCE_PER_RETRY or"
                f" StepSemantics.AT_MOST_ONCE_PER_RETRY, not {self.semantics!r}"
            )
        check_serdes("StepConfig.serdes", self.serdes)
        if not isinstance(self.acknowledge_start, bool):
            raise ConfigError(
                "StepConfig.acknowledge_start must be True (the body waits until its START is"
                f" recorded) or False, not {self.acknowledge_start!r}"
            )
        if self.is_limited:
            from durable_execution_sdk.operations.lifecycle.limits import check_limits  # noqa: PLC0415 - for few steps

            check_limits(self.timeout, self.needs)

    @property
    def is_limited(self) -> bool:
        """True if the step has a ``timeout`` or a ``needs``."""
        return not (self.timeout is None and self.needs is None)


_AT_MOST_ONCE = StepSemantics.AT_MOST_ONCE_PER_RETRY
_DEFAULT = StepConfig()
_MISPLACED = frozenset({Handle, StepConfig})  # of what is no argument of a step's function
# By this name it is quicker than through ``super()``.
_claim: Callable[..., None] = AttemptOperation.__init__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def bound_config(function: Callable[..., Any]) -> StepConfig | None:
    """Return the configuration that ``durable_step`` bound to this function; ``None`` if there is none."""
    inner: Any = function
    config = getattr(inner, BOUND_CONFIG, None)
    while config is None and isinstance(inner, partial):
        inner = inner.func
        config = getattr(inner, BOUND_CONFIG, None)
    return config if isinstance(config, StepConfig) else None


class Defaults(Struct, frozen=True):
    """The part of a step that its function decides: the callable with its resources, name, serdes, arity ..."""

    function: Callable[..., Any]
    name: str | None
    config: StepConfig
    # That of the configuration, if it has one; then the return annotation is not looked at.
    serdes: SerDes[Any]
    is_coroutine: bool
    least: int  # the fewest positional arguments that it takes
    most: int


def defaults_for(function: Callable[..., Any], config: StepConfig, run: InvocationRun) -> Defaults:
    """Compute what a function gives to its steps with this configuration."""
    serdes = config.serdes or run.settings.serdes_for(function)
    called = with_resources(function) or function
    is_coroutine, arity = is_coroutine_function(called), arity_of(function)
    return Defaults(called, named_after(function), config, serdes, is_coroutine, *arity)


def _defaults_of(function: Callable[..., Any], run: InvocationRun) -> Defaults:
    """Compute a function's defaults, and cache them for the invocation if it is a plain one without time limits."""
    config = bound_config(function) or _DEFAULT
    defaults = defaults_for(function, config, run)
    if type(function) is FunctionType and not config.is_limited:
        cache: dict[Any, Defaults] = run.said_by_functions
        if len(cache) >= MOST_CACHED_FUNCTIONS:
            cache.clear()
        cache[function] = defaults
    return defaults


class Step(AttemptOperation[_T]):
    """The operation of a step."""

    __slots__ = ("_args", "_config", "_defaults", "_serdes")

    def __init__(
        self,
        scope: IdScope,
        defaults: Defaults,
        args: tuple[Any, ...],
        name: str | None,
        config: StepConfig,
        serdes: SerDes[Any],
    ) -> None:
        _claim(self, scope, name, _STEP)
        self._defaults = defaults
        self._args = args
        self._serdes = serdes
        if self.run.is_optimistic and config.semantics is not _AT_MOST_ONCE:
            self.tells_time = False
        if not self.was_over:  # otherwise no attempt will ask for these
            self._config = config
            self.at_most_once = config.semantics is _AT_MOST_ONCE
            self.waits_for_start = self.at_most_once or config.acknowledge_start
        self.begin()

    @property
    def given(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function of the step, and its arguments without resources."""
        function = self._defaults.function
        return getattr(function, "needs_resources", function), self._args

    async def attempt(self) -> None:
        """Run the function once and record its result or its error."""
        if not _MISPLACED.isdisjoint(map(type, self._args)):
            operations.call_errors.refuse_arguments(self.run, self.label, self._args)
        if self._defaults.is_coroutine and self.run.settings.middleware is None:
            result = await self._defaults.function(*self._args)
        else:
            result = await self.call(self._defaults.function, self._args)
        payload = self.encode(self._serdes, result, "result")
        self._is_running = False
        update = self.update(_SUCCEED, payload)
        self.submit(update)
        if not self.tells_time:
            self.run.completions.early = partial(self._hand_on_early, update)

    def attempt_failed(self, error: BaseException) -> None:
        """Ask the retry strategy about a failed attempt."""
        self.out_of_time(error, may_fail=True)

    def interrupted(self) -> None:
        """Treat the cut-off attempt as failed: its effect may or may not have happened."""
        error = StepInterruptedError(
            f"{self.label} was cut off in attempt {self.attempt_number}, after it had started; it may have had its effect,"
            " so an at-most-once step does not run again in this attempt"
        )
        self.in_context_of_body(self.attempt_failed, error)

    def out_of_time(self, error: BaseException, *, may_fail: bool) -> bool:
        """Ask the retry strategy about an attempt, which failed or which the function's time has cut off."""
        strategy = self.run.settings.retry_by(self._config.retry_strategy)
        return operations.failed_attempts.retry_or_fail(self, strategy, error, may_fail=may_fail)

    def interrupt(self) -> bool:
        """Record that the function's time has cut off the attempt, and cancel the body."""
        return operations.failed_attempts.interrupt(self)

    def outcome(self) -> _T:
        """Return the recorded result, or raise the recorded failure; count it for ``ctx.budget``."""
        record: Any = self.record
        details = record.step_details
        text: str | None = details and details.result
        if text is None or details.attempt != 1:
            self.count(record)
        else:  # as ``count`` does, without its call
            self.context_state.stored_bytes += len(text) if text.isascii() else text_bytes(text)
        if record.status != SUCCEEDED:
            raise self.failure(record)
        value: _T = self.decode(self._serdes, text)
        return value

    def failure(self, record: Operation) -> BaseException:
        """Return the recorded failure, with the number of attempts."""
        return self.rebuilt(self.recorded_error(record), attempts=self.details.attempt)

    def _hand_on_early(self, update: OperationUpdate) -> bool:
        """Deliver the result before ``update`` is acknowledged, and return ``True``, if the workflow is sequential."""
        run = self.run
        if self.is_done or not run.is_sequential:
            return False
        self.record = run.journal.acknowledged(update, run.completions.now)
        run.completions.deliver_early(self)
        return True


_new: Callable[[type[Step[Any]]], Step[Any]] = object.__new__
_init: Callable[..., None] = Step.__init__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def step(
    scope: IdScope,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    name: str | None,
    config: StepConfig | None,
) -> Handle[Any]:
    """Run a function as a step."""
    run = scope.context_state.run
    is_plain = type(function) is FunctionType
    defaults: Defaults | None = run.said_by_functions.get(function) if is_plain else None
    if config is not None:
        if config.__class__ is not StepConfig:
            check_config("a step", config, StepConfig)
        if config.timeout is not None or config.needs is not None:
            return operations.limited_step.limited_step(scope, function, args, name, config)
        if defaults is None and config.serdes is not None:
            defaults = defaults_for(function, config, run)
    if defaults is None:
        defaults = _defaults_of(function, run)
        if config is None and defaults.config.is_limited:
            return step(scope, function, args, name, defaults.config)
    if not defaults.least <= len(args) <= defaults.most:
        raise misfit("ctx.step", function, counted(args))
    serdes = defaults.serdes
    if config is None:
        config = defaults.config
    elif config.serdes is not None:
        serdes = config.serdes
    elif defaults.config.serdes is not None:  # that of the call replaces it
        serdes = run.settings.serdes_for(function)
    # A call of the class would go through the interpreter's machinery for any class, which takes twice as long.
    made: Step[Any] = _new(Step)
    _init(made, scope, defaults, args, name or defaults.name, config, serdes)
    return made.handle
