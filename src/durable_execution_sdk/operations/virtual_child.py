"""Virtual child contexts, which have ids for their operations and no operation of their own.

The options, the task, the mapping of errors and the end of a context's function are the same for contexts
that are recorded (``child``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Any, Final, TypeVar

from durable_execution_sdk.duration import DurationLike, check_time_limit
from durable_execution_sdk.errors import (
    ChildContextError,
    ConfigError,
    DeterminismError,
    InvocationError,
    OperationError,
)
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.lifecycle.argument_checks import check_serdes
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    GIVEN_UP,
    OperationSubType,
    OperationSubTypeName,
    OperationType,
)
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import task_on
from durable_execution_sdk.runtime.error_objects import capture, rebuild, shown
from durable_execution_sdk.runtime.log.ids import place_below
from durable_execution_sdk.runtime.verdicts import Abort
from durable_execution_sdk.serdes import SerDes

__all__ = [
    "COMPLETED",
    "Body",
    "ChildConfig",
    "ErrorMapper",
    "VirtualChild",
    "check_generator",
    "complete",
    "is_of_the_code",
    "mapped",
    "start_in",
]

_T = TypeVar("_T")

Body = Callable[[ContextState], Awaitable[Any]]
ErrorMapper = Callable[[Exception], Exception]


# What Python raises for mistakes with a context, or with an operation that was not awaited.
COMPLETED: Final = (TypeError, AttributeError, RuntimeError)


class ChildConfig(Options, frozen=True, kw_only=True):
    """The options of a child context.

    ``serdes`` writes the result; by default the function's return annotation decides.

    ``error_mapper`` converts an exception of the function to the one that is recorded and raised.

    ``summary_generator`` makes a text from a result above 262,144 bytes, which is not stored. The log shows
    the text to people; it is never read back.

    ``virtual``: the context has no operation of its own, only ids. Its operations belong to the context
    around it, and an exception is raised unchanged.

    ``timeout``, 1 s to 366 days, limits the time from the call to the function's end; then the function is
    cancelled, everything in the context is given up, and the handle raises ``ChildContextTimeoutError``. It costs
    one operation more, unless the function has ended within 0.2 s.
    """

    serdes: SerDes[Any] | None = None
    error_mapper: ErrorMapper | None = None
    summary_generator: Callable[[Any], str] | None = None
    virtual: bool = False
    timeout: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        check_serdes("ChildConfig.serdes", self.serdes)
        if self.timeout is not None:
            check_time_limit("ChildConfig.timeout", self.timeout)
        if self.error_mapper is not None and not callable(self.error_mapper):
            raise ConfigError(
                f"ChildConfig.error_mapper must be a function, not {self.error_mapper!r}"
            )
        check_generator("ChildConfig.summary_generator", self.summary_generator, "a function")
        if self.virtual and (self.summary_generator or self.serdes):
            raise ConfigError(
                "a virtual child context records nothing, so ChildConfig takes no serdes and no"
                " summary_generator with virtual=True"
            )


def check_generator(option: str, generator: object, kind: str) -> None:
    """Raise ``ConfigError`` for an object that is no function, and for a function that makes a generator."""
    if generator is not None and not callable(generator):
        raise ConfigError(f"{option} must be {kind}, not {generator!r}")
    makes: object = getattr(generator, "__dict__", {}).get("makes")
    if makes is not None:
        raise ConfigError(f"{option} must be what {makes} returns: call it")


class VirtualChild(Completion[_T]):
    """A child context without an operation of its own."""

    __slots__ = (
        "_body",
        "_inner",
        "_mapper",
        "_task",
        "context_state",
        "name",
        "operation_id",
        "sub_type",
    )

    kind = OperationType.CONTEXT
    operation_id: str
    name: str | None
    context_state: ContextState
    sub_type: OperationSubTypeName

    def __init__(
        self,
        scope: IdScope,
        body: Body,
        name: str | None,
        mapper: ErrorMapper | None = None,
        sub_type: OperationSubTypeName = OperationSubType.RUN_IN_CHILD_CONTEXT,
    ) -> None:
        outer = scope.context_state
        self.sub_type = sub_type
        self.operation_id = operation_id = scope.next_id()
        super().__init__(outer.run.completions, scope.place + scope.claimed)
        self.name = name
        self.context_state = outer
        self._inner = ContextState(
            outer.run,
            operation_id=operation_id,
            name=name,
            parent=outer,
            virtual=True,
        )
        watcher = outer.run.watcher
        self._body = body if watcher is None else partial(watcher.virtual_context, self, body)
        self._mapper = mapper
        if outer.is_over:
            outer.run.turn_down(self)
            return
        outer.unsettled[self.sequence] = self
        outer.operations -= 1  # it has an id, and is none itself
        self._task = start_in(self._inner, self._run(), scope, self.place)

    @property
    def label(self) -> str:
        """The name of the context, in messages."""
        return f"virtual child context {self.name!r}" if self.name else "a virtual context"

    @property
    def can_be_given_up(self) -> bool:
        """True as long as the context around it may write."""
        return not self.context_state.is_over

    @property
    def is_left_to_code(self) -> bool:
        """True: its function ends it."""
        return True

    def abandon(self, why: ErrorObject = GIVEN_UP) -> None:
        """Give up the operations in the context, which has no record of its own."""
        for operation in list(self._inner.unsettled.values()):
            if operation.can_be_given_up:
                operation.give_up()

    def drop(self, msg: object | None = None) -> bool:
        """End the context, and everything in it."""
        dropped = super().drop(msg)
        if dropped:
            self.context_state.unsettled.pop(self.sequence, None)
            self._close()
        return dropped

    async def _run(self) -> None:
        try:
            result = await self._body(self._inner)
        except OperationError as error:
            self._raised(error)
        except InvocationError as error:
            self.context_state.run.end(Abort(error, fatal=False))
        except Exception as error:
            self._raised(error)
        except asyncio.CancelledError as error:
            if self.is_cancelled or self.context_state.run.is_ending:
                raise
            # The context was not given up: its own code raised this, or cancelled its own task.
            self._raised(rebuild(ChildContextError, capture(error)))
        except (KeyboardInterrupt, GeneratorExit) as error:
            if not is_of_the_code(error, self._task):
                raise
            self._raised(rebuild(ChildContextError, capture(error)))
        except BaseException as error:
            self._raised(rebuild(ChildContextError, capture(error)))
        else:
            if not self.is_done:
                self.set_result(result)
        finally:
            self.context_state.unsettled.pop(self.sequence, None)
            self._close()
            if not self.is_cancelled:
                self._tell()

    def _close(self) -> None:
        """End the context; its operations are those of the context around it."""
        if not self._inner.is_closed:
            self.context_state.take_over(self._inner)
            self._inner.close()

    def _raised(self, error: Exception) -> None:
        if type(error) in COMPLETED:
            complete(error)
        raised = mapped(self._mapper, error, self.label)
        if issubclass(type(raised), StopIteration):  # an instance may lie about its class
            raised = RuntimeError("a coroutine cannot raise StopIteration")
        if not self.is_done:
            self.set_exception(raised)


def complete(error: Exception) -> None:
    """Add the correction to an error of Python's about a context, or about an operation that was not awaited."""
    from durable_execution_sdk.operations.lifecycle.call_errors import (  # noqa: PLC0415 - only for errors
        complete_error,
    )

    complete_error(error)


def mapped(mapper: ErrorMapper | None, error: Exception, label: str) -> Exception:
    """Return the exception that an ``error_mapper`` makes of an error."""
    if mapper is None:
        return error
    try:
        mapped: object = mapper(error)
    except KeyboardInterrupt:
        raise
    except Exception as broken:
        return broken
    except BaseException as broken:
        return rebuild(ChildContextError, capture(broken))
    if isinstance(mapped, Exception):
        return mapped
    return ConfigError(f"the error_mapper of {label} must return an exception, not {shown(mapped)}")


def is_of_the_code(error: BaseException, task: asyncio.Task[None]) -> bool:
    """Tell a GeneratorExit that a task's code has raised from the end of a coroutine that is closed."""
    return isinstance(error, GeneratorExit) and task_on(task.get_loop()) is task


def start_in(
    context_state: ContextState, body: Any, maker: IdScope, place: int
) -> asyncio.Task[None]:
    """Run a context's body as a workflow task of its own.

    ``maker`` is the scope of the caller, and ``place`` the number of the operation's place.
    """
    scope = IdScope(context_state, context_state.prefix, maker=maker, place=place_below(place))
    return context_state.run.tasks.start(body, scope, copy_context())


def no_longer_built(
    context_state: ContextState, label: str, error: BaseException
) -> DeterminismError:
    """Return the error for a context that has succeeded, and whose function raises when its result is built again."""
    return context_state.diverged(
        label,
        "it succeeded when it ran first, and its result, which was too large to store, is built again from"
        f" its recorded operations; now it raised {type(error).__name__}: {capture(error).error_message}",
        "Or it depends on something that is not recorded",
    )
