"""The options of a local test runner, checked and completed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import msgspec

from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.emulator.clock import VIRTUAL_START
from durable_execution_sdk.emulator.durations import length, seconds_allowed
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.protocol.limits import (
    LONGEST_TIMER_SECONDS,
    MAX_EXECUTION_NAME_CHARACTERS,
)
from durable_execution_sdk.testing.local.functions import Registered

__all__ = ["RunnerOptions", "paged"]

_V = TypeVar("_V")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START_TIME = datetime.fromtimestamp(VIRTUAL_START / 1000, UTC)


class RunnerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a ``LocalDurableTestRunner``, which documents them."""

    handler: AnyHandler
    functions: Mapping[str, Registered]
    function_name: str
    skip_time: bool
    start_time: datetime
    checkpoint_latency: timedelta
    page_size: int | None
    limits: Limits
    execution_timeout: timedelta
    invocation_timeout: timedelta
    environment: Mapping[str, str]
    log_level: int
    timeout: float
    wrappers: Wrappers
    # By the function that makes a resource, the one that makes it in this test; shared by fresh runners.
    overrides: dict[Callable[..., object], Callable[..., Any]]

    @property
    def started_at(self) -> int:
        """The start of the clock, in milliseconds since the epoch."""
        return (self.start_time - _EPOCH) // timedelta(milliseconds=1)


def checked_options(
    handler: AnyHandler,
    *,
    functions: Mapping[str, Registered] | None,
    function_name: str | None,
    skip_time: bool,
    start_time: datetime | None,
    checkpoint_latency: DurationLike | None,
    page_size: int | None,
    limits: Limits | None,
    execution_timeout: DurationLike | None,
    invocation_timeout: DurationLike | None,
    environment: Mapping[str, str] | None,
    log_level: int,
    timeout: float,
    wrappers: Wrappers,
) -> RunnerOptions:
    """Check the options, and fill in defaults. Raises ``ConfigError``."""
    if not isinstance(cast("object", handler), DurableHandler):
        raise ConfigError(
            "LocalDurableTestRunner runs the handler that @durable_execution makes of a workflow,"
            f" not {handler!r}"
        )
    if not skip_time and (start_time is not None or checkpoint_latency is not None):
        raise ConfigError(
            "skip_time=False runs on the computer's clock: start_time and checkpoint_latency are for"
            " the virtual one, so leave them out"
        )
    _expect("skip_time", skip_time, bool, "True or False")
    _expect("start_time", start_time, datetime, "a datetime with a time zone")
    _expect("limits", limits, Limits, "a Limits, or nothing for the service's own")
    _expect("log_level", log_level, int, "a number of the logging module, such as logging.DEBUG")
    _expect("wrappers", wrappers, Wrappers, "a Wrappers, or nothing")
    if start_time is not None and start_time.tzinfo is None:
        raise ConfigError(f"start_time needs a time zone: {start_time!r}; add tzinfo=UTC")
    return RunnerOptions(
        handler=handler,
        functions=_by_name("functions", functions, "a mapping of names to functions"),
        function_name=function_name or _name_of(handler),
        skip_time=skip_time,
        start_time=start_time or START_TIME,
        checkpoint_latency=length("checkpoint_latency", checkpoint_latency, timedelta(0)),
        page_size=page_size,
        limits=paged(limits or DEFAULT_LIMITS, page_size),
        execution_timeout=length(
            "execution_timeout", execution_timeout, timedelta(seconds=LONGEST_TIMER_SECONDS)
        ),
        invocation_timeout=length("invocation_timeout", invocation_timeout, timedelta(minutes=15)),
        environment=_environment(environment),
        log_level=log_level,
        timeout=seconds_allowed(timeout),
        wrappers=wrappers,
        overrides={},
    )


def _expect(option: str, value: object, kind: type, words: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"{option} is {words}, not {value!r}")


def _by_name(option: str, mapping: Mapping[str, _V] | None, words: str) -> dict[str, _V]:
    _expect(option, mapping, Mapping, words)
    by_name = dict(mapping or {})
    for name in by_name:
        _expect(option, name, str, f"{words}; a name is text")
    return by_name


def _environment(environment: Mapping[str, str] | None) -> dict[str, str]:
    variables = _by_name("environment", environment, "a mapping of names to texts")
    for name, value in variables.items():
        if not isinstance(value, str):
            raise ConfigError(f"environment={{{name!r}: ...}} is a text, not {value!r}")
    return variables


def paged(limits: Limits, page_size: int | None) -> Limits:
    """Return the limits with pages of this size."""
    if page_size is None:
        return limits
    if not isinstance(cast("object", page_size), int) or page_size < 1:
        raise ConfigError(f"page_size is 1 or more operations, not {page_size!r}")
    return msgspec.structs.replace(
        limits, page_items=page_size, max_page_items=page_size, first_page_items=page_size
    )


def _name_of(handler: AnyHandler) -> str:
    """Make a valid function name from the workflow's name."""
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", handler.__name__)[:MAX_EXECUTION_NAME_CHARACTERS]
    return name or "workflow"


LOG_LEVEL = logging.INFO
