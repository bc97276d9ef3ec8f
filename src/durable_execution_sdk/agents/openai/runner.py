"""The runner of agents in workflows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agents import Agent, RunConfig, Runner
from agents.exceptions import AgentsException

from durable_execution_sdk.agents.marks import ToolOptions, check_tool_names
from durable_execution_sdk.agents.model_requests import ModelOptions
from durable_execution_sdk.agents.openai.models import (
    RUN,
    DurableProvider,
    RunSettings,
    StreamHandler,
)
from durable_execution_sdk.agents.openai.preparation import make_durable
from durable_execution_sdk.agents.openai.sessions import DurableSession, WorkflowSession
from durable_execution_sdk.agents.openai.tools import fatal_cause
from durable_execution_sdk.agents.tool_calls import current_context
from durable_execution_sdk.errors import ConfigError

if TYPE_CHECKING:
    from agents import RunResult, RunResultStreaming

__all__ = ["DurableRunner"]


class DurableRunner:
    """Runs agents in workflows: ``run`` and ``run_streamed`` take what those of the framework's ``Runner`` take.

    The agents that a run can reach, by handoffs and as tools, are made durable in place: their models, tools and MCP
    servers are replaced by objects that make steps in a workflow, and do as before anywhere else, so executions may
    share agents. Outside of a workflow, and in a step, it is ``Runner``.

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

        The pieces of an answer go to ``stream_handler`` alone. Errors come from ``stream_events()``, as the framework
        has them: those of tools are the cause of its ``UserError``.
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
    given: Any = options.get("run_config") or {}
    config: RunConfig = RunConfig(**dict[str, Any](given)) if isinstance(given, Mapping) else given
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
    make_durable(agent, names, set())
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
