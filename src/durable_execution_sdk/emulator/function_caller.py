"""Call a function with Lambda's limits: its timeout and the size of its response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from durable_execution_sdk.emulator.data_plane import DataPlaneWrapper, EmulatorDataPlane
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.invokers import Answer, Call, Invoker, timeout_error
from durable_execution_sdk.emulator.functions.registry import Function, Resolved
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.control_plane import InvokeRequest
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import MAX_RESPONSE_BYTES


@dataclass(frozen=True, kw_only=True)
class Wrappers:
    """Wrappers around the data plane and the invokers of a test, for faults and latency.

    ``data_plane`` gets the data plane of all functions once, ``invoker`` that of each function, and each returns the
    one that is used in its place.
    """

    data_plane: DataPlaneWrapper = lambda plane: plane
    invoker: Callable[[Invoker], Invoker] = lambda invoker: invoker


class FunctionCaller:
    """Calls functions; connects each to the data plane once, like a warm Lambda environment."""

    def __init__(self, emulator: Emulator, wrappers: Wrappers) -> None:
        self._emulator = emulator
        self._wrappers = wrappers
        self._plane: DataPlane = wrappers.data_plane(EmulatorDataPlane(emulator))
        self._invokers: dict[tuple[str, str], tuple[Function, Invoker]] = {}

    def prepare(
        self,
        function: Function,
        version: str,
        payload: bytes,
        tenant_id: str | None,
        request_id: str | None = None,
        trace_header: str | None = None,
    ) -> Call:
        """Return a call of the function whose timeout counts from now."""
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

    def prepared(
        self, target: Resolved, payload: bytes, request: InvokeRequest
    ) -> tuple[Function, Call]:
        """Return the arguments of ``answer`` for a function and version."""
        function, version = target.function, target.version
        header = request.trace_header
        call = self.prepare(function, version, payload, request.tenant_id, trace_header=header)
        return function, call

    def answer(self, function: Function, call: Call) -> Answer:
        """Call the function in this thread; too late or too large a response becomes an error."""
        answer = self._invoker(function, call.version)(call)
        if answer.is_interrupted:
            return answer
        if call.remaining() < 0 and not answer.is_timed:
            return Answer(error=timeout_error(call.request_id, function.timeout))
        if len(answer.payload) > MAX_RESPONSE_BYTES:
            return Answer(
                error=ErrorObject(
                    error_type="Function.ResponseSizeTooLarge",
                    error_message=(
                        f"Response payload size ({len(answer.payload)} bytes) exceeded maximum"
                        f" allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
                    ),
                )
            )
        return answer

    def _invoker(self, function: Function, version: str) -> Invoker:
        entry = self._invokers.get((function.name, version))
        if entry is None or entry[0] is not function:
            entry = (function, self._wrappers.invoker(function.connect(self._plane)))
            self._invokers[function.name, version] = entry
        return entry[1]
