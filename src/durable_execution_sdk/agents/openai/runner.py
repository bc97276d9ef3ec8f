"""The runner of agents in workflows."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from agents import Agent, FunctionTool, Handoff, RunConfig, Runner
from agents.exceptions import AgentsException
from mcp.types import Tool as McpTool

from durable_execution_sdk.agents.marks import ToolOptions, check_tool_names
from durable_execution_sdk.agents.model_requests import ModelOptions
from durable_execution_sdk.agents.openai.models import (
    RUN,
    DurableModel,
    DurableProvider,
    RunSettings,
    StreamHandler,
)
from durable_execution_sdk.agents.openai.sessions import DurableSession, WorkflowSession
from durable_execution_sdk.agents.openai.tools import durable_tool, fatal_cause
from durable_execution_sdk.agents.payloads import PydanticSerDes
from durable_execution_sdk.agents.tool_calls import current_context
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.operations.step import StepConfig

if TYPE_CHECKING:
    from agents import RunResult, RunResultStreaming

__all__ = ["DurableRunner"]

_LOCAL = ("computer", "executor", "editor", "on_invoke_tool")
_MCP_TOOLS = StepConfig(serdes=PydanticSerDes(list[McpTool]))


class DurableRunner:
    """Runs agents in workflows: ``run`` and ``run_streamed`` take what those of the framework's ``Runner`` take.

    The agents that a run can reach, by handoffs and as tools, are made durable in place: their models, tools and MCP
    servers are replaced by objects that make steps in a workflow, and do as before anywhere else. To do so again
    changes nothing, so executions may share agents. Outside of a workflow, and in a step, it is ``Runner``.

    Both take these options besides:

    - ``tools``: the options of tools by their names, where no marks are on their functions.
    - ``model``: the options of requests to models.
    - ``stream_handler``: gets each event of a model's answer, while it comes, in the request's step; an attempt that is
      retried begins again.

    The framework's tracing is off in a workflow, since a replay would export each trace again; so are its retries of
    model requests (``ModelSettings.retry``), since the step retries. A session that is not a ``WorkflowSession`` becomes
    a ``DurableSession``.
    """

    @staticmethod
    async def run(
        agent: Agent[Any],
        input: Any,  # noqa: A002 - the framework's name
        *,
        tools: Mapping[str, ToolOptions] | None = None,
        model: ModelOptions | None = None,
        stream_handler: StreamHandler | None = None,
        **options: Any,
    ) -> RunResult:
        """Run an agent to its end. Costs an operation for each request to a model and each call of a tool.

        Raises:
            StepInterruptedError: a tool that runs at most once was cut off.
            StepError: a model request or a tool has failed for good; also an instance of its exception.
            ConfigError: the agents, tools or options do not fit a workflow; nothing was recorded.
        """
        with _settings(agent, options, tools, model, stream_handler):
            try:
                return await Runner.run(agent, input, **options)
            except AgentsException as error:
                if (cause := fatal_cause(error)) is not None:
                    raise cause from cause.__cause__
                raise

    @staticmethod
    def run_streamed(
        agent: Agent[Any],
        input: Any,  # noqa: A002 - the framework's name
        *,
        tools: Mapping[str, ToolOptions] | None = None,
        model: ModelOptions | None = None,
        stream_handler: StreamHandler | None = None,
        **options: Any,
    ) -> RunResultStreaming:
        """Run an agent, and yield the run's events in the workflow: of each answer of a model, that of its end.

        The pieces of an answer go to ``stream_handler`` alone.
        """
        with _settings(agent, options, tools, model, stream_handler):
            return Runner.run_streamed(agent, input, **options)


@contextmanager
def _settings(
    agent: Agent[Any],
    options: dict[str, Any],
    tools: Mapping[str, ToolOptions] | None,
    model: ModelOptions | None,
    stream_handler: StreamHandler | None,
) -> Iterator[None]:
    """Make an agent and the options of its run durable, in a workflow; what runs in the block has the settings."""
    ctx = current_context()
    if ctx is None:
        yield
        return
    config = options.get("run_config") or RunConfig()
    if isinstance(config, dict):
        config = RunConfig(**config)
    if getattr(config, "sandbox", None) is not None:
        raise ConfigError("a sandbox keeps its state on one machine, and cannot be in a workflow")
    provider = config.model_provider
    if isinstance(provider, DurableProvider):
        provider = provider.inner
    options["run_config"] = replace(
        config,
        tracing_disabled=True,
        model_provider=DurableProvider(provider),
        # The provider's prompt cache has a key by it, which would be another in each invocation.
        group_id=config.group_id or str(ctx.uuid4()),
    )
    names: set[str | None] = set()
    _make_durable(agent, names, set())
    if None not in names:
        check_tool_names(tools or {}, sorted(filter(None, names)), agent.name)
    session = options.get("session")
    if session is not None and not isinstance(session, (WorkflowSession, DurableSession)):
        options["session"] = DurableSession(session)
    settings = RunSettings(model or ModelOptions(), tools or {}, provider, stream_handler)
    token = RUN.set(settings)
    try:
        yield
    finally:
        RUN.reset(token)


def _make_durable(agent: Agent[Any], names: set[str | None], seen: set[int]) -> None:
    """Make an agent durable in place, and those that it can reach; add the names of their tools to ``names``."""
    if id(agent) in seen:
        return
    seen.add(id(agent))
    before = agent.model
    if not isinstance(before, DurableModel) or before.agent != agent.name:
        inner = before.inner if isinstance(before, DurableModel) else before
        agent.model = DurableModel(inner, agent.name)
    tools = [_durable(tool, agent, names, seen) for tool in agent.tools]
    # The framework refuses to set the tools of an agent that another thread runs.
    if any(tool is not before for tool, before in zip(tools, agent.tools, strict=True)):
        agent.tools = tools
    agent.handoffs = [_durable_handoff(each, names, seen) for each in agent.handoffs]
    if agent.mcp_servers:
        names.add(None)  # Their tools are known when the servers are asked.
        agent.mcp_servers = [_recorded(server) for server in agent.mcp_servers]
        vars(agent)["get_mcp_tools"] = partial(_mcp_tools, agent)


def _durable(tool: Any, agent: Agent[Any], names: set[str | None], seen: set[int]) -> Any:
    if not isinstance(tool, FunctionTool):
        if any(getattr(tool, name, None) is not None for name in _LOCAL):
            raise ConfigError(
                f"agent {agent.name!r} has a {type(tool).__name__}, which runs on this machine, outside of the steps"
                " of a workflow, and would run again on replay: make a function_tool of what it does"
            )
        return tool
    names.add(tool.name)
    inner = getattr(tool, "_agent_instance", None)
    if inner is not None:
        _make_durable(inner, names, seen)
    return durable_tool(tool)


def _durable_handoff(each: Any, names: set[str | None], seen: set[int]) -> Any:
    if not isinstance(each, Handoff):
        _make_durable(each, names, seen)
        return each
    if isinstance(each.on_invoke_handoff, _HandoffCall):
        known = each
    else:
        known = copy.copy(each)
        known.on_invoke_handoff = _HandoffCall(each.on_invoke_handoff)
    target = getattr(each, "_agent_ref", None)
    if target is not None and (found := target()) is not None:
        _make_durable(found, names, seen)
    return known


class _HandoffCall:
    """Hands over to an agent, which may be known only then, and makes it durable."""

    def __init__(self, original: Any) -> None:
        self._original = original

    async def __call__(self, context: Any, arguments: str) -> Any:
        agent = await self._original(context, arguments)
        if current_context() is not None:
            _make_durable(agent, set(), set())
        return agent


class _RecordedServer:
    """An MCP server whose list of tools is recorded."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    async def list_tools(self, *args: Any, **kwargs: Any) -> list[McpTool]:
        call = partial(self._server.list_tools, *args, **kwargs)
        ctx = current_context()
        if ctx is None:
            found: list[McpTool] = await call()
            return found
        return await ctx.step(call, name=f"{self._server.name}: list tools", config=_MCP_TOOLS)


def _recorded(server: Any) -> Any:
    return server if isinstance(server, _RecordedServer) else _RecordedServer(server)


async def _mcp_tools(agent: Agent[Any], run_context: Any) -> list[Any]:
    tools = await type(agent).get_mcp_tools(agent, run_context)
    return [durable_tool(each) if isinstance(each, FunctionTool) else each for each in tools]
