"""A service that answers what a test tells it to: for unit tests at the client seam.

It keeps no log and knows no rules; ``LocalDurableTestRunner`` does. It is for what a service does
seldom: refuse a call, answer late or not at all, give no token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Self, TypeVar, cast

import msgspec

from durable_execution_sdk.emulator.invokers import Call, LambdaContext
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.model.ids import execution_operation_id
from durable_execution_sdk.model.invocation import InitialExecutionState, Invocation, Outcome
from durable_execution_sdk.model.operation import (
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
)
from durable_execution_sdk.model.update import OperationUpdate
from durable_execution_sdk.serdes import JsonSerDes, SerDesContext

__all__ = ["CheckpointScript", "MockDurableServiceClient", "Script"]

_Q = TypeVar("_Q")
_A = TypeVar("_A")

_ARN = (
    "arn:aws:lambda:us-east-1:123456789012:function:workflow:$LATEST/durable-execution/mock/"
    "00000000-0000-4000-8000-000000000001"
)
_FIRST_TOKEN = "token-0"  # noqa: S105 - a checkpoint token
_START = 1_767_225_600_000


class Script(Generic[_Q, _A]):
    """What a kind of call is answered with, call by call; after the last line all goes well.

    Each method adds a line and returns the script: ``script.succeed(2).throttle().succeed()``.
    """

    def __init__(self) -> None:
        self._lines: deque[Callable[[_Q], _A | None]] = deque()

    @property
    def unused(self) -> int:
        """How many lines no call has come for."""
        return len(self._lines)

    def succeed(self, times: int = 1) -> Self:
        """Answer as a service at which all is well."""
        return self._add(lambda _: None, times)

    def answer(self, answer: _A, times: int = 1) -> Self:
        """Answer with this."""
        return self._add(lambda _: answer, times)

    def answer_by(self, make: Callable[[_Q], _A], times: int = 1) -> Self:
        """Answer with what this function makes of the request."""
        return self._add(make, times)

    def fail(self, error: ServiceError, times: int = 1) -> Self:
        """Refuse the call with this error."""

        def refuse(_request: _Q) -> _A:
            raise error

        return self._add(refuse, times)

    def throttle(self, times: int = 1) -> Self:
        """Refuse the call with 429: too many of them, even after the client's own retries."""
        error = ServiceError("Rate Exceeded.", code="TooManyRequestsException", status=429)
        return self.fail(error, times)

    def server_error(self, times: int = 1) -> Self:
        """Refuse the call with 500: something is wrong at the service."""
        error = ServiceError("The service failed.", code="ServiceException", status=500)
        return self.fail(error, times)

    def stale_token(self, times: int = 1) -> Self:
        """Refuse the call because its token was used up: another invocation has taken over."""
        return self.fail(_stale_token(), times)

    def time_out(self, times: int = 1) -> Self:
        """Give no answer at all; nobody knows whether the call was carried out."""
        return self.fail(ServiceError("no answer came within 60 s"), times)

    def play(self, request: _Q) -> _A | None:
        """The answer to the next call, raised if it is an error; ``None`` if all is well."""
        return self._lines.popleft()(request) if self._lines else None

    def _add(self, line: Callable[[_Q], _A | None], times: int) -> Self:
        self._lines.extend([line] * times)
        return self


class CheckpointScript(Script[CheckpointRequest, CheckpointResponse]):
    """What checkpoints are answered with."""

    def without_token(self, times: int = 1) -> Self:
        """Accept the updates, and give no next token: the invocation may not checkpoint any more."""
        return self.answer(CheckpointResponse(), times)


class MockDurableServiceClient:
    """A ``client`` for ``durable_execution(client=...)`` or ``handler.bind(...)``, with a script.

    ``on_checkpoint`` and ``on_get_state`` are the scripts, ``checkpoints`` and ``state_requests`` what
    was asked, ``updates`` all updates in their order, and ``time`` the service's, in milliseconds. A
    call that is not in the script goes well: a checkpoint gets a next token if it has the current
    one, and a page of state is empty.
    """

    def __init__(self) -> None:
        self.on_checkpoint = CheckpointScript()
        self.on_get_state: Script[StateRequest, StatePage] = Script()
        self.checkpoints: list[CheckpointRequest] = []
        self.state_requests: list[StateRequest] = []
        self.time = _START
        self._token: str | None = _FIRST_TOKEN

    @property
    def updates(self) -> list[OperationUpdate]:
        """Every update that was sent, whether or not the call was answered."""
        return [update for request in self.checkpoints for update in request.updates]

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Answer by the script."""
        sent = wire.decode_checkpoint(
            request.durable_execution_arn, wire.encode_checkpoint(request)
        )
        self.checkpoints.append(sent)
        answer = self.on_checkpoint.play(sent) or self._next_token(sent)
        self._token = answer.checkpoint_token
        return wire.decode_checkpoint_response(wire.encode_checkpoint_response(answer))

    async def get_state(self, request: StateRequest) -> StatePage:
        """Answer by the script."""
        self.state_requests.append(request)
        answer = self.on_get_state.play(request) or StatePage()
        return wire.decode_state_page(wire.encode_state_page(answer))

    def now(self) -> int:
        """The service's time."""
        return self.time

    def invoke(
        self,
        handler: DurableHandler[Any, Any],
        event: Any,
        operations: Sequence[Operation] = (),
        *,
        next_marker: str | None = None,
        seconds: float = 900.0,
    ) -> Outcome:
        """Invoke a handler once, as Lambda would, with this service behind it.

        Args:
            handler: what ``@durable_execution`` made.
            event: what the execution was started with.
            operations: what the log holds so far, besides the execution itself.
            next_marker: says that there is more of them, for ``on_get_state``.
            seconds: how long the invocation may take.

        Raises:
            DurableError: what the handler raises so that Lambda invokes again.
        """
        if not isinstance(cast("object", handler), DurableHandler):
            raise ConfigError(
                "MockDurableServiceClient invokes the handler that @durable_execution makes of a"
                f" workflow, not {handler!r}"
            )
        self._token = _FIRST_TOKEN
        context = SerDesContext(operation_id="event", operation_name="the test's event")
        execution = Operation(
            id=execution_operation_id(_ARN),
            type=OperationType.EXECUTION,
            status=OperationStatus.STARTED,
            start_timestamp=self.time,
            execution_details=ExecutionDetails(
                input_payload=JsonSerDes[Any]().serialize(event, context)
            ),
        )
        invocation = Invocation(
            durable_execution_arn=_ARN,
            checkpoint_token=_FIRST_TOKEN,
            initial_execution_state=InitialExecutionState(
                operations=[execution, *operations], next_marker=next_marker
            ),
        )
        payload = msgspec.json.decode(msgspec.json.encode(wire.encode_invocation(invocation)))
        return wire.decode_outcome(handler.bind(self)(payload, LambdaContext(_call(seconds))))

    def _next_token(self, request: CheckpointRequest) -> CheckpointResponse:
        if request.checkpoint_token != self._token:
            raise _stale_token()
        return CheckpointResponse(checkpoint_token=f"token-{len(self.checkpoints)}")


def _stale_token() -> ServiceError:
    return ServiceError(
        "Invalid checkpoint token", code="InvalidParameterValueException", status=400
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
