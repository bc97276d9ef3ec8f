"""Chained invokes: another function runs, durable or plain, and returns its result."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from msgspec.structs import replace

from durable_execution_sdk.duration import DurationLike, check_time_limit
from durable_execution_sdk.errors import (
    ConfigError,
    InvokeError,
    InvokeTimeoutError,
    OperationError,
)
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_config,
    check_result_type,
    check_serdes,
    exact_text,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import MAX_NAME_CHARACTERS
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import ChainedInvokeOptions, OperationAction
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.serdes import SerDes

__all__ = ["InvokeConfig", "invoke"]

_T = TypeVar("_T")


class InvokeConfig(Options, Generic[_T], frozen=True, kw_only=True):
    """The options of an invoke.

    ``payload_serdes`` writes the payload. ``result_type`` is the type to which the result is decoded;
    without one, it is plain JSON data. ``serdes`` reads the result instead. ``tenant_id`` is for a function
    with tenant isolation: 1 to 256 letters, digits, spaces and ``._:/=+-@``.

    ``timeout``, 1 s to 366 days, limits the time from the call to the function's end; then the handle raises
    ``InvokeTimeoutError``. The other function goes on, since the service has no call that would stop it, and its
    result is not used. It costs one operation more, unless the function has ended within 0.2 s.
    """

    payload_serdes: SerDes[Any] | None = None
    result_type: type[_T] | None = None
    serdes: SerDes[_T] | None = None
    tenant_id: str | None = None
    timeout: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        if self.timeout is not None:
            check_time_limit("InvokeConfig.timeout", self.timeout)
        check_serdes("InvokeConfig.payload_serdes", self.payload_serdes)
        check_serdes("InvokeConfig.serdes", self.serdes)
        check_result_type("InvokeConfig", self.result_type, self.serdes)
        if (
            self.tenant_id is not None
            and re.fullmatch(rf"[a-zA-Z0-9._:/=+\-@ ]{{1,{MAX_NAME_CHARACTERS}}}", self.tenant_id)
            is None
        ):
            raise ConfigError(
                f"InvokeConfig.tenant_id {self.tenant_id!r} is not 1 to {MAX_NAME_CHARACTERS}"
                " letters, digits, spaces"
                " and ._:/=+-@"
            )


class Invoke(DurableOperation[_T]):
    """The operation of an invoke."""

    __slots__ = ("_serdes",)

    kind = OperationType.CHAINED_INVOKE
    error_class: ClassVar[type[OperationError]] = InvokeError
    is_from_outside: ClassVar[bool] = True

    def __init__(
        self,
        scope: IdScope,
        function_name: str,
        payload: object,
        name: str | None,
        config: InvokeConfig[_T],
    ) -> None:
        super().__init__(scope, name, OperationSubType.CHAINED_INVOKE)
        default = self.run.settings.serdes_for_type(None)
        self._serdes: SerDes[Any] = config.serdes or self.named(
            lambda: self.run.settings.serdes_for_type(config.result_type)
        )
        record = self.record
        payload_serdes = config.payload_serdes or default
        if record is not None and self.run.is_rehearsal:
            write = partial(self.encode, payload_serdes, payload, "payload")
            read = partial(self.decode, payload_serdes)
            self.run.invoked_again(record, function_name, write, read)
        if self.is_void:
            return
        if record is None:
            written = self.encode(payload_serdes, payload, "payload")
            tenant_id = None if config.tenant_id is None else exact_text(config.tenant_id)
            options = ChainedInvokeOptions(function_name=function_name, tenant_id=tenant_id)
            update = self.update(OperationAction.START, written)
            self.submit(replace(update, chained_invoke_options=options))
        else:
            self.observe(record)

    def advance(self, record: Operation) -> None:
        """Mark the invoke as pending: the other function runs."""
        self.pend()

    def value(self, record: Operation) -> _T:
        """Return the result of the other function."""
        details = record.chained_invoke_details
        value: _T = self.decode_foreign(self._serdes, details.result if details else None)
        return value

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return the other function's error, or the reason for which it did not run to its end."""
        return record.chained_invoke_details.error if record.chained_invoke_details else None


def invoke(
    scope: IdScope,
    function_name: str,
    payload: object,
    name: str | None,
    config: InvokeConfig[object] | None,
) -> Handle[object]:
    """Invoke another function."""
    if not _is_function_name(function_name):
        raise ConfigError(
            f"ctx.invoke takes the name or ARN of a function, 1 to {MAX_NAME_CHARACTERS}"
            " printable ASCII characters, not"
            f" {function_name!r}; a durable function needs its version or alias too, as in"
            " 'billing:live'"
        )
    check_config("ctx.invoke", config, InvokeConfig)
    operation = Invoke(scope, exact_text(function_name), payload, name, config or InvokeConfig())
    handle = operation.handle
    if config is not None and config.timeout is not None:
        from durable_execution_sdk.operations.lifecycle.time_limits import limit_time  # noqa: PLC0415 - rarely needed

        note = f"; {function_name} goes on, and its result is not used"
        limit_time(
            scope.context_state,
            operation,
            operation.record,
            config.timeout,
            InvokeTimeoutError,
            note,
        )
    return handle


def _is_function_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name) <= MAX_NAME_CHARACTERS
        and name.isascii()
        and name.isprintable()
    )
