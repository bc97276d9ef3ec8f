"""Durable agents of Strands: the plugin ``Durability``; ``pip install durable-execution-sdk[strands]``.

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
from typing import Any
from weakref import WeakSet

try:
    from strands import Agent
except ModuleNotFoundError as _missing:
    if _missing.name != "strands":
        raise
    raise ModuleNotFoundError(
        "durable_execution_sdk.agents.strands needs Strands: pip install 'durable-execution-sdk[strands]'",
        name=_missing.name,
    ) from _missing
from strands.hooks import AfterToolsEvent, BeforeInvocationEvent, MessageAddedEvent
from strands.middleware import (
    ExecuteToolContext,
    ExecuteToolStage,
    InvokeModelContext,
    InvokeModelStage,
    ModelStopReason,
    TypedEvent,
)
from strands.plugins import Plugin

from durable_execution_sdk.agents.marks import ToolOptions, check_tool_names, options_of
from durable_execution_sdk.agents.model_requests import ModelOptions
from durable_execution_sdk.agents.strands.records import (
    ModelRequestError,
    RecordedModel,
    RecordedTool,
    ToolFailedError,
)
from durable_execution_sdk.agents.strands.side_models import record_side_model
from durable_execution_sdk.agents.tool_calls import current_context, forget_call
from durable_execution_sdk.errors import ConfigError

__all__ = ["Durability", "ModelRequestError", "ToolFailedError"]

_Events = AsyncGenerator[TypedEvent, None]

# The agents with the plugin: one that is a tool of another runs as code of its workflow.
_durable_agents: WeakSet[Agent] = WeakSet()
# Attributes of an agent that must be None in a workflow, and the reason with the cure.
_REFUSED = {
    "_session_manager": "its session manager would load, before a replay, what this execution has saved. Give earlier"
    " messages as messages=, and return agent.messages, or save them in a step",
    "_background_tasks": "its background tasks end at any time, in a thread. Leave out background_tasks: the tools of"
    " one turn run in parallel without it",
}


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
        record_side_model(agent, self._plugin.agent_name, self._plugin.model)
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

    def after_tools(self, event: AfterToolsEvent) -> None:
        """Raise the error that ends the run."""
        forget_call()
        if self._fatal is not None:
            raise self._fatal

    async def invoke_model(
        self, context: InvokeModelContext, call_next: Callable[[InvokeModelContext], _Events]
    ) -> _Events:
        """Let the model's stream come from a step."""
        if current_context() is None:
            async for event in call_next(context):
                yield event
            return
        if context.model.stateful:
            raise ConfigError(
                "the model keeps the conversation at its provider, where replay cannot see it: make it stateless"
            )
        plugin = self._plugin
        model: Any = RecordedModel(
            context.model,
            context.agent,
            plugin.agent_name,
            plugin.model,
            stream_handler=plugin.stream_handler,
            invocation_state=context.invocation_state,
        )
        async for event in call_next(context.replace(model=model)):
            if isinstance(event, ModelStopReason):
                event["stop"][3].pop(
                    "timeToFirstByteMs", None
                )  # of this process, and not the log's
            yield event

    async def execute_tool(
        self, context: ExecuteToolContext, call_next: Callable[[ExecuteToolContext], _Events]
    ) -> _Events:
        """Let the tool's result come from its operation."""
        tool: Any = context.tool
        if tool is not None and current_context() and not _works_in_memory(tool):
            options = options_of(tool.tool_name, tool, self._plugin.tool_options)
            if options == ToolOptions() and getattr(tool, "agent", None) in _durable_agents:
                options = ToolOptions(in_workflow=True)
            tool = RecordedTool(context, options, self._end_run)
        async for event in call_next(context.replace(tool=tool)):
            yield event

    def _end_run(self, error: Exception) -> None:
        self._fatal = self._fatal or error


def _works_in_memory(tool: Any) -> bool:
    """Return True for tools of Strands' own loops, which change these in memory, and have to do it on replay too."""
    return tool.tool_type == "structured_output" or tool.tool_name == "handoff_to_agent"


def _stop_polling(agent: Any) -> None:
    """Let no timer of the workflow look for the cancel signal of a calling agent; the loop looks too, in each turn."""
    start = agent._start_cancel_watcher  # noqa: SLF001 - Strands has no option for it

    def start_outside(signal: object) -> object:
        return start(signal) if current_context() is None else None

    agent._start_cancel_watcher = start_outside  # noqa: SLF001
