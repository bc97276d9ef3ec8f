"""Wrap handler calls with the test's environment variables, its time limit and its verdicts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

import msgspec

from durable_execution_sdk.emulator.functions.invokers import Answer, Call, Handler, Invoker
from durable_execution_sdk.operations.resources import Overrides, overridden
from durable_execution_sdk.testing.local.jitter import seeded_jitter
from durable_execution_sdk.testing.worker import Watch

__all__ = ["Calls"]

_NO_VERDICTS = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)


class Calls:
    """The handler calls of one runner.

    ``watch`` is the time limit of the current call of the runner. ``verdict`` is an exception that ends
    the test when a step raises it: a workflow must not retry ``pytest.fail`` and the like.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        overrides: Overrides,
    ) -> None:
        self.watch: Watch | None = None
        self.verdict: BaseException | None = None
        self._environment = environment
        self._overrides = overrides
        self._remaining: Callable[[], int] | None = None

    def function_left(self) -> float | None:
        """Return the seconds that the function called last has left, however long the test may take."""
        return None if self._remaining is None else self._remaining() / 1000

    def bounded(self, invoker: Invoker) -> Invoker:
        """Wrap invocations with the time limit, the environment, its resources and repeatable retry delays."""

        def call(call: Call) -> Answer:
            self._remaining = call.remaining
            with (
                _environment_set(self._environment),
                seeded_jitter(),
                overridden(self._overrides),
            ):
                return invoker(call if self.watch is None else _with_deadline(call, self.watch))

        return call

    def with_captured_logs(self, handler: Handler) -> Handler:
        """Wrap a handler to keep a verdict that it raises; the engine would only invoke it again."""

        def call(event: object, context: object) -> object:
            try:
                return handler(event, context)
            except BaseException as error:
                if not (isinstance(error, _NO_VERDICTS) or _is_ours(error)):
                    self.verdict = error
                raise

        return call

    def raise_verdict(self) -> None:
        """Raise the verdict, if there is one."""
        verdict, self.verdict = self.verdict, None
        if verdict is not None:
            raise verdict


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.startswith("durable_execution_sdk.")


def _with_deadline(call: Call, watch: Watch) -> Call:
    remaining = call.remaining

    def within() -> int:
        # A handler suspends somewhat before its deadline. The margin lets it use all of the test's
        # time, and lets a quick one finish.
        left = watch.left + min(2.0, max(0.3, watch.left / 9)) + 0.2
        return round(min(remaining(), left * 1000))

    return msgspec.structs.replace(call, remaining=within)


@contextmanager
def _environment_set(variables: Mapping[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
