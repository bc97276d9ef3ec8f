"""Durable agents of Strands: the plugin ``Durability``.

::

    @durable_execution
    async def handler(question: str, ctx: DurableContext) -> str:
        agent = Agent(name="support", tools=[search, refund], plugins=[Durability()])
        return str(await agent.invoke_async(question))

It wraps the two stages of an agent's loop: a request to the model (``InvokeModelStage``) is a step, and a call of a tool
(``ExecuteToolStage``) is a step or a child context. The loop, its tasks for tools and its hooks are workflow code. What
replay could not repeat there is refused, or made to repeat itself: ids of messages come from the log, and what a tool
changes in its agent is recorded with its result.

Who retries: the step repeats a request, and the agent's ``retry_strategy`` never does. Every error of a tool goes to the
model, as Strands has it, after the retries of the tool's own strategy. The rare error that ends the run instead is raised
after the tools of its turn, because the executor of tools keeps none that a stage raises.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any
from weakref import WeakSet

from strands import Agent
from strands.hooks import AfterToolsEvent, BeforeInvocationEvent, MessageAddedEvent
from strands.interrupt import Interrupt, InterruptException
from strands.middleware import (
    ExecuteToolContext,
    ExecuteToolStage,
    InvokeModelContext,
    InvokeModelStage,
    ModelStopReason,
    ToolResultEvent,
    TypedEvent,
)
from strands.plugins import Plugin
from strands.types._events import ModelStreamChunkEvent, ToolInterruptEvent
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.session import decode_bytes_values, encode_bytes_values
from strands.types.tools import AgentTool

from durable_execution_sdk.agents.approval import Decision, refusal_text
from durable_execution_sdk.agents.marks import ToolOptions, check_tool_names, options_of
from durable_execution_sdk.agents.model_requests import ModelOptions, request_model
from durable_execution_sdk.agents.tool_calls import current_context, run_tool
from durable_execution_sdk.errors import (
    ChildContextError,
    ConfigError,
    DurableError,
    StepError,
    StepInterruptedError,
)

__all__ = ["Durability", "ModelRequestError", "ToolFailedError"]

_Events = AsyncGenerator[TypedEvent, None]

# The agents with the plugin: one that is a tool of another runs as code of its workflow.
_durable_agents: WeakSet[Agent] = WeakSet()
# The name of an agent that was given none.
_UNNAMED = "Strands Agents"
# Attributes of an agent that must be None in a workflow, and the reason with the cure.
_REFUSED = {
    "_session_manager": "its session manager would load, before a replay, what this execution has saved. Give earlier"
    " messages as messages=, and return agent.messages, or save them in a step",
    "_background_tasks": "its background tasks end at any time, in a thread. Leave out background_tasks: the tools of"
    " one turn run in parallel without it",
}


class ModelRequestError(StepError):
    """A request to the model failed for good; ``__cause__`` is the step's error, also of the original class.

    It is of no class that an agent's ``retry_strategy`` knows, so that retries of the step do not multiply with others.
    """


class ToolFailedError(Exception):
    """The exception behind an error result, as hooks see it: its class and text are recorded."""


class Durability(Plugin):
    """Makes the runs of an agent durable inside a handler; outside of one the agent is as it was.

    Make the agent in the workflow's function: replay rebuilds its messages. A request to the model costs one operation,
    and so does a call of a tool. Other middleware that is added after the plugin runs in these steps.

    Args:
        name: the agent's name in operations; its own by default.
        model: options of model requests.
        tools: options of tools by name, in place of the marks of their functions; for tools of MCP servers too.
        stream_handler: called with the events of a model's answer while its step runs, as a ``callback_handler`` is,
            which gets none of these in a workflow; nothing on replay. It may be ``async``.

    Raises (in a run):
        ConfigError: ``tools`` names a tool that the agent does not have; the agent was used by another invocation; it
            has a session manager, background tasks or a stateful model; its ``structured_output()`` was called.
        ContextMisuseError: a sync method of the agent was called in workflow code: use ``invoke_async``.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        model: ModelOptions | None = None,
        tools: Mapping[str, ToolOptions] | None = None,
        stream_handler: Callable[..., Awaitable[object] | object] | None = None,
    ) -> None:
        super().__init__()
        self.agent_name = name
        self.model = model or ModelOptions()
        self.tool_options = dict(tools or {})
        self.stream_handler = stream_handler

    @property
    def name(self) -> str:
        """The name of the plugin."""
        return "durable-execution-sdk"

    def init_agent(self, agent: Agent) -> None:
        """Wrap the stages of an agent; Strands calls it."""
        stages = _Stages(self)
        agent.add_middleware(InvokeModelStage, stages.invoke_model)
        agent.add_middleware(ExecuteToolStage, stages.execute_tool)
        agent.add_hook(stages.before_invocation, BeforeInvocationEvent)
        agent.add_hook(stages.message_added, MessageAddedEvent)
        agent.add_hook(stages.after_tools, AfterToolsEvent)
        _stop_polling(agent)
        _durable_agents.add(agent)


class _Stages:
    """The stages and hooks of one agent."""

    def __init__(self, plugin: Durability) -> None:
        self._plugin = plugin
        # Lambda's context of the invocation that the agent belongs to.
        self._invocation: object = None
        self._given_ids: set[object] = set()
        # The error that ends the run, once the tools of its turn have ended.
        self._fatal: Exception | None = None

    def before_invocation(self, event: BeforeInvocationEvent) -> None:
        """Refuse what replay cannot repeat, and give messages without an id one from the log."""
        ctx = current_context()
        if ctx is None:
            return
        agent: Any = event.agent
        check_tool_names(self._plugin.tool_options, agent.tool_names, agent.name)
        faults = [fault for each, fault in _REFUSED.items() if getattr(agent, each) is not None]
        if self._invocation not in (None, ctx.lambda_context):
            faults.append("another invocation has used it. Make it in the workflow's function")
        if event.messages is None:
            faults.append(
                "structured_output() asks the model outside of the loop, where nothing is recorded. Pass"
                " structured_output_model= to invoke_async"
            )
        if faults:
            raise ConfigError(f"agent {agent.name!r} cannot run in a workflow: {faults[0]}")
        self._invocation, self._fatal = ctx.lambda_context, None
        given = event.messages or []
        for message in [*agent.messages, *given]:
            if not message.get("tracking_id"):
                message["tracking_id"] = str(ctx.uuid4())
        self._given_ids = {each.get("tracking_id") for each in given}

    def message_added(self, event: MessageAddedEvent) -> None:
        """Replace the random id of a message by one that is the same on replay."""
        ctx = current_context()
        if ctx is not None and event.message.get("tracking_id") not in self._given_ids:
            event.message["tracking_id"] = str(ctx.uuid4())

    def after_tools(self, _: AfterToolsEvent) -> None:
        """Raise the error that ends the run."""
        if self._fatal is not None:
            raise self._fatal

    async def invoke_model(
        self, context: InvokeModelContext, call_next: Callable[[InvokeModelContext], _Events]
    ) -> _Events:
        """Run a request to the model as a step, and yield its answer."""
        if current_context() is None:
            async for event in call_next(context):
                yield event
            return
        if context.model.stateful:
            raise ConfigError(
                "the model keeps the conversation at its provider, where replay cannot see it: make it stateless"
            )

        async def request() -> Any:
            return encode_bytes_values(await self._answer(context, call_next(context)))

        name = context.agent.name
        try:
            recorded = await request_model(
                self._plugin.agent_name or (None if name == _UNNAMED else name),
                request,
                options=self._plugin.model,
                final=(ContextWindowOverflowException,),
                clients=(context.model,),
            )
        except StepError as error:
            if isinstance(error, ContextWindowOverflowException):
                raise  # the agent shortens the conversation, and asks again
            raise ModelRequestError(str(error)) from error
        answer = decode_bytes_values(recorded)
        for chunk in answer.pop("redactions", ()):
            yield ModelStreamChunkEvent(chunk)
        yield ModelStopReason(**answer)

    async def _answer(self, context: InvokeModelContext, stream: _Events) -> dict[str, Any]:
        """Return the parts of an answer that the loop needs, and show its stream to the handler."""
        answer: dict[str, Any] = {}
        handler = self._plugin.stream_handler
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, ModelStopReason):
                    reason, message, usage, metrics = event["stop"]
                    # The time to the first byte is of this process, and would differ from run to run.
                    metrics = {k: v for k, v in metrics.items() if k != "timeToFirstByteMs"}
                    answer.update(stop_reason=reason, message=message, usage=usage, metrics=metrics)
                elif isinstance(event, ModelStreamChunkEvent) and "redactContent" in event.chunk:
                    answer.setdefault("redactions", []).append(event.chunk)
                if handler is not None and event.is_callback_event:
                    event.prepare(context.invocation_state)
                    handled = handler(**event.as_dict())
                    if isawaitable(handled):
                        await handled
        return answer

    async def execute_tool(
        self, context: ExecuteToolContext, call_next: Callable[[ExecuteToolContext], _Events]
    ) -> _Events:
        """Run a call of a tool as its options have it, and yield its result."""
        tool, use = context.tool, context.tool_use
        # The tool of structured output checks its input, and hands it to the loop in memory.
        if current_context() is None or tool is None or tool.tool_type == "structured_output":
            async for event in call_next(context):
                yield event
            return
        options = self._options(tool)

        async def call() -> Any:
            is_retried = options.retry_strategy is not None
            return encode_bytes_values(
                await _outcome(context.agent, call_next(context), is_retried)
            )

        def refused(decision: Decision) -> Any:
            return {"result": _error_result(use, refusal_text(use["name"], decision))}

        try:
            recorded = await run_tool(
                use["name"], call, options=options, arguments=use["input"], refused=refused
            )
        except DurableError as error:
            is_of_tool = isinstance(error, StepError | ChildContextError)
            if isinstance(error, StepInterruptedError) or not is_of_tool:
                self._fatal = self._fatal or error
            kind = getattr(error, "error_type", type(error).__name__)
            text = f"{kind} - {getattr(error, 'error_message', error)}"
            recorded = {"result": _error_result(use, f"Error: {text}"), "exception": text}
        outcome = decode_bytes_values(recorded)
        _change(context.agent, outcome)
        if "interrupts" in outcome:
            yield ToolInterruptEvent(use, [Interrupt(**each) for each in outcome["interrupts"]])
            return
        cause = outcome.get("exception")
        yield ToolResultEvent(outcome["result"], None if cause is None else ToolFailedError(cause))

    def _options(self, tool: AgentTool) -> ToolOptions:
        options = options_of(tool.tool_name, tool, self._plugin.tool_options)
        if options == ToolOptions() and getattr(tool, "agent", None) in _durable_agents:
            return ToolOptions(in_workflow=True)
        return options


async def _outcome(agent: Any, stream: _Events, is_retried: bool) -> dict[str, Any]:  # noqa: FBT001
    """Return the result of a call, or its interrupts, with what it has changed in its agent."""
    outcome: dict[str, Any] = {}
    state, stop = agent.state.get(), _wish_to_stop(agent)
    try:
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, ToolInterruptEvent):
                    outcome = {"interrupts": [each.to_dict() for each in event.interrupts]}
                elif isinstance(event, ToolResultEvent):
                    outcome = {"result": event.tool_result}
                    if event.exception is not None:
                        if is_retried:
                            raise event.exception
                        kind = type(event.exception).__name__
                        outcome["exception"] = f"{kind} - {event.exception}"
    except InterruptException as interruption:
        outcome = {"interrupts": [interruption.interrupt.to_dict()]}
    after = agent.state.get()
    changed = {key for key in state.keys() | after.keys() if state.get(key) != after.get(key)}
    if changed:
        outcome["state"] = {key: after.get(key) for key in sorted(changed)}
    if stop != _wish_to_stop(agent):
        outcome["stop"] = _wish_to_stop(agent)
    return outcome


def _change(agent: Any, outcome: Mapping[str, Any]) -> None:
    """Change an agent as a tool did, maybe in an earlier invocation."""
    for key, value in outcome.get("state", {}).items():
        agent.state.set(key, value)
    stop = outcome.get("stop", {})
    for wish in ("now", "after_current_tools"):
        if stop.get(wish):
            agent.cancel(message=stop["message"], after_current_tools=wish != "now")


def _wish_to_stop(agent: Any) -> dict[str, Any]:
    return {
        "now": agent.cancel_signal.is_set(),
        "after_current_tools": getattr(agent, "_deferred_cancel", False),
        "message": getattr(agent, "_cancel_message", None),
    }


def _error_result(use: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"toolUseId": use["toolUseId"], "status": "error", "content": [{"text": text}]}


def _stop_polling(agent: Any) -> None:
    """Let no timer of the workflow look for the cancel signal of a calling agent; the loop looks too, in each turn."""
    start = agent._start_cancel_watcher

    def start_outside(signal: object) -> object:
        return start(signal) if current_context() is None else None

    agent._start_cancel_watcher = start_outside
