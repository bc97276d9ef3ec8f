"""Writing and reading of an operation's payloads, and of the errors in its record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from durable_execution_sdk.errors import (
    ConfigError,
    InvocationError,
    OperationError,
    PayloadSizeError,
    SerDesError,
)
from durable_execution_sdk.protocol.error_object import READS_FROM_OUTSIDE, ErrorObject
from durable_execution_sdk.protocol.limits import MAX_PAYLOAD_BYTES
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationSubTypeName,
    OperationTypeName,
)
from durable_execution_sdk.protocol.updates import error_bytes, text_bytes
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.verdicts import Abort
from durable_execution_sdk.serdes import (
    ENVELOPE,
    JsonSerDes,
    SerDes,
    SerDesContext,
    checked_text,
    on_a_fresh_stack,
)

__all__ = ["PayloadOperation"]

_T = TypeVar("_T")

# In characters, each of which has four bytes at most in UTF-8.
_SURELY_FITS = MAX_PAYLOAD_BYTES // 4


class PayloadOperation(Completion[_T]):
    """An operation that writes values as payloads into the log, and reads values and errors from it."""

    __slots__ = ("name", "operation_id", "run", "sub_type")

    kind: ClassVar[OperationTypeName]
    error_class: ClassVar[type[OperationError]] = OperationError
    # True if another system writes its result and reads its payload, as for callbacks and invokes.
    is_from_outside: ClassVar[bool] = False
    run: InvocationRun
    was_over: bool
    sub_type: OperationSubTypeName

    def named(self, make: Callable[[], SerDes[Any]]) -> SerDes[Any]:
        """Make a serdes; a ``ConfigError`` about its type gets the name of the operation."""
        try:
            return make()
        except ConfigError as error:
            raise ConfigError(f"{self.label}: {error}") from error

    def count(self, record: Operation) -> None:
        """Count the attempts after the first, and the bytes of the outcome, for ``ctx.budget``."""
        context_state = self.context_state
        steps = record.step_details
        if steps is not None and steps.attempt is not None and steps.attempt > 1:
            context_state.operations += steps.attempt - 1
            if self.was_over:
                self.run.journal.hidden_operations += steps.attempt - 1
        details = (
            steps
            or record.context_details
            or record.callback_details
            or record.chained_invoke_details
        )
        if details is not None:
            context_state.stored_bytes += text_bytes(details.result)
            if details.error is not None and record.status == OperationStatus.FAILED:
                context_state.stored_bytes += error_bytes(details.error)

    def encode(self, serdes: SerDes[Any], value: object, what: str) -> str:
        """Write a value as a payload for the log.

        Raises ``SerDesError``, and ``PayloadSizeError`` above 1 MiB; both name the operation and ``what``.
        """
        payload = self.written(serdes, value, what)
        return payload if len(payload) <= _SURELY_FITS else self.within_limits(payload, what)

    def written(self, serdes: SerDes[Any], value: object, what: str) -> str:
        """Write a value by its serdes, without a limit of size.

        The error of a serdes is not a failure of the function that made the value, so it is not retried:
        ``InvocationError`` ends the invocation, and any other exception becomes a ``SerDesError``.
        """
        middleware = self.run.settings.middleware
        if middleware is not None:
            serdes = middleware.serdes(serdes, self.kind, self.sub_type)
        try:
            if type(serdes) is JsonSerDes and not self.is_from_outside:
                return serdes.write(value, self._serdes_context)
            payload = serdes.serialize(value, self._serdes_context())
        except (SerDesError, InvocationError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise SerDesError(
                f"the serdes of {self.label} cannot write its {what}: {_shown(error)}"
            ) from error
        return checked_text(payload, f"what the serdes of {self.label} writes as its {what}")

    def within_limits(self, payload: str, what: str) -> str:
        """Return the payload; raise ``PayloadSizeError`` if it is larger than the service stores."""
        size = text_bytes(payload)
        if size > MAX_PAYLOAD_BYTES:
            raise PayloadSizeError(
                f"the {what} of {self.label} is {size:,} bytes; the service stores at most"
                f" {MAX_PAYLOAD_BYTES:,}: keep the data elsewhere (S3, a database) and its key here"
            )
        return payload

    def decode_foreign(self, serdes: SerDes[_T], payload: str | None) -> Any:
        """Read a payload that was written outside of this execution."""
        token = READS_FROM_OUTSIDE.set(True)
        try:
            return self.decode(serdes, payload)
        finally:
            READS_FROM_OUTSIDE.reset(token)

    def decode(self, serdes: SerDes[_T], payload: str | None) -> Any:
        """Read a payload. A missing payload is ``None``, if the serdes accepts that."""
        if payload is None:
            return self._absent(serdes)
        middleware = self.run.settings.middleware
        if middleware is not None:
            serdes = middleware.serdes(serdes, self.kind, self.sub_type)
        try:
            if type(serdes) is JsonSerDes:
                if payload.startswith(ENVELOPE) and not self.is_from_outside:
                    from durable_execution_sdk.serdes.envelopes import without_envelopes  # noqa: PLC0415 - rare

                    payload = without_envelopes(payload)
                read = serdes.read
                try:
                    return read(payload)
                except RecursionError:
                    return on_a_fresh_stack(serdes.read, payload)
            try:
                return serdes.deserialize(payload, self._serdes_context())
            except RecursionError:
                return on_a_fresh_stack(serdes.deserialize, payload, self._serdes_context())
        except InvocationError as error:
            self.run.end(Abort(error, fatal=False))
            raise
        except (Exception, GeneratorExit) as error:
            broken: SerDesError
            if type(serdes) is JsonSerDes:
                broken = serdes.misfit(error, self._serdes_context(), payload)
            elif isinstance(error, SerDesError):
                broken = error
            else:
                broken = SerDesError(
                    f"the serdes of {self.label} cannot read its payload: {_shown(error)}"
                )
                raise self.unreadable(broken, tells_cure=False) from error
            raise self.unreadable(broken) from error

    def unreadable(self, error: SerDesError, *, tells_cure: bool = True) -> Exception:
        """Return the exception for a payload that cannot be read.

        Workflow code can catch the mistake of an outside sender. An unreadable payload of this execution fails it.
        """
        if self.is_from_outside:
            return self.misread(error, self.error_class, tells_cure=tells_cure)
        self.run.fail(error)
        return error

    def misread(
        self, error: SerDesError, error_class: type[OperationError], *, tells_cure: bool
    ) -> OperationError:
        """Make the exception that workflow code can catch for a sender's mistake."""
        again = f". To ask again, catch this {error_class.__name__} and start the operation anew"
        cure = again if tells_cure else ""
        recorded = ErrorObject(error_type=error_class.__name__, error_message=f"{error}{cure}")
        return self.rebuilt(recorded, error_class, foreign=True)

    def _absent(self, serdes: SerDes[_T]) -> None:
        if getattr(serdes, "takes_none", True):
            return
        raise self.unreadable(
            SerDesError(
                f"{self._serdes_context().what}: {self.label} has no result in the log, and"
                f" {serdes!r} does not read None. Correct the sender, or annotate a type that may be"
                " None"
            )
        )

    def _serdes_context(self) -> SerDesContext:
        return SerDesContext(
            operation_id=self.operation_id,
            operation_name=self.name,
            durable_execution_arn=self.run.invoked.arn,
            is_outward=self.is_from_outside,
        )

    def rebuilt(
        self,
        error: ErrorObject | None,
        error_class: type[OperationError] | None = None,
        *,
        foreign: bool = False,
        **origin: object,
    ) -> OperationError:
        """Make this operation's exception for an error object."""
        from durable_execution_sdk.runtime.error_objects import rebuild  # noqa: PLC0415 - at the first failure

        return rebuild(
            error_class or self.error_class,
            error,
            foreign=foreign,
            operation_id=self.operation_id,
            operation_name=self.name,
            **origin,
        )


def _shown(error: BaseException) -> str:
    from durable_execution_sdk.runtime.error_objects import shown  # noqa: PLC0415 - at the first failure

    return shown(error, str)
