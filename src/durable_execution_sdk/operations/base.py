"""The base class of all operations: it claims the id, checks the record and takes the outcome."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from durable_execution_sdk.errors import (
    ConfigError,
    DeterminismError,
    InvocationError,
    OperationError,
    PayloadSizeError,
    SerDesError,
)
from durable_execution_sdk.protocol.error_object import READS_FROM_OUTSIDE, ErrorObject
from durable_execution_sdk.protocol.limits import MAX_NAME_CHARACTERS, MAX_PAYLOAD_BYTES
from durable_execution_sdk.protocol.operations import (
    OPEN_STATUSES,
    TERMINAL_STATUSES,
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
    label_of,
    was_given_up,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate, text_bytes
from durable_execution_sdk.runtime.completions import Completion
from durable_execution_sdk.runtime.contexts import IdScope
from durable_execution_sdk.runtime.error_objects import rebuild, shown
from durable_execution_sdk.runtime.verdicts import Abort
from durable_execution_sdk.serdes import (
    ENVELOPE,
    JsonSerDes,
    SerDes,
    SerDesContext,
    checked_text,
    on_a_fresh_stack,
)

__all__ = ["DurableOperation", "checked_name", "exact_text", "label_of", "named_after"]

_T = TypeVar("_T")

# Called by its name, which is quicker than through ``super()``.
_take_outcome = Completion[Any].settle

# In characters, each of which has four bytes at most in UTF-8.
_SURELY_FITS = MAX_PAYLOAD_BYTES // 4
# Characters of a name that a message shows.
_SHOWN = 60
_FAILED = OperationStatus.FAILED


class DurableOperation(Completion[_T], Generic[_T]):
    """One operation of a workflow: its record in the log, and the handle that workflow code awaits."""

    __slots__ = (
        "context_state",
        "due_at",
        "is_pending",
        "is_void",
        "name",
        "operation_id",
        "record",
        "run",
        "sub_type",
        "was_over",
    )

    kind: ClassVar[OperationType]
    error_class: ClassVar[type[OperationError]] = OperationError
    # True if another system writes its result and reads its payload, as for callbacks and invokes.
    is_from_outside: ClassVar[bool] = False

    def __init__(self, scope: IdScope, name: str | None, sub_type: OperationSubType) -> None:
        self.context_state = context_state = scope.context_state
        self.run = run = context_state.run
        self.operation_id = operation_id = scope.next_id()
        self.name = name
        self.sub_type = sub_type
        self.record: Operation | None = None
        self.is_pending = False
        self.due_at: float | None = None
        # True if the log held its end when it was asked for: no more news will come.
        self.was_over = False
        # True if it may do nothing: its context is over, in this invocation or, if rebuilt, in the log.
        self.is_void = False
        super().__init__(run.completions, scope.place + scope.claimed)
        if context_state.is_closed or run.is_ending:
            self.is_void = True
            run.turn_down(self)
            return
        record = run.claim(self)
        if record is not None:
            self._check(record, scope)
        context_state.unsettled[self.sequence] = self
        if record is None:
            if context_state.is_rebuilt:
                self.is_void = True
                return
            scope.has_news = True
            if run.gate is not None:
                run.position.found_cut()
        else:
            self.record = record
            if record.status in TERMINAL_STATUSES:
                self.was_over = True
                if run.reporter is not None:
                    run.reporter.claimed(operation_id)
                return
            if record.status not in OPEN_STATUSES:
                self.is_void = True
                self._stop_at_unknown(record)
                return
            if context_state.is_rebuilt:
                self.is_void = True
                return
        if run.reporter is not None:
            run.reporter.claimed(operation_id)
        run.registered[operation_id] = self

    @property
    def label(self) -> str:
        """The name of the operation, in messages."""
        return label_of(self.kind, self.sub_type, self.name)

    def observe(self, record: Operation) -> None:
        """Take in a change of this operation's record."""
        self.record = record
        if self.is_done:
            self.see_too_late(record)
            return
        if record.status in TERMINAL_STATUSES:
            self.is_pending = False
            self.complete(record)
        elif record.status in OPEN_STATUSES:
            self.advance(record)
        else:
            self._stop_at_unknown(record)

    def _stop_at_unknown(self, record: Operation) -> None:
        """End the invocation because the record has a status that this version does not know."""
        error = InvocationError(
            f"the service says that {self.label} is {record.status!r}, which is no status that this"
            " version of durable-execution-sdk knows: deploy a newer one. Until then Lambda invokes"
            " again, and nothing is lost"
        )
        self.run.end(Abort(error, fatal=False))

    def advance(self, record: Operation) -> None:
        """Act on a record with an open status."""
        raise NotImplementedError

    def pend(self, due_at: float | None = None) -> None:
        """Mark the operation as pending: the service will end it, at ``due_at`` (milliseconds) if known."""
        self.is_pending = True
        self.due_at = due_at
        self.run.expect(due_at)

    def complete(self, record: Operation) -> None:
        """Queue the completion, because the log holds the end of this operation.

        An end by which the workflow gave it up is never delivered; on replay only the code's own cancellation
        ends the operation.
        """
        if record.status == _FAILED and was_given_up(record):
            self.run.given_up[self.operation_id] = self
            return
        self.become_due(record.end_timestamp or self.run.completions.now)

    def settle(self) -> None:
        """Take the outcome from the log and leave the registers; called in this completion's turn."""
        _take_outcome(self)
        # As ``_leave`` does, which each replayed operation would call.
        self.is_pending = False
        self.context_state.unsettled.pop(self.sequence, None)
        if not self.was_over:
            self.run.registered.pop(self.operation_id, None)
        self.run.journal.release(self.operation_id)

    def drop(self, msg: Any | None = None) -> bool:
        """End the handle: it records nothing more, and the tasks that await it are cancelled."""
        dropped = super().drop(msg)
        if dropped:
            self.run.given_up.pop(self.operation_id, None)
            if self.has_yet_to_fail:
                self.is_pending = False
                self.context_state.unsettled.pop(self.sequence, None)
            else:
                self._leave()
        return dropped

    @property
    def has_yet_to_fail(self) -> bool:
        """True if it was given up and the service does not accept its FAIL yet."""
        return False

    def see_too_late(self, record: Operation) -> None:
        """Take in a change of the record after the handle has ended."""

    def outcome(self) -> _T:
        """Return the recorded value, or raise the recorded failure."""
        record = self.record
        assert record is not None
        if record.status == OperationStatus.SUCCEEDED:
            return self.value(record)
        raise self.failure(record)

    def value(self, record: Operation) -> _T:
        """Return the value of a success."""
        raise NotImplementedError

    def failure(self, record: Operation) -> BaseException:
        """Return the exception for a failure."""
        return self.rebuilt(self.recorded_error(record), foreign=self.is_from_outside)

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return the error object of a failure."""
        raise NotImplementedError

    def rebuilt(
        self,
        error: ErrorObject | None,
        error_class: type[OperationError] | None = None,
        *,
        foreign: bool = False,
        **origin: object,
    ) -> OperationError:
        """Make this operation's exception for an error object."""
        return rebuild(
            error_class or self.error_class,
            error,
            foreign=foreign,
            operation_id=self.operation_id,
            operation_name=self.name,
            **origin,
        )

    def update(
        self,
        action: OperationAction,
        payload: str | None = None,
        error: ErrorObject | None = None,
    ) -> OperationUpdate:
        """Make an update of this operation; options are added with ``msgspec.structs.replace``."""
        return OperationUpdate(
            id=self.operation_id,
            type=self.kind,
            action=action,
            parent_id=self.context_state.parent_id,
            name=self.name,
            sub_type=self.sub_type,
            payload=payload,
            error=error,
        )

    def submit(self, update: OperationUpdate) -> None:
        """Record an update of this operation, unless it was given up."""
        if not (self.is_void or self.context_state.is_closed or self.is_cancelled):
            self.run.submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update that causes no call of its own, unless the operation was given up."""
        if not (self.is_void or self.context_state.is_closed or self.is_cancelled):
            self.run.leave_behind(update)

    def named(self, make: Callable[[], SerDes[Any]]) -> SerDes[Any]:
        """Make a serdes; a ``ConfigError`` about its type gets the name of the operation."""
        try:
            return make()
        except ConfigError as error:
            raise ConfigError(f"{self.label}: {error}") from error

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
                f"the serdes of {self.label} cannot write its {what}: {shown(error, str)}"
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
                try:
                    return serdes.read(payload)
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
                    f"the serdes of {self.label} cannot read its payload: {shown(error, str)}"
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
        cure = f". To ask again, catch this {error_class.__name__}" if tells_cure else ""
        recorded = ErrorObject(error_type=type(error).__name__, error_message=f"{error}{cure}")
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

    def _leave(self) -> None:
        self.is_pending = False
        self.context_state.unsettled.pop(self.sequence, None)
        run = self.run
        if not self.was_over:
            run.registered.pop(self.operation_id, None)
        run.journal.release(self.operation_id)

    def _check(self, record: Operation, scope: IdScope) -> None:
        """Fail the execution if the record at this place is of another type, subtype, name or parent (law 7)."""
        if (
            record.type == self.kind
            and record.sub_type == self.sub_type
            and record.name == self.name
            and record.parent_id == self.context_state.parent_id
        ):
            return
        expected = (record.type, record.sub_type, record.name, record.parent_id)
        found = (self.kind, self.sub_type, self.name, self.context_state.parent_id)
        members = ("type", "subtype", "name", "parent")
        differing = [m for m, e, f in zip(members, expected, found, strict=True) if e != f]
        error = DeterminismError(
            f"{scope.position}: the log holds {label_of(record.type, record.sub_type, record.name)},"
            f" the code asked for {self.label} ({', '.join(differing)} differ). The workflow's code"
            " has changed since this execution began, or it branches on something that is not"
            " recorded: time, random numbers, environment, the order of a set. Do that inside a"
            " step, or use ctx.now(), ctx.random(), ctx.uuid4()"
        )
        self.run.fail(error)
        raise error


def checked_name(name: str | None, operation: str) -> str | None:
    """Return a name if the service accepts it: 1 to 256 printable ASCII characters (``OperationName``).

    Raises ``ConfigError`` otherwise.
    """
    if name is not None and not _is_name(name):
        raise ConfigError(
            f"{name!r} cannot name a {operation}: a name is 1 to {MAX_NAME_CHARACTERS}"
            " printable ASCII characters;"
            f" {_instead_of(name)}"
        )
    return name if name is None or name.__class__ is str else exact_text(name)


def exact_text(text: str) -> str:
    """Return a plain ``str`` of an instance of a subclass, as template libraries have; msgspec refuses those."""
    return str.__str__(text)


def _instead_of(name: object) -> str:
    """Return the advice for a name that is refused."""
    if not isinstance(name, str):
        return "str(...) makes a text of it"
    if not name:
        return "leave it out if there is none"
    if not (name.isascii() and name.isprintable()):
        shown = name.encode("unicode_escape").decode()[:_SHOWN]
        return f'name.encode("unicode_escape").decode() writes it as {shown}'
    return f"this one has {len(name):,}: name[:{MAX_NAME_CHARACTERS}] is short enough"


def named_after(function: Callable[..., Any]) -> str | None:
    """Return the name of a function as the default name of its operation; ``None`` if it has none."""
    inner: Any = function
    while isinstance(inner, partial):
        inner = inner.func
    name: Any = getattr(inner, "__name__", None)
    return exact_text(name) if _is_name(name) and name != "<lambda>" else None


def _is_name(name: object) -> bool:
    if not isinstance(name, str):
        return False
    return name.isascii() and name.isprintable() and 0 < len(name) <= MAX_NAME_CHARACTERS
