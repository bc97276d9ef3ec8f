"""Callbacks: an external system gets an id and answers to it, minutes or months later."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, cast

from msgspec.structs import replace

from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import (
    CallbackError,
    CallbackExternalError,
    CallbackTimeoutError,
    InternalError,
    OperationError,
    SerDesError,
)
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_config,
    check_result_type,
    check_serdes,
    check_timeouts,
    timeout_seconds,
)
from durable_execution_sdk.ports import EXPECTED_ANSWERS
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import CallbackOptions, OperationAction
from durable_execution_sdk.runtime.completions.completion import Completion, operation_of
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.serdes import CallbackSerDes, SerDes, SerDesContext

__all__ = ["Callback", "CallbackConfig", "create_callback"]

_T = TypeVar("_T")


class CallbackConfig(Options, Generic[_T], frozen=True, kw_only=True):
    """The options of a callback: its time limits, and the type of its result.

    ``timeout`` and ``heartbeat_timeout`` are 0 or ``None`` for no limit, and at most 99,999,999 s. The
    heartbeat timeout must be the shorter one.

    ``result_type`` is the type to which the answer is decoded; without one, it is plain JSON data. An answer
    that is not JSON is the result as text, if the type allows text. ``serdes`` reads the answer instead.
    """

    timeout: DurationLike | None = None
    heartbeat_timeout: DurationLike | None = None
    result_type: type[_T] | None = None
    serdes: SerDes[_T] | None = None

    def __post_init__(self) -> None:
        """Check the timeouts and the serdes. Raises ``ConfigError``."""
        check_timeouts("CallbackConfig", self.timeout, self.heartbeat_timeout)
        check_serdes("CallbackConfig.serdes", self.serdes)
        check_result_type("CallbackConfig", self.result_type, self.serdes)


class Callback(Handle[_T]):
    """A callback that exists: pass ``callback_id`` on, then await the callback for its result."""

    __slots__ = ()

    @property
    def callback_id(self) -> str:
        """The id that the external system answers to; the same on every replay."""
        operation = operation_of(self)
        assert isinstance(operation, CallbackOperation)
        return operation.callback_id


class Creation(Handle[Callback[_T]], Generic[_T]):
    """The moment from which a callback has its id: await it for the callback."""

    __slots__ = ()

    if not TYPE_CHECKING:  # type checkers are to find such mistakes themselves

        def __getattr__(self, name: str) -> NoReturn:
            """Tell that the callback has what its creation lacks."""
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name == "callback_id":
                message += (
                    ": ctx.create_callback(...) is to be awaited twice, once for the callback and once"
                    " for its result. Say callback = await ctx.create_callback(...) first, then"
                    " callback.callback_id"
                )
            raise AttributeError(message, name=name, obj=self)


class CallbackOperation(DurableOperation[_T]):
    """A callback, and the wait for its answer."""

    __slots__ = ("_is_typed", "_serdes", "creation")

    kind = OperationType.CALLBACK
    error_class: ClassVar[type[OperationError]] = CallbackError
    is_from_outside: ClassVar[bool] = True
    handle_class = Callback

    def __init__(self, scope: IdScope, name: str | None, config: CallbackConfig[_T]) -> None:
        super().__init__(scope, name, OperationSubType.CALLBACK)
        self.run.journal.claimed_callback(self.operation_id)
        self.creation: CreationOfCallback[_T] = CreationOfCallback(self)
        result_type: Any = Any if config.result_type is None else config.result_type
        self._serdes: SerDes[Any] = config.serdes or self.named(lambda: CallbackSerDes(result_type))
        self._is_typed = config.serdes is None and config.result_type is not None
        record = self.record
        if self.is_void:
            if record is not None:
                self._exists(record)
            elif self.is_cancelled:
                self.run.turn_down(self.creation)
            return
        if record is None:
            options = CallbackOptions(
                timeout_seconds=timeout_seconds("timeout", config.timeout),
                heartbeat_timeout_seconds=timeout_seconds(
                    "heartbeat_timeout", config.heartbeat_timeout
                ),
            )
            self.submit(replace(self.update(OperationAction.START), callback_options=options))
        else:
            self.observe(record)

    @property
    def awaited_type(self) -> str | None:
        """The name of the type to which the answer is decoded, if the config has one, for tools."""
        if not self._is_typed:
            return None
        return repr(self._serdes).partition("(")[2].removesuffix(")")

    @property
    def awaited_kind(self) -> object:
        """The type itself; ``None`` too if middleware may read an answer that this type does not."""
        middleware = self.run.settings.middleware
        serdes = self._serdes
        if not self._is_typed or not isinstance(serdes, CallbackSerDes):
            return None
        if middleware and middleware.serdes(serdes, self.kind, self.sub_type) is not serdes:
            return None
        return serdes.type_

    @property
    def callback_id(self) -> str:
        """The id to which the external system answers; it is the same on every replay."""
        details = self.record.callback_details if self.record else None
        if details is None or details.callback_id is None:
            raise InternalError(f"{self.label} has no id yet")
        return details.callback_id

    def observe(self, record: Operation) -> None:
        """Take in a change of the record: first of all, the callback exists and has its id."""
        self._exists(record)
        super().observe(record)

    def _exists(self, record: Operation) -> None:
        if not self.creation.is_due:
            self.creation.become_due(record.start_timestamp or self.run.completions.now)

    def advance(self, record: Operation) -> None:
        """Mark the callback as pending until it is answered or times out."""
        if record.callback_details is None or not record.callback_details.callback_id:
            self.run.fail(
                InternalError(f"the service recorded {self.label} without giving it an id")
            )
        elif self._is_typed:
            callback_id = record.callback_details.callback_id
            EXPECTED_ANSWERS.expect(
                callback_id, partial(_check, self._serdes, self._serdes_context())
            )
        else:  # An execution of an earlier test may have had the id.
            EXPECTED_ANSWERS.forget(record.callback_details.callback_id)
        self.pend()

    def value(self, record: Operation) -> _T:
        """Return the answer of the external system."""
        details = record.callback_details
        value: _T = self.decode_foreign(self._serdes, details.result if details else None)
        return value

    def failure(self, record: Operation) -> BaseException:
        """Return the sender's failure, or a timeout."""
        if record.status == OperationStatus.TIMED_OUT:
            return self.rebuilt(self.recorded_error(record), CallbackTimeoutError, foreign=True)
        error = self.recorded_error(record) or ErrorObject()
        if not error.error_message:
            error = replace(
                error, error_message=f"{self.label} failed, and its sender did not say why"
            )
        return self.rebuilt(error, CallbackExternalError, foreign=True)

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return the error object of a failure."""
        return record.callback_details.error if record.callback_details else None


def _check(serdes: SerDes[object], context: SerDesContext, answer: bytes | None) -> None:
    """Raise ``SerDesError`` for an answer that the waiting code could not read."""
    if answer is not None:
        serdes.deserialize(answer.decode(errors="replace"), context)
    elif not getattr(serdes, "takes_none", True):
        raise SerDesError(f"{context.what}: {serdes!r} does not read an answer without a result")


class CreationOfCallback(Completion[Callback[_T]], Generic[_T]):
    """The completion that is due once the log holds the callback's id."""

    __slots__ = ("_callback", "context_state", "name", "operation_id")

    handle_class = Creation

    def __init__(self, callback: CallbackOperation[_T]) -> None:
        super().__init__(callback.run.completions, callback.place)
        self.is_end = False  # it completes before the operation with this id ends
        self.name = callback.name
        self.operation_id = callback.operation_id
        self.context_state = callback.context_state
        self._callback = cast("Callback[_T]", callback.handle)

    @property
    def label(self) -> str:
        """Its name, in messages."""
        return f"the creation of {operation_of(self._callback).label}"

    def outcome(self) -> Callback[_T]:
        """Return the callback."""
        return self._callback


def create_callback(
    scope: IdScope, name: str | None, config: CallbackConfig[object] | None
) -> Creation[object]:
    """Create a callback. The creation has to be awaited for it."""
    check_config("ctx.create_callback", config, CallbackConfig)
    creation = CallbackOperation(scope, name, config or CallbackConfig()).creation
    return cast("Creation[Any]", creation.handle)
