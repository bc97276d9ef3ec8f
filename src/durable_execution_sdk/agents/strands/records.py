"""Models and tools of Strands whose answers and results are recorded, for the adapter ``agents.strands``.

They stand in the place of a model or a tool for one call, so that all that Strands does with what comes from it stays as
it is. A model's answer is recorded as the message that its stream makes, and streamed from the record. The step drives
the stream itself, and not a stage of Strands': the stage closes its generators when its task is cancelled, which a
generator that another task runs does not bear.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any

from strands.event_loop.streaming import process_stream
from strands.interrupt import Interrupt, InterruptException
from strands.middleware import (
    ExecuteToolContext,
    ModelStopReason,
    ToolResultEvent,
    TypedEvent,
)
from strands.types._events import ToolInterruptEvent
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.session import decode_bytes_values, encode_bytes_values

from durable_execution_sdk.agents.approval import refusal_text
from durable_execution_sdk.agents.decisions import Decision
from durable_execution_sdk.agents.marks import ToolOptions
from durable_execution_sdk.agents.model_requests import ModelOptions, request_model
from durable_execution_sdk.agents.strands.clients import client_arguments
from durable_execution_sdk.agents.strands.state import CallWrites, tracked
from durable_execution_sdk.agents.tool_calls import is_unknown, run_tool
from durable_execution_sdk.errors import (
    ChildContextError,
    DurableError,
    SerDesError,
    StepError,
)

__all__ = ["ModelRequestError", "RecordedModel", "RecordedTool", "StreamHandler", "ToolFailedError"]

StreamHandler = Callable[..., Awaitable[object] | object]

# The name of an agent that was given none.
_UNNAMED = "Strands Agents"


class ModelRequestError(StepError):
    """A request to the model failed for good; ``__cause__`` is the step's error, also of the original class.

    It is of no class that an agent's ``retry_strategy`` knows, so that retries of the step do not multiply with others.
    """


class ToolFailedError(Exception):
    """The exception behind an error result, as hooks see it: its class and text are recorded."""


class RecordedModel:
    """The model of one request, whose stream comes from a step."""

    def __init__(
        self,
        model: Any,
        agent: Any,
        agent_name: str | None,
        options: ModelOptions,
        *,
        stream_handler: StreamHandler | None = None,
        invocation_state: dict[str, Any] | None = None,
        work: str = "model",
    ) -> None:
        self._agent_name = agent_name or (None if agent.name == _UNNAMED else agent.name)
        self._model = model
        self._invocation_state = {} if invocation_state is None else invocation_state
        self._options = options
        self._stream_handler = stream_handler
        self._work = work

    def __getattr__(self, name: str) -> Any:
        """Return what the model has otherwise."""
        return getattr(self._model, name)

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the recorded answer as a stream."""

        async def request() -> Any:
            chunks = self._model.stream(*args, **kwargs)
            return encode_bytes_values(await self._answer(chunks, kwargs.get("cancel_signal")))

        try:
            answer = await request_model(
                self._agent_name,
                request,
                options=self._options,
                final=(ContextWindowOverflowException, SerDesError),
                clients=(self._model, client_arguments(self._model)),
                work=self._work,
            )
        except StepError as error:
            if isinstance(error, ContextWindowOverflowException):
                raise  # the agent shortens the conversation, and asks again
            raise ModelRequestError(str(error)) from error
        for chunk in _chunks(decode_bytes_values(answer)):
            yield chunk

    async def _answer(self, chunks: Any, cancel_signal: Any) -> dict[str, Any]:
        """Return the answer that a stream makes, and show its events to the handler."""
        answer: dict[str, Any] = {}
        redactions: list[Any] = []
        async for event in process_stream(chunks, None, cancel_signal):
            if isinstance(event, ModelStopReason):
                names = ("stop_reason", "message", "usage", "metrics")
                answer = dict(zip(names, event["stop"], strict=True))
            elif "redactContent" in event.get("event", {}):
                redactions.append(event["event"]["redactContent"])
            if self._stream_handler is not None and event.is_callback_event:
                event.prepare(self._invocation_state)
                handled = self._stream_handler(**event.as_dict())
                if isawaitable(handled):
                    await handled
        list(_chunks(answer))  # raises for what could not be restored
        return {**answer, "redactions": redactions} if redactions else answer


def _chunks(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the stream that makes an answer, each block of its message in one piece."""
    message = answer["message"]
    yield {"messageStart": {"role": message["role"]}}
    for redaction in answer.get("redactions", ()):
        yield {"redactContent": redaction}
    for block in message["content"]:
        use = block.get("toolUse", {})
        start = {"toolUse": {key: use[key] for key in use if key != "input"}} if use else {}
        yield {"contentBlockStart": {"start": start}}
        for delta in _deltas(block):
            yield {"contentBlockDelta": {"delta": delta}}
        yield {"contentBlockStop": {}}
    yield {"messageStop": {"stopReason": answer["stop_reason"]}}
    yield {"metadata": {"usage": answer["usage"], "metrics": answer["metrics"]}}


def _deltas(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    match block:
        case {"text": text}:
            return [{"text": text}]
        case {"toolUse": use}:
            return [{"toolUse": {"input": json.dumps(use["input"])}}]
        case {"reasoningContent": {"reasoningText": thought}}:
            return [{"reasoningContent": {key: thought[key]}} for key in thought]
        case {"reasoningContent": {"redactedContent": data}}:
            return [{"reasoningContent": {"redactedContent": data}}]
        case {"citationsContent": {"citations": citations, "content": [{"text": text}]}}:
            return [*({"citation": each} for each in citations), {"text": text}]
        case _:
            raise SerDesError(
                f"the answer of the model has content that cannot be restored: {', '.join(block)}"
            )


class RecordedTool:
    """The tool of one call, whose result comes from its operation.

    The record has the result as the model gets it, or the interrupts that the tool has raised, and what the tool has
    changed in its agent: its state, and its wish to stop. ``end_run`` gets an error that must end the run.
    """

    def __init__(
        self,
        context: ExecuteToolContext,
        options: ToolOptions,
        end_run: Callable[[Exception], None],
    ) -> None:
        self._tool: Any = context.tool
        self._agent: Any = context.agent
        self._options = options
        self._end_run = end_run
        self._state = tracked(self._agent)
        self._writes = CallWrites(options.in_workflow)

    def __getattr__(self, name: str) -> Any:
        """Return what the tool has otherwise."""
        return getattr(self._tool, name)

    async def stream(self, use: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[TypedEvent, None]:
        """Yield the recorded result, or the recorded interrupts."""

        async def call() -> Any:
            with self._writes.attempt(self._state):
                return encode_bytes_values(await self._outcome(use, *args, **kwargs))

        def refused(decision: Decision) -> Any:
            return {"result": _error_result(use, refusal_text(use["name"], decision))}

        try:
            recorded = await run_tool(
                use["name"],
                call,
                options=self._options,
                arguments=use["input"],
                refused=refused,
                call_id=use["toolUseId"],
            )
        except DurableError as error:
            is_of_tool = isinstance(error, StepError | ChildContextError)
            if is_unknown(error, self._options) or not is_of_tool:
                self._end_run(error)
            text = f"{getattr(error, 'error_type', type(error).__name__)} - {error}"
            recorded = {"result": _error_result(use, f"Error: {text}"), "exception": text}
        except BaseException:
            self._state.ended(self._writes, {})
            raise
        outcome = decode_bytes_values(recorded)
        self._change(outcome)
        if "interrupts" in outcome:
            yield ToolInterruptEvent(use, [Interrupt(**each) for each in outcome["interrupts"]])
            return
        cause = outcome.get("exception")
        yield ToolResultEvent(outcome["result"], None if cause is None else ToolFailedError(cause))

    async def _outcome(self, use: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run the tool, and return what is recorded of the call."""
        stop = self._wish_to_stop()
        text = f"Tool '{use['name']}' did not return a result"
        outcome: dict[str, Any] = {"result": _error_result(use, text)}
        try:
            async with aclosing(self._tool.stream(use, *args, **kwargs)) as events:
                async for event in events:
                    if isinstance(event, ToolInterruptEvent):
                        outcome = {"interrupts": [each.to_dict() for each in event.interrupts]}
                    elif isinstance(event, ToolResultEvent):
                        outcome = self._result(event)
                    else:  # of a tool that streams plain values, the last is the result
                        outcome = {"result": event}
        except InterruptException as interruption:
            outcome = {"interrupts": [interruption.interrupt.to_dict()]}
        except Exception as error:
            if self._options.retry_strategy is not None:
                raise
            outcome = {"result": _error_result(use, f"Error: {error}"), "exception": _shown(error)}
        if self._writes.writes:
            outcome["writes"] = self._writes.record
        if stop != self._wish_to_stop():
            outcome["stop"] = self._wish_to_stop()
        return outcome

    def _result(self, event: ToolResultEvent) -> dict[str, Any]:
        if event.exception is None:
            return {"result": event.tool_result}
        if self._options.retry_strategy is not None:
            raise event.exception
        return {"result": event.tool_result, "exception": _shown(event.exception)}

    def _wish_to_stop(self) -> dict[str, Any]:
        return {
            "now": self._agent.cancel_signal.is_set(),
            "after_current_tools": getattr(self._agent, "_deferred_cancel", False),
            "message": getattr(self._agent, "_cancel_message", None),
        }

    def _change(self, outcome: Mapping[str, Any]) -> None:
        """Change the agent as the tool did, maybe in an earlier invocation."""
        self._state.ended(self._writes, outcome.get("writes", {}))
        stop = outcome.get("stop", {})
        for wish in ("now", "after_current_tools"):
            if stop.get(wish):
                self._agent.cancel(message=stop["message"], after_current_tools=wish != "now")


def _shown(error: Exception) -> str:
    return f"{type(error).__name__} - {error}"


def _error_result(use: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"toolUseId": use["toolUseId"], "status": "error", "content": [{"text": text}]}
