"""The runner of agents in workflows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from agents import Agent, RunConfig, Runner
from agents.exceptions import AgentsException
from agents.models.interface import Model
from agents.run import get_default_agent_runner, set_default_agent_runner

from durable_execution_sdk.agents.marks import ToolOptions, check_tool_names
from durable_execution_sdk.agents.model_requests import ModelOptions
from durable_execution_sdk.agents.openai.models import (
    RUN,
    DurableModel,
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
    from agents.run import AgentRunner

__all__ = ["DurableRunner"]


class DurableRunner:
    """Runs agents in workflows: ``run`` and ``run_streamed`` take what those of the framework's ``Runner`` take.

    The agents that a run can reach, by handoffs and as tools, are made durable in place: their models, tools and MCP
    servers are replaced by objects that make steps in a workflow, and do as before anywhere else, so executions may
    share agents. Outside of a workflow, and in a step, it is ``Runner``. In a workflow ``Runner`` itself is durable too, with
    the settings of the run that it belongs to, since the framework runs agents as tools by it.

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
        settings = RunSettings(model or ModelOptions(), tools or {}, stream_handler=stream_handler)
        with _durable(agent, options, settings):
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
        settings = RunSettings(model or ModelOptions(), tools or {}, stream_handler=stream_handler)
        with _durable(agent, options, settings):
            return Runner.run_streamed(agent, input, **options)


class _RunnerInWorkflows:
    """The framework's runner; in a workflow it makes all runs durable.

    That is also how the framework runs an agent as a tool, which may have a model, a provider and a session of its own,
    and how code runs an agent by ``Runner`` itself. These runs have the settings of the run that they belong to.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    async def run(self, starting_agent: Agent[Any], *args: Any, **options: Any) -> RunResult:
        with _durable(starting_agent, options):
            result: RunResult = await self._runner.run(starting_agent, *args, **options)
            return result

    def run_streamed(
        self, starting_agent: Agent[Any], *args: Any, **options: Any
    ) -> RunResultStreaming:
        with _durable(starting_agent, options):
            result: RunResultStreaming = self._runner.run_streamed(starting_agent, *args, **options)
            return result


set_default_agent_runner(cast("AgentRunner", _RunnerInWorkflows(get_default_agent_runner())))


@contextmanager
def _durable(
    agent: Agent[Any], options: dict[str, Any], settings: RunSettings | None = None
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
    provider, model = config.model_provider, config.model
    if isinstance(provider, DurableProvider):
        provider = provider.inner
    if isinstance(model, Model) and not isinstance(model, DurableModel):
        model = DurableModel(model, None)
    options["run_config"] = replace(
        config,
        tracing_disabled=True,
        model=model,
        model_provider=DurableProvider(provider),
        # The provider's prompt cache has a key by it, which would be another in each invocation.
        group_id=config.group_id or str(ctx.uuid4()),
    )
    names: set[str | None] = set()
    make_durable(agent, names, set())
    if settings is not None and None not in names:
        check_tool_names(settings.tools, sorted(filter(None, names)), agent.name)
    session = options.get("session")
    if session is not None and not isinstance(session, (WorkflowSession, DurableSession)):
        options["session"] = DurableSession(session)
    token = RUN.set(replace(settings or RUN.get(), provider=provider))
    try:
        yield
    finally:
        RUN.reset(token)
