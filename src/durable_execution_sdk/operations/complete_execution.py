"""The end of an execution by its own workflow, through a checkpoint of the EXECUTION itself."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, NoReturn

from durable_execution_sdk.errors import PayloadSizeError
from durable_execution_sdk.protocol.limits import MAX_SYNCHRONOUS_PAYLOAD_BYTES
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate, text_bytes
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.error_objects import capture
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.verdicts import Complete, InvocationEnded
from durable_execution_sdk.serdes import SerDes, ValueContext, checked_text, serdes_for_type

__all__ = ["complete_execution", "ended"]


def complete_execution(
    scope: IdScope, result: object, error: BaseException | None
) -> Awaitable[NoReturn]:
    """Record the end of the execution. From this call on, no operation of the workflow starts.

    Raises ``PayloadSizeError`` for a result above 6 MiB of JSON.
    """
    run = scope.context_state.run
    execution_id = run.journal.execution_id
    if error is not None:
        update = OperationUpdate(
            id=execution_id,
            type=OperationType.EXECUTION,
            action=OperationAction.FAIL,
            error=capture(error),
        )
    else:
        serdes: SerDes[Any] = run.settings.serdes or serdes_for_type(Any)
        middleware = run.settings.middleware
        if middleware is not None:
            serdes = middleware.serdes(serdes, OperationType.EXECUTION, None)
        context = ValueContext(
            operation_id=execution_id,
            durable_execution_arn=run.invoked.arn,
            is_outward=True,
            subject="the result of the execution",
        )
        written = serdes.serialize(result, context)
        payload = checked_text(written, "what the serdes writes as the result of the execution")
        size = text_bytes(payload)
        if size > MAX_SYNCHRONOUS_PAYLOAD_BYTES:
            raise PayloadSizeError(
                f"the result of the execution is {size:,} bytes of JSON; the service stores at most"
                f" {MAX_SYNCHRONOUS_PAYLOAD_BYTES:,}"
            )
        update = OperationUpdate(
            id=execution_id,
            type=OperationType.EXECUTION,
            action=OperationAction.SUCCEED,
            payload=payload,
        )
    return ended(run, update, error)


def ended(
    run: InvocationRun, update: OperationUpdate, error: BaseException | None = None
) -> Awaitable[NoReturn]:
    """Record this update of the EXECUTION as its end; awaiting what is returned unwinds the task."""
    if run.returned_too_early(None):
        raise InvocationEnded
    run.submit(update)
    run.end(Complete(succeeded=error is None, error=error))
    return _Ended()


class _Ended(Awaitable[NoReturn]):
    """The awaitable of ``complete_execution``, which unwinds the task that awaits it."""

    __slots__ = ()

    def __await__(self) -> Generator[object, None, NoReturn]:
        """Unwind the task that awaits it."""
        yield from ()
        raise InvocationEnded
