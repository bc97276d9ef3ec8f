"""Agents made durable: their models, tools, handoffs and MCP servers, and the agents that they can reach.

It is done in place, before each run. A copy would be another agent to the framework, which compares agents by identity,
and to the user's hooks and results; and agents as tools hold on to the agent that they were made of. What is put in
place makes steps in a workflow, and does as before anywhere else, so that to do it again changes nothing.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from agents import Agent, FunctionTool, Handoff
from mcp.types import Tool as McpTool

from durable_execution_sdk.agents.openai.models import DurableModel
from durable_execution_sdk.agents.openai.tools import durable_tool
from durable_execution_sdk.agents.payloads import PydanticSerDes
from durable_execution_sdk.agents.tool_calls import current_context
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.operations.step import StepConfig

__all__ = ["make_durable"]

# The attributes of tools that are no functions, and work on the machine.
_LOCAL = ("computer", "executor", "editor", "on_invoke_tool")
_MCP_TOOLS = StepConfig(serdes=PydanticSerDes(list[McpTool]))


def make_durable(agent: Agent[Any], names: set[str | None], seen: set[int]) -> None:
    """Make an agent durable, and those that it can reach that are not ``seen``.

    The names of their tools are added to ``names``, and ``None`` for those of MCP servers, which are not known yet.
    """
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
        names.add(None)
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
        make_durable(inner, names, seen)
    return durable_tool(tool)


def _durable_handoff(each: Any, names: set[str | None], seen: set[int]) -> Any:
    if not isinstance(each, Handoff):
        make_durable(each, names, seen)
        return each
    known: Any = each
    target = getattr(known, "_agent_ref", None)
    if target is not None and (found := target()) is not None:
        make_durable(found, names, seen)
    if not isinstance(known.on_invoke_handoff, _HandoffCall):
        known = copy.copy(known)
        known.on_invoke_handoff = _HandoffCall(known.on_invoke_handoff)
    return known


class _HandoffCall:
    """Hands over to an agent, which may be known only then, and makes it durable."""

    def __init__(self, original: Any) -> None:
        self._original = original

    async def __call__(self, context: Any, arguments: str) -> Any:
        agent = await self._original(context, arguments)
        if current_context() is not None:
            make_durable(agent, set(), set())
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
