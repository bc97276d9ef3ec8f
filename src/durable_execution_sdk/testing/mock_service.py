"""A scripted service, for unit tests of a handler against rare responses of the service.

It has no log and no rules, which ``LocalDurableTestRunner`` has. Use it to refuse a call, to lose a
response, or to return no token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Self, TypeVar, cast

import msgspec

from durable_execution_sdk.emulator.clock import VIRTUAL_START
from durable_execution_sdk.emulator.functions.invokers import Call, LambdaContext
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    InitialExecutionState,
    Invocation,
    Outcome,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.error_codes import (
    INVALID_PARAMETER,
    SERVICE_FAILED,
    STATUS,
    TOO_MANY_REQUESTS,
)
from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.limits import LONGEST_INVOCATION_SECONDS
from durable_execution_sdk.protocol.operations import (
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.serdes import JsonSerDes, ValueContext

__all__ = ["MockDurableServiceClient", "ScriptedAnswers", "ScriptedCheckpoints"]

_Q = TypeVar("_Q")
_A = TypeVar("_A")

_ARN = (
    "arn:aws:lambda:us-east-1:123456789012:function:workflow:$LATEST/durable-execution/mock/"
    "00000000-0000-4000-8000-000000000001"
)
_FIRST_TOKEN = "token-0"  # noqa: S105 - a checkpoint token


class ScriptedAnswers(Generic[_Q, _A]):
    """The responses to one kind of call, in order; calls after the last one succeed.

    Each method adds responses and returns the script: ``script.succeed(2).throttle().succeed()``.
    """

    def __init__(self) -> None:
        self._lines: deque[Callable[[_Q], _A | None]] = deque()

    @property
    def unused(self) -> int:
        """The number of responses that are left."""
        return len(self._lines)

    def succeed(self, times: int = 1) -> Self:
        """Succeed with the default response."""
        return self._add(lambda _: None, times)

    def answer(self, answer: _A, times: int = 1) -> Self:
        """Succeed with this response."""
        return self._add(lambda _: answer, times)

    def answer_by(self, make: Callable[[_Q], _A], times: int = 1) -> Self:
        """Succeed with the response that ``make(request)`` returns."""
        return self._add(make, times)

    def fail(self, error: ServiceError, times: int = 1) -> Self:
        """Refuse the call with this error."""

        def refuse(_request: _Q) -> _A:
            raise error

        return self._add(refuse, times)

    def throttle(self, times: int = 1) -> Self:
        """Refuse the call with 429, as after the last retry of a throttled client."""
        error = ServiceError(
            "Rate Exceeded.", code=TOO_MANY_REQUESTS, status=STATUS[TOO_MANY_REQUESTS]
        )
        return self.fail(error, times)

    def server_error(self, times: int = 1) -> Self:
        """Refuse the call with 500, an internal error of the service."""
        error = ServiceError(
            "The service failed.", code=SERVICE_FAILED, status=STATUS[SERVICE_FAILED]
        )
        return self.fail(error, times)

    def stale_token(self, times: int = 1) -> Self:
        """Refuse the call because of its token, as when another invocation has taken over."""
        return self.fail(_stale_token(), times)

    def time_out(self, times: int = 1) -> Self:
        """Time out: there is no response, and the call may or may not have been carried out."""
        return self.fail(ServiceError("no answer came within 60 s"), times)

    def play(self, request: _Q) -> _A | None:
        """Return or raise the next response; ``None`` stands for the default response."""
        return self._lines.popleft()(request) if self._lines else None

    def _add(self, line: Callable[[_Q], _A | None], times: int) -> Self:
        self._lines.extend([line] * times)
        return self


class ScriptedCheckpoints(ScriptedAnswers[CheckpointRequest, CheckpointResponse]):
    """The responses to checkpoints."""

    def without_token(self, times: int = 1) -> Self:
        """Accept the updates and return no token: the invocation may not checkpoint any more."""
        return self.answer(CheckpointResponse(), times)


class MockDurableServiceClient:
    """A scripted ``client`` for ``durable_execution(client=...)`` or ``handler.bind(...)``.

    ``on_checkpoint`` and ``on_get_state`` are the scripts; ``checkpoints``, ``state_requests`` and
    ``updates`` are the received requests and their updates, in order; ``time`` is the service's time in
    milliseconds since the epoch. By default a checkpoint with the current token succeeds with a new
    token, and a page of state is empty.
    """

    def __init__(self) -> None:
        self.on_checkpoint = ScriptedCheckpoints()
        self.on_get_state: ScriptedAnswers[StateRequest, StatePage] = ScriptedAnswers()
        self.checkpoints: list[CheckpointRequest] = []
        self.state_requests: list[StateRequest] = []
        self.time = VIRTUAL_START
        self._token: str | None = _FIRST_TOKEN

    @property
    def updates(self) -> list[OperationUpdate]:
        """All updates received, also those of calls that failed."""
        return [update for request in self.checkpoints for update in request.updates]

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record the request, and respond by the script."""
        decoded = codec.decode_checkpoint(
            request.durable_execution_arn, codec.encode_checkpoint(request)
        )
        self.checkpoints.append(decoded)
        answer = self.on_checkpoint.play(decoded) or self._next_token(decoded)
        self._token = answer.checkpoint_token
        return codec.decode_checkpoint_response(codec.encode_checkpoint_response(answer))

    async def get_state(self, request: StateRequest) -> StatePage:
        """Record the request, and respond by the script."""
        self.state_requests.append(request)
        answer = self.on_get_state.play(request) or StatePage()
        return codec.decode_state_page(codec.encode_state_page(answer))

    def now(self) -> int:
        """Return the service's time."""
        return self.time

    def invoke(
        self,
        handler: AnyHandler,
        event: object,
        operations: Sequence[Operation] = (),
        *,
        next_marker: str | None = None,
        seconds: float = LONGEST_INVOCATION_SECONDS,
    ) -> Outcome:
        """Invoke a handler once, as Lambda would, against this service.

        Args:
            handler: the handler that ``@durable_execution`` made.
            event: the execution's input.
            operations: the operations in the log, without the execution itself.
            next_marker: the marker for further operations, which ``on_get_state`` returns.
            seconds: the invocation's time limit.

        Raises:
            DurableError: the handler raised, so that Lambda would invoke it again.
        """
        if not isinstance(cast("object", handler), DurableHandler):
            raise ConfigError(
                "MockDurableServiceClient invokes the handler that @durable_execution makes of a"
                f" workflow, not {handler!r}"
            )
        self._token = _FIRST_TOKEN
        context = ValueContext(operation_id="event", subject="the event of the test")
        execution = Operation(
            id=execution_operation_id(_ARN),
            type=OperationType.EXECUTION,
            status=OperationStatus.STARTED,
            start_timestamp=self.time,
            execution_details=ExecutionDetails(
                input_payload=JsonSerDes[object]().serialize(event, context)
            ),
        )
        invocation = Invocation(
            durable_execution_arn=_ARN,
            checkpoint_token=_FIRST_TOKEN,
            initial_execution_state=InitialExecutionState(
                operations=[execution, *operations], next_marker=next_marker
            ),
        )
        payload = msgspec.json.decode(msgspec.json.encode(codec.encode_invocation(invocation)))
        return codec.decode_outcome(handler.bind(self)(payload, LambdaContext(_call(seconds))))

    def _next_token(self, request: CheckpointRequest) -> CheckpointResponse:
        if request.checkpoint_token != self._token:
            raise _stale_token()
        return CheckpointResponse(checkpoint_token=f"token-{len(self.checkpoints)}")


def _stale_token() -> ServiceError:
    return ServiceError(
        "Invalid checkpoint token", code=INVALID_PARAMETER, status=STATUS[INVALID_PARAMETER]
    )


def _call(seconds: float) -> Call:
    return Call(
        request_id="00000000-0000-4000-8000-000000000002",
        function_name="workflow",
        version="$LATEST",
        function_arn=_ARN.partition("/")[0],
        payload=b"",
        remaining=lambda: round(seconds * 1000),
    )
