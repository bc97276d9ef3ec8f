"""The plugin that turns what happens in executions into spans and metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import Token
from datetime import datetime
from typing import Any

from opentelemetry import context as current
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, TracerProvider, set_span_in_context

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.hooks import (
    AttemptInfo,
    CheckpointInfo,
    DurablePlugin,
    InvocationEndInfo,
    InvocationInfo,
    InvocationStatus,
    OperationInfo,
)
from durable_execution_sdk.model.operation import TERMINAL_STATUSES, OperationStatus, OperationType
from durable_execution_sdk.otel.identity import PinnedIds
from durable_execution_sdk.otel.metrics import Metrics
from durable_execution_sdk.otel.trace import (
    ExecutionTrace,
    attempt_ended,
    attempt_retried,
    end_span,
)
from durable_execution_sdk.version import __version__

__all__ = ["OpenTelemetryPlugin"]

_SCOPE = "durable_execution_sdk"
_REMEMBERED_EXECUTIONS = 64

_logger = logging.getLogger("durable_execution")


class OpenTelemetryPlugin(DurablePlugin):
    """Traces and metrics of executions, through OpenTelemetry.

    One trace per execution, however many invocations it takes: a span for the execution, one for each
    invocation, each operation and each attempt of a step. An invoked execution continues the trace of
    the one that invokes it. Ids follow from the execution's ARN and the operation's id, and each span is
    emitted once, when what it is about has ended; replay adds nothing. After an invocation that was cut
    off, what it may have taken along is emitted again, with the same ids. The span of an attempt is the
    current one in the step's body, so what instrumented libraries do there is a part of it.

    Args:
        tracer_provider: of the OpenTelemetry SDK; the global one by default, looked up at each
            invocation.
        meter_provider: the global one by default.
        flush_seconds: how long the end of an invocation may wait for exports, because Lambda freezes
            the process then; 0 does not flush.

    Raises:
        ConfigError: the provider's tracers take no ids, so it is not the SDK's; or the time is negative.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        flush_seconds: float = 2.0,
    ) -> None:
        if flush_seconds < 0:
            raise ConfigError(f"flush_seconds must be 0 or more, not {flush_seconds!r}")
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._metrics = Metrics(metrics.get_meter(_SCOPE, __version__, meter_provider))
        self._flush_seconds = flush_seconds
        self._flush: threading.Thread | None = None
        self._live: dict[str, _Live] = {}
        self._ended: OrderedDict[str, set[str]] = OrderedDict()
        if tracer_provider is not None:
            _pinnable(tracer_provider)

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """Find the trace that it belongs to, and emit what an invocation that was cut off has not."""
        live = self._live[info.execution_arn] = _Live(info.start_timestamp)
        tracer = _pinnable(self._tracer_provider or trace.get_tracer_provider())
        live.trace = None if tracer is None else ExecutionTrace(tracer, tracer.id_generator, info)
        # A suspended execution is invoked because something has changed.
        if not info.is_first_invocation and not info.updated_operations:
            for operation in info.operations.values():
                if operation.type != OperationType.EXECUTION and _has_ended(operation):
                    self._end(live, operation)

    def on_operation_start(self, info: OperationInfo) -> None:
        """Note when it began."""
        live = self._live[info.execution_arn]
        if not info.is_replay and info.start_timestamp is not None:
            live.began[info.id] = info.start_timestamp
            live.started += 1

    def on_operation_replay(self, info: OperationInfo) -> None:
        """Count it."""
        self._live[info.execution_arn].replayed += 1

    def on_operation_change(self, info: OperationInfo) -> None:
        """The log has taken note of an attempt: its span is complete."""
        attempt = self._live[info.execution_arn].noted.pop(info.id, None)
        if attempt is not None:
            span, ended_at = attempt
            if info.status == OperationStatus.PENDING:
                attempt_retried(span, info, ended_at)
            end_span(span, ended_at)

    def on_operation_end(self, info: OperationInfo) -> None:
        """Emit its span."""
        if self._end(self._live[info.execution_arn], info):
            self._metrics.operation_ended(info)

    def on_attempt_start(self, info: AttemptInfo) -> None:
        """Begin its span, and make it the current one of the body."""
        live = self._live[info.execution_arn]
        if info.attempt is None:
            return
        live.clocks[info.id] = time.perf_counter()
        if live.trace is not None:
            span = live.trace.attempt_started(info)
            live.attempts[info.id] = span, current.attach(set_span_in_context(span))

    def on_attempt_end(self, info: AttemptInfo) -> None:
        """Say how it went."""
        live = self._live[info.execution_arn]
        began = live.clocks.pop(info.id, None)
        if began is not None:
            self._metrics.attempt_ended(info, time.perf_counter() - began)
        attempt = live.attempts.pop(info.id, None)
        if attempt is not None:
            span, token = attempt
            current.detach(token)
            attempt_ended(span, info)
            live.noted[info.id] = span, info.end_timestamp or info.start_timestamp

    def on_checkpoint(self, info: CheckpointInfo) -> None:
        """Count it."""
        self._metrics.called(info)

    def on_invoke(self, info: OperationInfo) -> str | None:
        """Let the invoked execution continue this trace."""
        live = self._live[info.execution_arn]
        return None if live.trace is None else live.trace.upstream_of(info).header()

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        """Emit the spans that end here, and see that everything leaves the process."""
        live = self._live.pop(info.execution_arn)
        for span, ended_at in live.noted.values():
            end_span(span, ended_at)
        is_over = info.status in (InvocationStatus.SUCCEEDED, InvocationStatus.FAILED)
        if live.trace is not None:
            live.trace.invocation_ended(info, live.began_at, info.end_timestamp)
            if is_over and self._is_first(info.execution_arn, OperationType.EXECUTION):
                live.trace.execution_ended(info, info.end_timestamp)
                self._ended[info.execution_arn] = {OperationType.EXECUTION}
        self._metrics.invocation_ended(info.status, live.replayed, live.started)
        self._flush_all()

    def _end(self, live: _Live, info: OperationInfo) -> bool:
        """Emit an operation's span, unless this process has done so; returns whether it did."""
        if not self._is_first(info.execution_arn, info.id):
            return False
        if live.trace is not None:
            live.trace.operation_ended(info, live.began.pop(info.id, None))
        return True

    def _is_first(self, arn: str, what: str) -> bool:
        """Whether this process ends this span for the first time, as far as it remembers."""
        ended = self._ended.setdefault(arn, set())
        self._ended.move_to_end(arn)
        if len(self._ended) > _REMEMBERED_EXECUTIONS:
            self._ended.popitem(last=False)
        if what in ended or OperationType.EXECUTION in ended:
            return False
        ended.add(what)
        return True

    def _flush_all(self) -> None:
        """Export what there is, for so long and no longer: the SDK's own flush may take any time."""
        providers = (
            self._tracer_provider or trace.get_tracer_provider(),
            self._meter_provider or metrics.get_meter_provider(),
        )
        flushes: list[Any] = [getattr(each, "force_flush", None) for each in providers]
        flushes = [each for each in flushes if each is not None]
        if not self._flush_seconds or not flushes:
            return
        timeout = round(self._flush_seconds * 1000)
        if self._flush is None or not self._flush.is_alive():
            self._flush = threading.Thread(
                target=_flush,
                args=(flushes, timeout),
                name="durable-otel-flush",
                daemon=True,
            )
            self._flush.start()
        self._flush.join(self._flush_seconds)
        if self._flush.is_alive():
            _logger.warning(
                "OpenTelemetry did not export within %s s of the end of an invocation; what is left goes"
                " with the next one, or is lost",
                self._flush_seconds,
            )


class _Live:
    """What is known of the invocation of an execution that runs now."""

    def __init__(self, began_at: datetime) -> None:
        self.began_at = began_at
        self.trace: ExecutionTrace | None = None
        self.began: dict[str, datetime] = {}
        self.clocks: dict[str, float] = {}
        self.attempts: dict[str, tuple[Span, Token[Context]]] = {}
        # Attempts that are over, until the log has taken note of them.
        self.noted: dict[str, tuple[Span, datetime]] = {}
        self.started = 0
        self.replayed = 0


def _pinnable(provider: TracerProvider) -> Any:
    """This provider's tracer, able to take ids; nothing if there is no SDK that would record spans."""
    tracer: Any = provider.get_tracer(_SCOPE, __version__)
    if isinstance(tracer, (trace.NoOpTracer, trace.ProxyTracer)):
        return None
    if not (hasattr(tracer, "id_generator") and hasattr(tracer, "sampler")):
        raise ConfigError(
            f"OpenTelemetryPlugin needs a TracerProvider of the OpenTelemetry SDK, whose tracers take"
            f" ids; {type(provider).__qualname__} makes a {type(tracer).__qualname__}"
        )
    if not isinstance(tracer.id_generator, PinnedIds):
        tracer.id_generator = PinnedIds(tracer.id_generator)
    return tracer


def _flush(flushes: Sequence[Any], timeout: int) -> None:
    for flush in flushes:
        try:
            flush(timeout)
        except Exception:
            _logger.warning("OpenTelemetry could not export", exc_info=True)


def _has_ended(info: OperationInfo) -> bool:
    return info.status in TERMINAL_STATUSES
