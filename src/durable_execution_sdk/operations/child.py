"""Child contexts: groups of operations, each with a name, an error and a result of its own.

A result above 262,144 bytes is not stored. The log then holds that the context has succeeded, and on
replay its function runs again over the recorded operations to build the result again. Operations in it
without an end in the log stay as they are: they start nothing and record nothing.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace

from durable_execution_sdk.errors import (
    ChildContextError,
    InvocationError,
    OperationError,
    SerDesError,
)
from durable_execution_sdk.operations.lifecycle.argument_checks import check_config
from durable_execution_sdk.operations.lifecycle.context_totals import TOTALS_SIGN, ContextOperation
from durable_execution_sdk.operations.virtual_child import (
    COMPLETED,
    Body,
    ChildConfig,
    VirtualChild,
    complete,
    is_of_the_code,
    mapped,
    no_longer_built,
    start_in,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import MAX_STORED_RESULT_BYTES
from durable_execution_sdk.protocol.operations import (
    GIVEN_UP,
    TERMINAL_STATUSES,
    Operation,
    OperationSubType,
    OperationSubTypeName,
    OperationType,
    is_built_again,
)
from durable_execution_sdk.protocol.updates import ContextOptions, OperationAction, text_bytes
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.error_objects import capture
from durable_execution_sdk.runtime.verdicts import Abort
from durable_execution_sdk.serdes import SerDes, checked_text

__all__ = ["Child", "ChildConfig", "run_in_child_context"]

_T = TypeVar("_T")


_DEFAULT = ChildConfig()


class Child(ContextOperation[_T]):
    """The operation of a child context."""

    __slots__ = (
        "_body",
        "_config",
        "_has_ended",
        "_kind",
        "_payload",
        "_serdes",
        "_task",
    )

    kind = OperationType.CONTEXT

    def __init__(
        self,
        scope: IdScope,
        body: Body,
        name: str | None,
        config: ChildConfig,
        serdes: SerDes[Any],
        sub_type: OperationSubTypeName = OperationSubType.RUN_IN_CHILD_CONTEXT,
        error_class: type[OperationError] = ChildContextError,
    ) -> None:
        super().__init__(scope, name, sub_type)
        self._config, self._serdes = config, serdes
        self._kind = error_class
        self._body = body
        self._payload: str | None = None
        self._has_ended = False
        self._inner = self._totals = None
        record = self.record
        if record is None:
            if self.is_void:
                return
            self.leave_behind(self.update(OperationAction.START))
        elif (details := record.context_details) is not None and (
            details.error is not None or (details.result or "").endswith(TOTALS_SIGN)
        ):
            record = self.without_totals(record)
        ended = record is not None and record.status in TERMINAL_STATUSES
        if record is not None and self.run.journal.in_doubt:
            record = self.record = self.run.journal.settled(record, self.may_be_summary)
        if record is not None and ended and not is_built_again(record):
            self.complete(record)
            return
        if ended:
            self.defer()  # until the function has computed the result again
        inner = self._inner = ContextState(
            self.run,
            operation_id=self.operation_id,
            name=name,
            parent=self.context_state,
            rebuilt=ended,
        )
        self._task = start_in(inner, self._run(inner), scope, self.place)

    def may_be_summary(self, payload: str) -> bool:
        """Return ``True`` if a payload that is not empty may be the text of ``summary``."""
        return self._config.summary_generator is not None

    def advance(self, record: Operation) -> None:
        """Do nothing: the context is recorded as started, and its body runs already."""

    def value(self, record: Operation) -> _T:
        """Return the recorded result, or the one that the body has built again."""
        payload = self._payload
        if not is_built_again(record):
            payload = record.context_details.result if record.context_details else None
        self._payload = None
        value: _T = self.decode(self._serdes, payload)
        return value

    def unreadable(self, error: SerDesError, *, tells_cure: bool = True) -> Exception:
        """Make the exception for a result that cannot be read; that of ``wait_for_callback`` is a sender's."""
        if self.sub_type == OperationSubType.WAIT_FOR_CALLBACK:
            return self.misread(error, self._kind, tells_cure=tells_cure)
        return super().unreadable(error, tells_cure=tells_cure)

    def failure(self, record: Operation) -> BaseException:
        """Return the error for the exception that the function raised."""
        return self.rebuilt(self.recorded_error(record), self._kind)

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return the error object of a failure."""
        return record.context_details.error if record.context_details else None

    def summary(self, result: Any) -> str:
        """Return the text that the log shows for a result that is not stored."""
        summarize = self._config.summary_generator
        if summarize is None:
            return ""
        return checked_text(str(summarize(result)), f"the summary of {self.label}")

    @property
    def is_left_to_code(self) -> bool:
        """True until its function has ended."""
        return self._inner is not None and not self._has_ended

    @property
    def has_end_under_way(self) -> bool:
        """True from the end of its function until the log holds it."""
        return self._has_ended and not self.is_due

    @property
    def can_be_given_up(self) -> bool:
        """True as long as the context may write."""
        return not self.context_state.is_over

    def abandon(self, why: ErrorObject = GIVEN_UP) -> None:
        """Record that the context is given up, which ends everything in it too."""
        if not (self._has_ended or self.was_over):
            self.leave_behind(self.update(OperationAction.FAIL, error=why))

    async def _run(self, inner: ContextState) -> None:
        """Run the body, and record its end if the log does not hold it."""
        watcher = self.run.watcher
        try:
            if watcher is None:
                result = await self._body(inner)
            else:
                result = await watcher.context(self, partial(self._body, inner))
        except OperationError as error:
            self._raised(error)  # an InvocationError from the log is one too
        except InvocationError as error:
            self.run.end(Abort(error, fatal=False))
        except Exception as error:
            self._raised(error)
        except asyncio.CancelledError as error:
            if self.is_cancelled or self.run.is_ending:
                raise
            # The context was not given up: its own code raised this, or cancelled its own task.
            self._raised(error)
        except (KeyboardInterrupt, GeneratorExit) as error:
            if not is_of_the_code(error, self._task):
                raise
            self._raised(error)
        except BaseException as error:
            self._raised(error)
        else:
            self._returned(result)
        finally:
            inner.close()

    def _returned(self, result: object) -> None:
        if self.run.returned_too_early(self.operation_id):
            return
        try:
            payload = self.written(self._serdes, result, "result")
        except InvocationError as error:
            self.run.end(Abort(error, fatal=False))
            return
        except Exception as error:
            self._raised(error)
            return
        if self.record is not None and self.record.status in TERMINAL_STATUSES:
            read = partial(self.decode, self._serdes)
            payload = self.run.built_again(self.record, payload, read)
            self._payload = self.run.journal.result_of(self.record, payload)
            self.complete(self.record)
        elif text_bytes(payload) <= MAX_STORED_RESULT_BYTES:
            self._has_ended = True
            self.submit(self.with_totals(self.update(OperationAction.SUCCEED, payload=payload)))
        else:
            self._payload = payload
            try:
                summary = self.within_limits(self.summary(result), "summary")
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._raised(error)
                return
            update = self.with_totals(self.update(OperationAction.SUCCEED, summary))
            self._has_ended = True
            self.submit(replace(update, context_options=ContextOptions(replay_children=True)))

    def _raised(self, error: BaseException) -> None:
        if self.record is not None and self.record.status in TERMINAL_STATUSES:
            self.run.fail(no_longer_built(self.context_state, self.label, error))
            return
        recorded = error
        if isinstance(error, Exception):
            if type(error) in COMPLETED:
                complete(error)
            recorded = mapped(self._config.error_mapper, error, self.label)
        self._has_ended = True
        self.submit(self.with_totals(self.update(OperationAction.FAIL, error=capture(recorded))))


def run_in_child_context(
    scope: IdScope,
    body: Body,
    name: str | None,
    config: ChildConfig | None,
    serdes: SerDes[Any],
) -> Handle[Any]:
    """Run a function in a context of its own."""
    check_config("ctx.run_in_child_context", config, ChildConfig)
    chosen = config or _DEFAULT
    context: Child[Any] | VirtualChild[Any]
    if chosen.virtual:
        context = VirtualChild(scope, body, name, chosen.error_mapper)
    else:
        context = Child(scope, body, name, chosen, chosen.serdes or serdes)
    handle: Handle[Any] = context.handle
    if config is not None and config.timeout is not None:
        from durable_execution_sdk.operations.lifecycle.time_limits import limit_context  # noqa: PLC0415 - rarely needed

        limit_context(scope.context_state, context, config.timeout)
    return handle
