"""Callbacks that a program or a test answers."""

from __future__ import annotations

from typing import Protocol, cast

from durable_execution_sdk.errors import ConfigError, SerDesError, ServiceError
from durable_execution_sdk.ports import EXPECTED_ANSWERS
from durable_execution_sdk.protocol.error_codes import INVALID_PARAMETER, STATUS
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.serdes import JsonSerDes, ValueContext

__all__ = [
    "Answers",
    "Failure",
    "PendingCallback",
    "SyncAnswers",
    "SyncPendingCallback",
    "as_error_object",
]

Failure = Exception | ErrorObject | None
"""The error to fail a callback or to stop an execution with."""


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
    """A callback that waits for an answer, with its id and the name that the workflow gave it.

    ``name`` is ``None`` for a callback that was asked for by its id. An answer costs one request, and is no operation.
    """

    def __init__(self, control: Answers, callback_id: str, name: str | None) -> None:
        self._control = control
        self.callback_id = _checked(callback_id)
        self.name = name

    async def succeed(self, result: object = None, *, check: bool = True) -> None:
        """Answer with a result, which is written as JSON; ``bytes`` are sent as they are.

        A result has at most 1 MiB. The first answer counts. The result must fit the callback's
        ``result_type``, if that is known in this process. ``check=False`` sends any result, as the service would.

        Raises:
            ServiceError: the callback was answered before or has timed out, is not there, or the result does
                not fit. If ``after_lost_answer`` is true, it may be this very call that answered it.
            SerDesError: the result has no form in JSON.
        """
        await self._control.callback_success(
            self.callback_id, _answer(self.callback_id, result, check=check)
        )

    async def fail(self, error: Failure = None) -> None:
        """Answer with a failure: the workflow gets a ``CallbackExternalError``."""
        await self._control.callback_failure(self.callback_id, as_error_object(error))

    async def heartbeat(self) -> None:
        """Send a heartbeat: the callback's heartbeat timeout starts again."""
        await self._control.callback_heartbeat(self.callback_id)


class SyncAnswers(Protocol):
    """The part of a service that answers callbacks, without ``await``."""

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
    """A ``PendingCallback`` without ``await``."""

    def __init__(self, control: SyncAnswers, callback_id: str, name: str | None) -> None:
        self._control = control
        self.callback_id = _checked(callback_id)
        self.name = name

    def succeed(self, result: object = None, *, check: bool = True) -> None:
        """Answer with a result, which is written as JSON; ``bytes`` are sent as they are.

        ``check=False`` sends a result that does not fit the callback's ``result_type``.
        """
        self._control.callback_success(
            self.callback_id, _answer(self.callback_id, result, check=check)
        )

    def fail(self, error: Failure = None) -> None:
        """Answer with a failure: the workflow gets a ``CallbackExternalError``."""
        self._control.callback_failure(self.callback_id, as_error_object(error))

    def heartbeat(self) -> None:
        """Send a heartbeat: the callback's heartbeat timeout starts again."""
        self._control.callback_heartbeat(self.callback_id)


def _answer(callback_id: str, result: object, *, check: bool) -> bytes | None:
    """Write the payload of an answer, and check it against the type if that is known here."""
    payload = _written(callback_id, result)
    if not check:
        EXPECTED_ANSWERS.forget(callback_id)
    try:
        EXPECTED_ANSWERS.check(callback_id, payload)
    except SerDesError as error:
        raise ServiceError(
            f"the code that waits for the callback cannot read this: {error}. To send it all the"
            " same, use succeed(..., check=False)",
            code=INVALID_PARAMETER,
            status=STATUS[INVALID_PARAMETER],
        ) from error
    return payload


def as_error_object(error: Failure) -> ErrorObject | None:
    """Convert an exception to an error object of type and message, as external systems send it."""
    if isinstance(error, Exception):
        return ErrorObject(error_type=type(error).__name__, error_message=str(error))
    if not isinstance(cast("object", error), ErrorObject | None):
        raise ConfigError(f"a failure is an exception, an ErrorObject or nothing, not {error!r}")
    return error


def _checked(callback_id: str) -> str:
    if not isinstance(cast("object", callback_id), str):
        raise ConfigError(
            f"the id of a callback is text, not {callback_id!r}. The operation of ctx.wait_for_callback"
            " has none: its callback is within it, and handle.callbacks(name), or in a test"
            " runner.wait_for_callback(name), finds that"
        )
    return callback_id


def _written(callback_id: str, result: object) -> bytes:
    if isinstance(result, bytes):
        return result
    context = ValueContext(
        operation_id=callback_id, subject="the answer to the callback", is_outward=True
    )
    return JsonSerDes[object]().serialize(result, context).encode()
