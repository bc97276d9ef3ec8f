"""Durable agents of LangChain: the middleware ``Durability`` of ``create_agent``.

::

    agent = create_agent("openai:gpt-5", tools=[search, refund], middleware=[Durability()])

    @durable_execution
    async def handler(question: str, ctx: DurableContext) -> str:
        result = await agent.ainvoke({"messages": [HumanMessage(question)]})
        return result["messages"][-1].text

A request to the model is a step, and a call of a tool is a step or a child context. The graph with its tasks for tools and
its other middleware is workflow code, and keeps nothing from run to run. In place of the model stands, for one request,
one that records the message, so that the agent makes its structured response again on replay.

Who retries: the step repeats a request, and the client's own retries are off meanwhile. Errors that LangChain or middleware
hands to the model go there. Others are retried by the tool's step, and then end the run.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from inspect import isawaitable
from typing import Any
from weakref import WeakKeyDictionary

try:
    import langsmith
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] not in ("langsmith", "langchain"):
        raise
    raise ModuleNotFoundError(
        "durable_execution_sdk.agents.langchain needs LangChain: pip install"
        " 'durable-execution-sdk[langchain]'",
        name=_missing.name,
    ) from _missing
from langchain_core.messages import (
    AIMessageChunk,
    BaseMessage,
    ToolMessage,
    message_chunk_to_message,
    message_to_dict,
    messages_from_dict,
)
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp
from langgraph.graph import message
from langgraph.prebuilt.tool_node import ToolCallRequest

from durable_execution_sdk.agents.approval import refusal_text
from durable_execution_sdk.agents.decisions import Decision
from durable_execution_sdk.agents.langchain.side_models import clients_of, record_side_models
from durable_execution_sdk.agents.langchain.values import data_of, value_of
from durable_execution_sdk.agents.marks import ToolOptions, check_tool_names, options_of
from durable_execution_sdk.agents.model_requests import ModelOptions, request_model
from durable_execution_sdk.agents.tool_calls import also_a, current_context, is_unknown, run_tool
from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.errors import ConfigError, ContextMisuseError, OperationError
from durable_execution_sdk.runtime.current import get_current
from durable_execution_sdk.runtime.tasks import WorkflowTask

__all__ = ["Durability"]

StreamHandler = Callable[[AIMessageChunk], Awaitable[object] | object]

# Lambda's context of the invocation in which each checkpointer was first used.
_checkpointers: WeakKeyDictionary[Any, object] = WeakKeyDictionary()


class Durability(AgentMiddleware[Any, Any]):
    """Makes the runs of an agent durable inside a handler; outside of one the agent is as it was.

    It stands last in ``middleware``, after those that choose the model; none repeats a call that is at most once. A request
    to the model costs one operation, and so does a call of a tool. One instance may serve several agents.

    Args:
        name: the agent's name in operations; that of ``create_agent`` by default, where LangChain tells it.
        model: options of model requests.
        tools: options of tools by name, in place of the marks of their functions; for tools of MCP servers too.
        stream_handler: called with each chunk of an answer while its step runs, not on replay; may be ``async``.

    Raises (in a run):
        ConfigError: ``tools`` names a tool that a request does not have; middleware after this one chose the model; the
            checkpointer is older than the invocation.
        ContextMisuseError: the agent was invoked by a sync method in workflow code, or a tool has called ``interrupt``.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        model: ModelOptions | None = None,
        tools: Mapping[str, ToolOptions] | None = None,
        stream_handler: StreamHandler | None = None,
    ) -> None:
        super().__init__()
        self._agent_name = name
        self._model_options = model or ModelOptions()
        self._tool_options = dict(tools or {})
        self._stream_handler = stream_handler
        _make_repeatable()

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Let a sync request pass, outside of workflow code."""
        _refuse_sync()
        return handler(request)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Let the model's message come from a step."""
        ctx = current_context()
        if ctx is None:
            return await handler(request)
        _check_checkpointer(ctx)
        name = self._agent_name or get_config().get("metadata", {}).get("lc_agent_name")
        known = (each.name for each in request.tools if isinstance(each, BaseTool))
        check_tool_names(self._tool_options, known, name or "of LangChain")
        model: Any = _RecordedModel(request.model, name, self._model_options, self._stream_handler)
        response = await handler(request.override(model=model))
        if not model.was_asked:
            raise ConfigError(
                "middleware after Durability() answered in place of the model that is recorded, or chose another:"
                " put Durability() last in middleware="
            )
        return response

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]
    ) -> Any:
        """Let a sync call pass, outside of workflow code."""
        _refuse_sync()
        return handler(request)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Run a call of a tool as its options have it, and return its result."""
        call = request.tool_call
        if current_context() is None or request.tool is None:
            return await handler(request)

        async def run() -> Any:
            try:
                return data_of(await handler(request))
            except GraphBubbleUp as error:
                return {"interrupt": type(error).__name__}

        def refused(decision: Decision) -> Any:
            text, name = refusal_text(call["name"], decision), call["name"]
            return data_of(ToolMessage(text, name=name, tool_call_id=call["id"], status="error"))

        options = self._options(request.tool)
        try:
            recorded = await run_tool(
                call["name"],
                run,
                options=options,
                arguments=call["args"],
                refused=refused,
                call_id=call["id"],
            )
        except OperationError as error:
            if not is_unknown(error, options):
                raise
            raise also_a(error, GraphBubbleUp) from error  # which no middleware catches
        if "interrupt" in recorded:
            raise ContextMisuseError(
                f"the tool {call['name']!r} left its call by a {recorded['interrupt']} of LangGraph, which a durable"
                " tool cannot: mark it in_workflow, and let it ask by ask_person(...)"
            )
        return value_of(recorded)

    def _options(self, tool: BaseTool) -> ToolOptions:
        function = getattr(tool, "coroutine", None) or getattr(tool, "func", None) or tool
        return options_of(tool.name, function, self._tool_options)


class _RecordedModel:
    """The model of one request, whose message comes from a step; it passes for the model that it stands for."""

    def __init__(
        self,
        model: Any,
        agent_name: str | None,
        options: ModelOptions,
        stream_handler: StreamHandler | None,
    ) -> None:
        self._model = model
        self._agent_name = agent_name
        self._options = options
        self._stream_handler = stream_handler
        self._bound: Any = model
        self.was_asked = False

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # LangChain chooses the way of structured output by it
        return type(self._model)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def bind_tools(self, *args: Any, **kwargs: Any) -> _RecordedModel:
        self._bound = self._model.bind_tools(*args, **kwargs)
        return self

    def bind(self, **kwargs: Any) -> _RecordedModel:
        self._bound = self._model.bind(**kwargs)
        return self

    async def ainvoke(self, *args: Any, **kwargs: Any) -> BaseMessage:
        self.was_asked = True

        async def request() -> Any:
            ask = self._bound.ainvoke if self._stream_handler is None else self._stream
            return message_to_dict(await ask(*args, **kwargs))

        answer = await request_model(
            self._agent_name, request, options=self._options, clients=clients_of(self._model)
        )
        return messages_from_dict([answer])[0]

    async def _stream(self, *args: Any, **kwargs: Any) -> BaseMessage:
        show: Any = self._stream_handler
        whole: Any = None
        async for chunk in self._bound.astream(*args, **kwargs):
            handled = show(chunk)
            if isawaitable(handled):
                await handled
            whole = chunk if whole is None else whole + chunk
        return message_chunk_to_message(whole)


def _check_checkpointer(ctx: DurableContext) -> None:
    """Refuse checkpoints that an earlier invocation may have made: replay makes them again."""
    checkpointer = get_config().get("configurable", {}).get("__pregel_checkpointer")
    if checkpointer is None or (
        isinstance(checkpointer, InMemorySaver)
        and _checkpointers.setdefault(checkpointer, ctx.lambda_context) is ctx.lambda_context
    ):
        return
    raise ConfigError(
        "the checkpointer of the agent keeps what an earlier invocation did, and replay does it again: make an"
        " InMemorySaver() in the handler, or leave the checkpointer out"
    )


def _refuse_sync() -> None:
    if current_context() is not None:
        raise ContextMisuseError(
            "the agent was invoked by a sync method in workflow code, where it would block the workflow: await"
            " agent.ainvoke(...)"
        )


class _ReplaySafeUuid:
    """The module ``uuid`` of LangGraph's messages, whose random ids come from the log in workflow code."""

    def __getattr__(self, name: str) -> Any:
        return getattr(uuid, name)

    def uuid4(self) -> uuid.UUID:
        ctx = current_context()
        return uuid.uuid4() if ctx is None else ctx.uuid4()


async def _in_place(default: Any, context: Context, func: Any, /, *args: Any, **kwargs: Any) -> Any:
    if isinstance(get_current(), WorkflowTask):
        return context.run(func, *args, **kwargs)
    return await default(context, func, *args, **kwargs)


def _make_repeatable() -> None:
    """Let what LangChain does in workflow code be the same on replay.

    LangGraph gives messages without an id a random one. LangSmith, which wraps middleware, prepares its traces in
    threads, and the end of a thread that workflow code waits for would be an operation in the log. Middleware asks models.
    """
    record_side_models()
    message_module: Any = message
    message_module.uuid = _ReplaySafeUuid()
    override: Any = getattr(langsmith, "set_runtime_overrides", None)
    if override is not None:  # LangSmith before 0.7.35 has none
        override(aio_to_thread=_in_place)
