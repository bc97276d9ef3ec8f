"""Answers to callbacks, as the outside world gives them."""

from __future__ import annotations

from typing import Any, Protocol, cast

from durable_execution_sdk.errors import ConfigError, SerDesError, ServiceError
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.serdes import JsonSerDes, SerDesContext
from durable_execution_sdk.service import EXPECTED_ANSWERS

__all__ = [
    "Answers",
    "Failure",
    "PendingCallback",
    "SyncAnswers",
    "SyncPendingCallback",
    "as_error_object",
]

Failure = Exception | ErrorObject | None
"""What a callback fails with, or an execution is stopped with."""


class Answers(Protocol):
    """The part of the control plane that answers callbacks."""

    async def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Answer a callback with a result."""
        ...

    async def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Answer a callback with a failure."""
        ...

    async def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        ...


class PendingCallback:
    """A callback that waits for an answer.

    ``callback_id`` is what was handed out, ``name`` what the workflow called it.
    """

    def __init__(self, control: Answers, callback_id: str, name: str | None) -> None:
        self._control = control
        self.callback_id = _checked(callback_id)
        self.name = name

    async def succeed(self, result: Any = None, *, check: bool = True) -> None:
        """Answer with a result; it is written as JSON, and ``bytes`` are sent as they are.

        ``check=False`` sends what the waiting code cannot read, as AWS would let a sender do.

        Raises:
            ServiceError: the callback was answered before, its time is up, or its ``result_type`` is
                known in this process and does not fit.
        """
        await self._control.callback_success(
            self.callback_id, _answer(self.callback_id, result, check=check)
        )

    async def fail(self, error: Failure = None) -> None:
        """Answer with a failure: the workflow gets a ``CallbackExternalError``."""
        await self._control.callback_failure(self.callback_id, as_error_object(error))

    async def heartbeat(self) -> None:
        """Say that the answer is still to come: the heartbeat timeout begins anew."""
        await self._control.callback_heartbeat(self.callback_id)


class SyncAnswers(Protocol):
    """The same without ``await``; an emulator does it."""

    def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Answer a callback with a result."""
        ...

    def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Answer a callback with a failure."""
        ...

    def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        ...


class SyncPendingCallback:
    """What a ``PendingCallback`` does, without ``await``."""

    def __init__(self, control: SyncAnswers, callback_id: str, name: str | None) -> None:
        self._control = control
        self.callback_id = _checked(callback_id)
        self.name = name

    def succeed(self, result: Any = None, *, check: bool = True) -> None:
        """Answer with a result; it is written as JSON, and ``bytes`` are sent as they are.

        ``check=False`` sends what the waiting code cannot read, as AWS would let a sender do.
        """
        self._control.callback_success(
            self.callback_id, _answer(self.callback_id, result, check=check)
        )

    def fail(self, error: Failure = None) -> None:
        """Answer with a failure: the workflow gets a ``CallbackExternalError``."""
        self._control.callback_failure(self.callback_id, as_error_object(error))

    def heartbeat(self) -> None:
        """Say that the answer is still to come: the heartbeat timeout begins anew."""
        self._control.callback_heartbeat(self.callback_id)


def _answer(callback_id: str, result: Any, *, check: bool) -> bytes | None:
    """The payload of an answer, which the waiting code can read if its type is known here."""
    payload = _written(callback_id, result)
    if not check:
        EXPECTED_ANSWERS.forget(callback_id)
    try:
        EXPECTED_ANSWERS.check(callback_id, payload)
    except SerDesError as error:
        raise ServiceError(
            f"the code that waits for the callback cannot read this: {error}. To send it all the"
            " same, use succeed(..., check=False)",
            code="InvalidParameterValueException",
            status=400,
        ) from error
    return payload


def as_error_object(error: Failure) -> ErrorObject | None:
    """An error as somebody outside reports it: a type and a message."""
    if isinstance(error, Exception):
        return ErrorObject(error_type=type(error).__name__, error_message=str(error))
    if not isinstance(cast("object", error), ErrorObject | None):
        raise ConfigError(f"a failure is an exception, an ErrorObject or nothing, not {error!r}")
    return error


def _checked(callback_id: str) -> str:
    if not isinstance(cast("object", callback_id), str):
        raise ConfigError(
            f"the id of a callback is text, not {callback_id!r}. The operation of ctx.wait_for_callback"
            " has none: its callback is within it, and runner.wait_for_callback(name) finds that"
        )
    return callback_id


def _written(callback_id: str, result: Any) -> bytes:
    if isinstance(result, bytes):
        return result
    context = SerDesContext(operation_id=callback_id, operation_name="the answer to a callback")
    return JsonSerDes[Any]().serialize(result, context).encode()
