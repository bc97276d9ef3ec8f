"""One call of one function: its context, its timeout, the size of its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from durable_execution_sdk.emulator.data_plane import EmulatorDataPlane, Seam
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions import Function
from durable_execution_sdk.emulator.invokers import Answer, Call, Invoker, timeout_error
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.service import DataPlane

RESPONSE_BYTES = 6 * 1024 * 1024 + 100
"""What a function may answer at most; Lambda allows these few bytes beyond 6 MiB."""


@dataclass(frozen=True, kw_only=True)
class Seams:
    """Where something can be put between the emulator and what it calls, and what calls it."""

    data_plane: Seam = lambda plane: plane
    invoker: Callable[[Invoker], Invoker] = lambda invoker: invoker


class Caller:
    """Calls functions; a function is connected to the data plane once, as a warm one is."""

    def __init__(self, emulator: Emulator, seams: Seams) -> None:
        self._emulator = emulator
        self._seams = seams
        self._plane: DataPlane = seams.data_plane(EmulatorDataPlane(emulator))
        self._invokers: dict[str, tuple[Function, Invoker]] = {}

    def prepare(
        self,
        function: Function,
        version: str,
        payload: bytes,
        tenant_id: str | None,
        request_id: str | None = None,
        trace_header: str | None = None,
    ) -> Call:
        """Make the call: from now on its time runs."""
        ends_at = self._emulator.clock.now() + round(function.timeout * 1000)
        return Call(
            request_id=request_id or self._emulator.ids(),
            function_name=function.name,
            version=version,
            function_arn=self._emulator.functions.arn(function.name, version),
            payload=payload,
            remaining=lambda: ends_at - self._emulator.clock.now(),
            memory_mb=function.memory_mb,
            tenant_id=tenant_id,
            trace_header=trace_header,
        )

    def answer(self, function: Function, call: Call) -> Answer:
        """Call the function in this thread; one that took or answered too much has failed."""
        answer = self._invoker(function)(call)
        if call.remaining() < 0:
            return Answer(error=timeout_error(call.request_id, function.timeout))
        if len(answer.payload) > RESPONSE_BYTES:
            return Answer(
                error=ErrorObject(
                    error_type="Function.ResponseSizeTooLarge",
                    error_message=(
                        f"Response payload size ({len(answer.payload)} bytes) exceeded maximum"
                        f" allowed payload size ({RESPONSE_BYTES} bytes)."
                    ),
                )
            )
        return answer

    def _invoker(self, function: Function) -> Invoker:
        known = self._invokers.get(function.name)
        if known is None or known[0] is not function:
            known = (function, self._seams.invoker(function.connect(self._plane)))
            self._invokers[function.name] = known
        return known[1]
