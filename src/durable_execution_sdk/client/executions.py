"""Start executions, find them and list them: the core of the two faces of the client."""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from msgspec import Struct

from durable_execution_sdk.client.errors import AlreadyStartedError
from durable_execution_sdk.client.execution_handle import ExecutionHandle
from durable_execution_sdk.client.function_ref import FunctionRef, split_name
from durable_execution_sdk.client.messages.inbox_ref import InboxRef, message_for
from durable_execution_sdk.client.messages.sending import Sending, send
from durable_execution_sdk.client.messages.turns import Turns
from durable_execution_sdk.client.service import Service
from durable_execution_sdk.client.targets import AnyTarget, Targets
from durable_execution_sdk.emulator.durations import seconds_allowed
from durable_execution_sdk.errors import ConfigError, PayloadSizeError, ServiceError
from durable_execution_sdk.protocol.control_plane import (
    ExecutionStatus,
    ExecutionSummary,
    InvocationType,
    InvokeRequest,
    ListRequest,
)
from durable_execution_sdk.protocol.error_codes import ALREADY_STARTED, NOT_FOUND, STATUS
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_EXECUTION_NAME_CHARACTERS, MAX_PAYLOAD_BYTES
from durable_execution_sdk.protocol.updates import text_bytes
from durable_execution_sdk.serdes import JsonSerDes, SerDes, ValueContext, checked_text

__all__ = ["NO_EVENT", "Executions", "Filters"]

NO_EVENT: object = object()
"""The default event: the function gets ``{}``, as from the Lambda console."""

_EXECUTION_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_EXECUTION_NAME_CHARACTERS}}}")


def _callers_trace() -> str | None:
    """Return the current span of OpenTelemetry, if that is loaded, as an ``X-Amzn-Trace-Id``.

    The header is no part of the event: a start that is repeated in another trace finds the same execution.
    """
    if "opentelemetry.trace" in sys.modules:
        with suppress(ImportError):  # of a release that is too old
            from durable_execution_sdk.otel.upstream import current_header  # noqa: PLC0415

            return current_header()
    return None


class Filters(Struct, frozen=True, kw_only=True):
    """The executions that a list is to have."""

    name: str | None = None
    statuses: Sequence[str] = ()
    started_after: datetime | None = None
    started_before: datetime | None = None
    oldest_first: bool = False


class Executions:
    """The executions of a service; ``DurableClient`` and ``SyncDurableClient`` document the methods."""

    def __init__(self, service: Service, targets: Targets) -> None:
        self.service = service
        self._targets = targets
        self._turns = Turns()

    async def start(
        self, function: AnyTarget, event: object, name: str | None
    ) -> ExecutionHandle[Any]:
        """Start an execution, or find the one of this name."""
        ref = self._targets.ref(function, "client.start")
        chosen = str(uuid.uuid4()) if name is None else _checked_name(name)
        request = InvokeRequest(
            function_name=ref.name,
            payload=b"{}" if event is NO_EVENT else _written(ref, event),
            invocation_type=InvocationType.EVENT,
            durable_execution_name=chosen,
            trace_header=_callers_trace(),
        )
        try:
            answer = await self.service.control.invoke(request)
        except ServiceError as error:
            raise self._explained(error, function, ref.name, chosen) from error
        if answer.durable_execution_arn is None:
            raise ConfigError(
                f"{ref.name} is no durable function: the service called it, and started no execution. Configure the"
                " function with DurableConfig, and name a version that was published after that"
            )
        return ExecutionHandle(
            self.service, answer.durable_execution_arn, ref.result_serdes, name=chosen
        )

    async def find(self, reference: str, of: AnyTarget | None) -> ExecutionHandle[Any]:
        """Return the handle of an execution by its ARN, or by its name and its function."""
        if not isinstance(cast("object", reference), str) or not reference:
            given = "an empty text" if reference == "" else repr(reference)
            raise ConfigError(
                f"client.execution takes the ARN of an execution, or its name and its function, not {given}"
            )
        if reference.startswith("arn:") or "/" in reference:
            serdes = self._targets.result_serdes(of, "client.execution")
            return ExecutionHandle(self.service, reference, serdes)
        if of is None:
            raise ConfigError(
                f"client.execution finds {reference!r} by name among the executions of a function: name that too, as in"
                f" client.execution({reference!r}, 'orders:live'), or give the ARN"
            )
        # A name is that of one execution; an alias may lead to another version than it did at the start.
        function = split_name(self._targets.listed_name(of, "client.execution"))[0]
        serdes = self._targets.result_serdes(of, "client.execution")
        try:
            async for handle in self._listed(function, serdes, Filters(name=reference), most=1):
                return handle
        except ServiceError as error:
            if error.code != NOT_FOUND:
                raise
            raise self._absent("client.execution", of, function, error) from error
        raise ServiceError(
            f"client.execution: {function} at {self.service.address} has no execution {reference!r}: its name, the"
            " function or the region may be another, or its data"
            " was deleted",
            code=NOT_FOUND,
            status=STATUS[NOT_FOUND],
        )

    async def send(
        self,
        execution: ExecutionHandle[Any] | str,
        inbox: str | InboxRef[Any],
        value: object,
        message_id: str | None,
        timeout: float,
    ) -> str:
        """Send a message to an inbox of an execution; return the id of the message."""
        given: object = getattr(execution, "arn", execution)
        arn = given if isinstance(given, str) else ""
        if not ExecutionArn.read(arn) and "/" not in arn:
            raise ConfigError(
                f"client.send takes the handle or the ARN of an execution, not {execution!r}: client.execution(NAME,"
                " FUNCTION) finds one by its name"
            )
        seconds = seconds_allowed(timeout)
        ref, chosen, payload = message_for(inbox, value, message_id)
        message = Sending(inbox=ref.name, message_id=chosen, payload=payload, timeout=seconds)
        service = self.service
        await send(service.control, service.reading, arn, message, service.pause, self._turns)
        return chosen

    async def list(
        self, function: AnyTarget, filters: Filters, most: int | None
    ) -> AsyncIterator[ExecutionHandle[Any]]:
        """Yield the executions of a function that the filters let pass."""
        if most is not None and (not isinstance(cast("object", most), int) or most < 1):
            raise ConfigError(
                f"client.list: most is a whole number from 1 on, or None for all, not {most!r}"
            )
        if not isinstance(cast("object", filters.name), str | None):
            raise ConfigError(f"client.list: name is a text, not {filters.name!r}")
        serdes = self._targets.result_serdes(function, "client.list")
        name = self._targets.listed_name(function, "client.list")
        try:
            async for handle in self._listed(name, serdes, filters, most):
                yield handle
        except ServiceError as error:
            if error.code != NOT_FOUND:
                raise
            raise self._absent("client.list", function, name, error) from error

    async def _listed(
        self, name: str, serdes: SerDes[Any], filters: Filters, most: int | None
    ) -> AsyncIterator[ExecutionHandle[Any]]:
        function_name, qualifier = split_name(name)
        request = ListRequest(
            function_name=function_name,
            qualifier=qualifier,
            durable_execution_name=filters.name,
            statuses=_texts(filters.statuses),
            started_after=_milliseconds("started_after", filters.started_after),
            started_before=_milliseconds("started_before", filters.started_before),
            reverse_order=filters.oldest_first,
        )

        # Some endpoints look at one status only, or not at the name.
        def is_meant(found: ExecutionSummary) -> bool:
            has_status = not request.statuses or found.status in request.statuses
            return has_status and filters.name in {None, found.durable_execution_name}

        async for found in self.service.reading.executions(request, most, wanted=is_meant):
            yield ExecutionHandle(
                self.service,
                found.durable_execution_arn,
                serdes,
                name=found.durable_execution_name,
                listed=found,
            )

    def _explained(
        self, error: ServiceError, target: AnyTarget, function: str, name: str
    ) -> ServiceError:
        """Say what a refusal of a start means."""
        if error.code == ALREADY_STARTED:
            text = (
                f"client.start: an execution {name!r} exists, and was started with another event (or another function)"
                f" than this call of {function} has; the same name means the same execution, so start it with the same"
                " event, or with another name. client.execution(NAME, FUNCTION) returns the one that exists"
            )
            return AlreadyStartedError(text, code=error.code, status=error.status)
        if error.code == NOT_FOUND:
            return self._absent("client.start", target, function, error)
        return error

    def _absent(
        self, call: str, target: AnyTarget, function: str, error: ServiceError
    ) -> ServiceError:
        text = (
            f"{call}: there is no function {function} at {self.service.address} ({error.message}); its name,"
            f" its version or alias, the endpoint or the region may be another{self._targets.hint(target)}"
        )
        return ServiceError(text, code=error.code, status=error.status)


def _written(ref: FunctionRef[Any, Any], event: object) -> bytes:
    context = ValueContext(
        operation_id="event", subject=f"the event for {ref.name}", is_outward=True
    )
    serdes = ref.event_serdes
    text = checked_text(serdes.serialize(event, context), f"what the serdes of {ref.name} writes")
    if isinstance(serdes, JsonSerDes):
        # The function would fail with an event that it cannot read; here the caller sees it.
        serdes.deserialize(text, context)
    size = text_bytes(text)
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadSizeError(
            f"client.start: the event for {ref.name} has {size:,} bytes; the service takes at most"
            f" {MAX_PAYLOAD_BYTES:,}: keep the data elsewhere (S3, a database) and pass its key"
        )
    return text.encode()


def _checked_name(name: object) -> str:
    if isinstance(name, str) and _EXECUTION_NAME.fullmatch(name):
        return name
    raise ConfigError(
        f"client.start: the name of an execution is 1 to {MAX_EXECUTION_NAME_CHARACTERS} letters, digits, '-' and '_',"
        f" not {name!r}"
    )


def _texts(statuses: object) -> list[str]:
    if isinstance(statuses, str):
        raise ConfigError(f"client.list: statuses is a list, as in statuses=[{str(statuses)!r}]")
    if not isinstance(statuses, Iterable):
        raise ConfigError(f"client.list: statuses is a list of texts, not {statuses!r}")
    texts = [str(each) for each in cast("Iterable[object]", statuses)]
    for text in texts:
        if text not in ExecutionStatus.__members__:
            known = ", ".join(ExecutionStatus)
            raise ConfigError(f"client.list: {text!r} is none of the statuses, which are {known}")
    return texts


def _milliseconds(option: str, time: datetime | None) -> int | None:
    if time is None:
        return None
    if not isinstance(cast("object", time), datetime):
        raise ConfigError(f"client.list: {option} is a datetime, not {time!r}")
    return round(time.timestamp() * 1000)
