"""The service's API over the engine, as synchronous calls from any thread.

Refused requests raise ``ServiceError`` with the error codes of the service.

The module is long because it has one method for each call of the API, a table that is read whole.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from typing import cast

import msgspec

from durable_execution_sdk.emulator.clock import Clock
from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.emulator.event_bus import Observer
from durable_execution_sdk.emulator.faults.live import LiveFaults
from durable_execution_sdk.emulator.functions.registry import Functions, unqualified
from durable_execution_sdk.emulator.ids import Ids, unique_id
from durable_execution_sdk.emulator.json_input import json_text
from durable_execution_sdk.emulator.reading import ReadingCoordinator
from durable_execution_sdk.emulator.repository import recorded_status
from durable_execution_sdk.emulator.steering.chains import time_of_chain
from durable_execution_sdk.emulator.steering.deletion import delete_older
from durable_execution_sdk.emulator.steering.execution_times import (
    TimeReading,
    advance,
    catch_up,
    read_time,
    set_mode,
)
from durable_execution_sdk.emulator.steering.holds import Holds
from durable_execution_sdk.emulator.steering.new_executions import fork, rerun
from durable_execution_sdk.emulator.stores.store import Counts, ExecutionRecord, Search, Store
from durable_execution_sdk.engine.commands import (
    AcceptCode,
    Checkpoint,
    CompleteCallback,
    DeleteExecution,
    FailCallback,
    FunctionTarget,
    HeartbeatCallback,
    PauseExecution,
    ResumeExecution,
    StartExecution,
    StopExecution,
)
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.execution_time import (
    REAL_TIME,
    ExecutionTime,
    TimeMode,
    time_in_mode,
)
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.rejections import Rejected, invalid, not_found
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.engine.views.description import describe
from durable_execution_sdk.engine.views.handler_view import checkpoint_response, state_page
from durable_execution_sdk.engine.views.history import history_page
from durable_execution_sdk.engine.views.progress import (
    CustomStatus,
    ExecutionProgress,
    Tally,
    progress,
    tally,
)
from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.ports import EXPECTED_ANSWERS
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    ExecutionSummary,
    HistoryPage,
    HistoryRequest,
    InvocationType,
    InvokeRequest,
    ListPage,
    ListRequest,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.error_codes import NOT_FOUND
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import (
    LONGEST_TIMER_SECONDS,
    MAX_EXECUTION_NAME_CHARACTERS,
)
from durable_execution_sdk.protocol.operations import Operation

_EXECUTION_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_EXECUTION_NAME_CHARACTERS}}}")


class Emulator:
    """The service over a store, a clock and a registry of functions.

    It records and responds; a ``Driver`` calls the functions and waits for deadlines. ``secret`` goes
    into tokens and callback ids, so that they cannot be guessed; it is random unless given. With ``""``
    they are the same in each run of a test. ``time_mode`` is that of executions which are started.
    ``faults`` are those that strike the checkpoints of running executions. ``holds`` keeps executions from
    being invoked. One that ``reads_only`` shows what is recorded, and refuses all else.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        functions: Functions,
        *,
        limits: Limits = DEFAULT_LIMITS,
        ids: Ids = unique_id,
        secret: str | None = None,
        time_mode: TimeMode = TimeMode.REAL,
        reads_only: bool = False,
    ) -> None:
        self.store = store
        self.clock = clock
        self.functions = functions
        self.limits = limits
        self.ids = ids
        self.secret = secrets.token_hex(16) if secret is None else secret
        self.time_mode = time_mode
        self.coordinator = (ReadingCoordinator if reads_only else Coordinator)(store, clock, limits)
        self.faults = LiveFaults(self.coordinator)
        self.holds = Holds(self.coordinator)

    # The data plane

    def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, all or none; the token is valid once, the response has the next one."""
        if self.faults.is_planned(request.durable_execution_arn):
            return self.faults.checkpoint(request, self._record)
        return self._record(request)

    def _record(self, request: CheckpointRequest) -> CheckpointResponse:
        functions: dict[str, FunctionTarget | ErrorObject] = {}
        for update in request.updates:
            options = update.chained_invoke_options
            if options is not None:
                functions[options.function_name] = self.functions.target(options.function_name)
        token, client_token = request.checkpoint_token, request.client_token
        try:
            return self.coordinator.answer(
                request.durable_execution_arn,
                Checkpoint(
                    token=token,
                    updates=request.updates,
                    client_token=client_token,
                    functions=functions,
                    secret=self.secret,
                ),
                lambda state: checkpoint_response(state, token, client_token, self.limits),
            )
        except Rejected as error:
            raise _as_invalid(error) from None

    def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, in the order in which they started."""
        with self.coordinator.holding():
            try:
                return state_page(
                    self.coordinator.recorded(request.durable_execution_arn),
                    request.checkpoint_token,
                    request.marker,
                    request.max_items,
                    self.limits,
                )
            except Rejected as error:
                raise _as_invalid(error) from None

    # The control plane

    def start(self, request: InvokeRequest) -> str:
        """Start an execution, or find the one with its name and input; return its ARN."""
        resolved = self.functions.resolve(request.function_name, request.qualifier)
        if not resolved.function.durable:
            raise invalid(f"The function {resolved.function.name} is not a durable function.")
        if not resolved.qualified:
            raise invalid(unqualified(request.function_name))
        name = _checked_name(request.durable_execution_name or self.ids())
        state = self.coordinator.start(
            StartExecution(
                arn=f"{resolved.arn}/durable-execution/{name}/{self.ids()}",
                input=json_text(request.payload),
                execution_timeout=resolved.function.execution_timeout or LONGEST_TIMER_SECONDS,
                retention=resolved.function.retention_days,
                function_arn=resolved.arn,
                synchronous=request.invocation_type is InvocationType.REQUEST_RESPONSE,
                tenant_id=request.tenant_id,
                trace_id=request.trace_header,
                time=time_of_chain(self.coordinator, resolved.function.name, name)
                or self._starting_time(),
            )
        )
        return state.arn

    def describe(self, arn: str, *, include_execution_data: bool = True) -> ExecutionDescription:
        """Return status, input, result and error of an execution."""
        with self.coordinator.holding():
            state = self.coordinator.state(_checked(arn))
            return describe(state, include_execution_data=include_execution_data)

    def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of an execution's events, as the API shows them."""
        with self.coordinator.holding():
            arn = _checked(request.durable_execution_arn)
            self.coordinator.state(arn)
            return history_page(self.coordinator.events(arn), request, self.limits)

    def list_executions(self, request: ListRequest) -> ListPage:
        """Read a page of a function's executions, newest first unless reversed."""
        name, version = self.functions.listed(request.function_name, request.qualifier)
        size = min(request.max_items or self.limits.page_items, self.limits.max_page_items)
        search = Search(
            function=name,
            version=version,
            name=request.durable_execution_name,
            statuses=request.statuses,
            started_after=request.started_after,
            started_before=request.started_before,
            oldest_first=request.reverse_order,
            after=_position(request.marker),
            limit=size + 1,
        )
        with self.coordinator.holding():
            self.coordinator.refresh()
            records = self.store.search(search)
        if not records and self.functions.get(name) is None:
            raise not_found(f"Function not found: {self.functions.arn(name)}")
        return ListPage(
            durable_executions=[_summary(record) for record in records[:size]],
            next_marker=_marker(records[size - 1]) if len(records) > size else None,
        )

    def stop(self, arn: str, error: ErrorObject | None = None) -> int:
        """End an execution as STOPPED; return the time of its end."""
        ended_at = self.coordinator.submit(_checked(arn), StopExecution(error=error)).ended_at
        assert ended_at is not None
        return ended_at

    def pause(self, arn: str, request: PauseRequest) -> None:
        """Stop invoking the handler until the execution is resumed."""
        self.coordinator.submit(
            _checked(arn),
            PauseExecution(
                execution_timeout_paused=request.execution_timeout_paused is not False,
                reason=request.reason,
                client_token=request.client_token,
            ),
        )

    def resume(self, arn: str, request: ResumeRequest) -> None:
        """Resume a paused execution."""
        self.coordinator.submit(
            _checked(arn), ResumeExecution(reason=request.reason, client_token=request.client_token)
        )

    def delete(self, arn: str) -> int:
        """Delete a closed execution and its data; return the time of the deletion."""
        deleted_at = self.coordinator.submit(_checked(arn), DeleteExecution()).deleted_at
        assert deleted_at is not None
        return deleted_at

    def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Complete a callback with a result, any bytes that are UTF-8."""
        try:
            text = None if result is None else result.decode()
        except UnicodeDecodeError as error:
            raise invalid(f"The result of a callback is UTF-8 text: {error}") from error
        arn, operation_id = parse_callback_id(callback_id)
        self.coordinator.submit(
            arn, CompleteCallback(operation_id=operation_id, callback_id=callback_id, result=text)
        )
        EXPECTED_ANSWERS.forget(callback_id)

    def readable_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Complete a callback like ``callback_success``, but refuse a result that its serdes cannot read.

        The serdes is known only for callbacks that code in this process waits for. AWS accepts any
        result, and so does ``callback_success``.
        """
        try:
            EXPECTED_ANSWERS.check(callback_id, result)
        except SerDesError as error:
            raise invalid(
                f"The code that waits for the callback cannot read this: {error}"
            ) from error
        self.callback_success(callback_id, result)

    def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Complete a callback with an error."""
        arn, operation_id = parse_callback_id(callback_id)
        self.coordinator.submit(
            arn, FailCallback(operation_id=operation_id, callback_id=callback_id, error=error)
        )

    def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        arn, operation_id = parse_callback_id(callback_id)
        self.coordinator.submit(
            arn, HeartbeatCallback(operation_id=operation_id, callback_id=callback_id)
        )

    # Beyond the API of the service

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Call ``observer`` with all events once they are stored, also those of other processes.

        The returned function ends the subscription. An observer's exception is logged and changes
        nothing else.
        """
        return self.coordinator.subscribe(observer)

    def fork(
        self,
        arn: str,
        *,
        before: str | None = None,
        payload: str | None = None,
        results: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> str:
        """Add an execution that has done what another had done by a moment; return its ARN.

        Args:
            arn: The execution to fork, open or closed.
            before: The id of the operation that the fork does anew, with everything recorded after it;
                with ``None`` it has everything that has ended.
            payload: Another input.
            results: Other results by operation id, as the text that the operation would record.
            name: The name of the fork; one is made if left out.
        """
        return fork(
            self.coordinator,
            self.ids,
            self.secret,
            _checked(arn),
            before=before,
            payload=None if payload is None else json_text(payload.encode()),
            results=results,
            name=None if name is None else _checked_name(name),
        )

    def rerun(self, arn: str, *, payload: str | None = None, name: str | None = None) -> str:
        """Start an execution of the same function version with the same input, or another; return its ARN."""
        return rerun(
            self.coordinator,
            self.ids,
            _checked(arn),
            payload=None if payload is None else json_text(payload.encode()),
            name=None if name is None else _checked_name(name),
            time=self._starting_time(),
        )

    def accept_code(self, arn: str, code: str) -> None:
        """Let an execution go on with code of this digest, even if a rehearsal finds that it fails."""
        self.coordinator.submit(_checked(arn), AcceptCode(code=code))

    def delete_older(self, milliseconds: int) -> int:
        """Delete the executions that ended at least so long ago by the clock; return their number."""
        return delete_older(self.coordinator, milliseconds)

    def _starting_time(self) -> ExecutionTime:
        now = self.clock.now()
        is_real = self.time_mode is TimeMode.REAL
        return REAL_TIME if is_real else time_in_mode(self.time_mode, now, now)

    def set_time_mode(self, arn: str, mode: TimeMode) -> None:
        """Change the way in which time passes for an execution and those that it invoked."""
        set_mode(self.coordinator, _checked(arn), mode)

    def advance(self, arn: str, milliseconds: int | None = None) -> int:
        """Advance an execution's time, to its next deadline if no time is given; return the end's time.

        Each deadline on the way fires at its time, and a driver runs the code that it wakes before time
        goes on. Open callbacks do not hold up an advance. Executions that it invoked advance with it.
        """
        return advance(self.coordinator, _checked(arn), milliseconds)

    def time(self, arn: str) -> TimeReading:
        """Return an execution's time: its mode, its offset from the clock, and the time now."""
        return read_time(self.coordinator, _checked(arn))

    def now(self, arn: str) -> int:
        """Return an execution's time, in milliseconds since the epoch."""
        return self.time(arn).now

    def skip_real_time(self) -> None:
        """Skip time, while this emulator is open, also for executions whose time is real."""
        with self.coordinator.holding():
            self.coordinator.schedule.skip_real_time()

    def catch_up(self, arn: str) -> None:
        """Move an execution's time to the last event of its log.

        The log may have been written with a clock that was ahead of this one.
        """
        catch_up(self.coordinator, _checked(arn))

    def operations(self, arn: str) -> list[Operation]:
        """Return all operations of an execution in start order."""
        with self.coordinator.holding():
            state = self.coordinator.state(_checked(arn))
            return [state.operations[operation_id] for operation_id in state.order]

    def progress(self, arn: str) -> ExecutionProgress:
        """Return the progress of an execution and of each of its operations."""
        with self.coordinator.holding():
            return progress(self.coordinator.state(_checked(arn)))

    def snapshot(self, arn: str) -> ExecutionState:
        """Return a copy of the state of an execution that does not change afterwards."""
        with self.coordinator.holding():
            return self.coordinator.state(_checked(arn)).copied()

    def recording(self, arn: str) -> Callable[[], list[Event]]:
        """Return a function that decodes and returns the events stored up to now."""
        return self.coordinator.recording(_checked(arn))

    def counts(self, record: ExecutionRecord) -> Counts:
        """Return the numbers of an execution's operations and attempts, without reading its log if the store has them."""
        return self.coordinator.counts(record)

    def custom_status(self, record: ExecutionRecord) -> CustomStatus | None:
        """Return the status that the code of an execution set last, without reading the rest of its log."""
        return recorded_status(self.store, record)

    def tally(self, arn: str) -> Tally:
        """Count an execution's invocations, operations and checkpoints."""
        with self.coordinator.holding():
            return tally(self.coordinator.state(_checked(arn)), self.coordinator.events(arn))

    def is_closed(self, arn: str) -> bool:
        """True once an execution has ended, with any status, or was deleted."""
        with self.coordinator.holding():
            state = self.coordinator.find(arn)
            return state is None or state.is_closed

    def find_name(self, name: str) -> str | None:
        """Return the ARN of the execution that has this name, if any."""
        with self.coordinator.holding():
            record = self.store.find_name(name)
        return None if record is None else record.arn

    def close(self) -> None:
        """Close the store."""
        self.coordinator.close()


def _as_invalid(error: Rejected) -> Rejected:
    # The data plane's API has no ResourceNotFoundException.
    return invalid(error.message) if error.code == NOT_FOUND else error


def _checked(arn: str) -> str:
    try:
        ExecutionArn.parse(arn)
    except ValueError as error:
        raise invalid(str(error)) from error
    return arn


def _checked_name(name: str) -> str:
    if not isinstance(cast("object", name), str) or not _EXECUTION_NAME.fullmatch(name):
        raise invalid(
            f"The name of a durable execution is 1 to {MAX_EXECUTION_NAME_CHARACTERS} letters, digits, '-' and '_': {name!r}"
        )
    return name


def _summary(record: ExecutionRecord) -> ExecutionSummary:
    return ExecutionSummary(
        durable_execution_arn=record.arn,
        durable_execution_name=record.name,
        function_arn=ExecutionArn.parse(record.arn).function_arn,
        status=record.status,
        start_timestamp=record.started_at,
        end_timestamp=record.ended_at,
    )


def _marker(record: ExecutionRecord) -> str:
    return base64.b64encode(msgspec.json.encode([record.started_at, record.number])).decode()


def _position(marker: str | None) -> tuple[int, int] | None:
    if not marker:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(marker, validate=True), type=tuple[int, int])
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid(f"Invalid Marker {marker!r}: use the NextMarker of a response.") from error
