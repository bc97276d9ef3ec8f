"""Durable agents of Pydantic AI: the capability ``Durability``.

::

    agent = Agent("openai:gpt-5", name="support", tools=[search, refund], capabilities=[Durability()])

    @durable_execution
    async def handler(question: str, ctx: DurableContext) -> str:
        return (await agent.run(question)).output

It fills in what Pydantic AI has for engines (``pydantic_ai.durable_exec``): the framework declares the operations of a
run, which are model requests, calls and discovery of tools, and methods of other capabilities, and encodes their
results; here each becomes a step. The run is workflow code, and so are the tasks that it makes for tools.

Who retries: the step repeats a model request, and the client's own retries are off meanwhile. ``ModelRetry``,
``ToolFailed`` and invalid arguments go to the model, as Pydantic AI has it. Other exceptions of a tool are retried by
its step, and then end the run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NoReturn, cast

from msgspec import Struct
from pydantic_ai import RunContext, UserError, durable_exec
from pydantic_ai.agent import EventStreamHandler
from pydantic_ai.capabilities.abstract import WrapRunHandler
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    BoundDurableOperation,
    CapabilityOperationId,
    DurabilityEngineSpec,
    DurableOperation,
    DurableOperationBackend,
    DurableOperationId,
    JournalCallableOperationBackend,
    ModelRequestId,
    RoleBasedOperationConfig,
    ToolsetCallToolId,
    conversation_id_from_run_id,
)
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.models import Model
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import AgentDepsT
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

from durable_execution_sdk.agents.approval import refusal_text
from durable_execution_sdk.agents.decisions import Decision
from durable_execution_sdk.agents.marks import ToolOptions, check_tool_names, options_of
from durable_execution_sdk.agents.model_requests import (
    ModelOptions,
    model_step_name,
    request_model,
)
from durable_execution_sdk.agents.single_attempts import single_attempts
from durable_execution_sdk.agents.tool_calls import current_context, run_tool
from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.errors import ContextMisuseError, SerDesError

__all__ = ["Durability"]

# Releases before 2.68 report spans of replayed requests again.
_replay_scope: Any = getattr(durable_exec, "replay_scope", lambda **_: nullcontext())
# True in a step that requests a model, and not in one that runs an agent as a whole.
_IN_REQUEST: ContextVar[bool] = ContextVar("durable_agents_in_request", default=False)


class Durability(BaseDurabilityCapability[AgentDepsT]):
    """Makes the runs of an agent durable inside a handler; outside of one the agent is as it was.

    The agent needs a name, or ``name`` here, which stands in the names of its steps. A model request costs one
    operation, and so does a call of a tool.

    Args:
        name: the agent's name in operations; its own by default.
        model: options of model requests.
        tools: options of tools by name, in place of the marks of their functions; for tools of MCP servers too.
        models: further models by key, for ``agent.run(model=key)``.
        event_stream_handler: gets the events of a model's answer while its step runs, and each event of a tool in
            a step of its own; nothing on replay.

    Raises (in a run):
        ConfigError: ``tools`` names a tool that the agent does not have.
        ContextMisuseError: a sync method of the agent was called in workflow code: use ``await agent.run(...)``.
    """

    engine_spec = DurabilityEngineSpec(
        engine_name="durable-execution-sdk",
        durable_unit_noun="step",
        durable_container_noun="workflow",
        codec=JSON_CODEC,
        serialization_failure=lambda error: SerDesError(f"the result has no JSON form: {error}"),
        toolset_lifecycles={
            "function": "enter-always",
            "mcp": "enter-in-durable-unit",
            "dynamic": "enter-never",
        },
        unsupported_runtime_toolset_kinds=frozenset({"function", "mcp", "dynamic"}),
    )

    def __init__(
        self,
        *,
        name: str | None = None,
        model: ModelOptions | None = None,
        tools: Mapping[str, ToolOptions] | None = None,
        models: Mapping[str, Model] | None = None,
        event_stream_handler: EventStreamHandler[AgentDepsT] | None = None,
    ) -> None:
        super().__init__(models=models, event_stream_handler=event_stream_handler, name=name)
        self._model_options = model or ModelOptions()
        self._tool_options = dict(tools or {})

    @property
    def in_durable_context(self) -> bool:
        """True in workflow code; False in steps, whose result is recorded as a whole, and outside of handlers."""
        return current_context() is not None

    def get_durable_operation_backend(self) -> DurableOperationBackend[ToolOptions]:
        """Return the backend by which Pydantic AI runs its operations as steps."""
        return _Backend(self.name, self._model_options, self._options_of_tool)

    def get_default_run_id(self) -> str | None:
        """Return an id of the run that is the same on every replay."""
        ctx = current_context()
        return None if ctx is None else str(ctx.uuid4())

    def get_default_conversation_id(self, run_id: str) -> str | None:
        """Return an id of the conversation that is the same on every replay."""
        return conversation_id_from_run_id(run_id) if self.in_durable_context else None

    def get_run_clock(self) -> Callable[[], datetime] | None:
        """Return the log's clock, by which a run's ``timeout`` is the same on every replay."""
        ctx = current_context()
        return None if ctx is None else ctx.now

    def get_wrapper_model(self, model: Model) -> Model | None:
        """Wrap the model that sends a request, so that its client makes one attempt in a step."""
        return _OneAttempt(model) if _IN_REQUEST.get() else None

    async def before_run(self, ctx: RunContext[AgentDepsT]) -> None:
        """Check the options by the names of the agent's tools."""
        await super().before_run(ctx)
        if not self._tool_options:
            return
        if not self.in_durable_context and any(
            each.approval for each in self._tool_options.values()
        ):
            raise ContextMisuseError(
                f"agent {self.name!r} has tools that need a person's approval, which only a function that is"
                " decorated with @durable_execution can ask for: run the agent there"
            )
        leaves: list[AbstractToolset[Any]] = []
        for toolset in self.agent.toolsets if self.agent is not None else ():
            toolset.apply(leaves.append)
        if all(isinstance(leaf, FunctionToolset) for leaf in leaves):
            known = [name for leaf in leaves for name in cast("FunctionToolset[Any]", leaf).tools]
            check_tool_names(self._tool_options, known, self.name)

    async def wrap_run(
        self, ctx: RunContext[AgentDepsT], *, handler: WrapRunHandler
    ) -> AgentRunResult[Any]:
        """Run the agent; from 2.68 on, Pydantic AI leaves out the telemetry of what is replayed."""
        durable = current_context()
        if durable is None:
            return await super().wrap_run(ctx, handler=handler)
        with _replay_scope(is_replaying=lambda: durable.is_replaying):
            return await super().wrap_run(ctx, handler=handler)

    def _options_of_tool(
        self, _operation: DurableOperationId, tool: object, name: str
    ) -> ToolOptions:
        toolset: Any = getattr(tool, "toolset", None)
        held: Any = getattr(toolset, "tools", {}).get(getattr(tool, "original_name", None) or name)
        return options_of(name, getattr(held, "function", None), self._tool_options)


class _Unit(Struct, frozen=True):
    """A call of an operation: the function by which its body becomes a step."""

    run: Callable[[Callable[[], Awaitable[object]]], Awaitable[object]]


class _Backend(JournalCallableOperationBackend[Any]):
    """Runs operations of one agent as steps of the current context."""

    def __init__(
        self,
        agent: str,
        model: ModelOptions,
        resolve_tool: Callable[[DurableOperationId, object, str], ToolOptions],
    ) -> None:
        roles = dict.fromkeys(("model", "event", "capability", "tool"), ToolOptions())
        config = RoleBasedOperationConfig(**roles, resolve_tool=resolve_tool)
        super().__init__(agent_name=agent, config=config)
        self._agent = agent
        self._model = model

    def bind(self, operation: DurableOperation[Any, Any, Any]) -> Any:
        """Return the operation as the framework calls it, with the parameters of each call in its step."""
        return _Bound(super().bind(operation), self)

    def unit(self, operation: DurableOperationId, params: Any, options: ToolOptions) -> _Unit:
        """Return the way in which one call of an operation runs."""
        match operation:
            case ModelRequestId():
                return _Unit(self._request)
            case ToolsetCallToolId():

                def call(body: Callable[[], Awaitable[object]]) -> Awaitable[object]:
                    return run_tool(
                        params.name,
                        body,
                        options=options,
                        arguments=params.tool_args,
                        refused=lambda decision: _refuse(params.name, decision),
                    )

                return _Unit(call)
            case _:
                return _Unit(lambda body: self._step(_name_of(operation, self._agent), body))

    async def execute(
        self,
        *,
        operation_id: DurableOperationId,
        name: str,
        body: Callable[[], Awaitable[object]],
        cache_key: tuple[object, ...],
        config: Any,
    ) -> object:
        """Run the encoded operation as its call has it."""
        return await cast("_Unit", config).run(body)

    def _request(self, body: Callable[[], Awaitable[object]]) -> Awaitable[object]:
        async def call() -> object:
            _IN_REQUEST.set(True)  # in the task of the step, which ends with it
            return await body()

        return request_model(self._agent, call, options=self._model, final=(UserError, SerDesError))

    async def _step(self, name: str, body: Callable[[], Awaitable[object]]) -> object:
        return await DurableContext.current().step(body, name=name)


class _Bound(BoundDurableOperation[Any, Any, Any]):
    """An operation that hands the parameters of a call on to its step."""

    def __init__(self, bound: Any, backend: _Backend) -> None:
        self._bound = bound
        self._backend = backend

    @property
    def operation(self) -> DurableOperation[Any, Any, Any]:
        """The operation's declaration."""
        return cast("DurableOperation[Any, Any, Any]", self._bound.operation)

    async def __call__(self, params: Any, *, config: object | None = None) -> Any:
        """Run the operation once."""
        options = config if isinstance(config, ToolOptions) else ToolOptions()
        unit = self._backend.unit(self.operation.operation_id, params, options)
        return await self._bound(params, config=unit)


class _OneAttempt(WrapperModel):
    """A model whose client makes no retries of its own, because the step does."""

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        with single_attempts([self.wrapped]):
            return await self.wrapped.request(*args, **kwargs)

    @asynccontextmanager
    async def request_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Send a request, and stream the answer."""
        with single_attempts([self.wrapped]):
            async with self.wrapped.request_stream(*args, **kwargs) as stream:
                yield stream


def _refuse(tool: str, decision: Decision) -> NoReturn:
    raise ToolFailed(refusal_text(tool, decision))


def _name_of(operation: DurableOperationId, agent: str) -> str:
    """Return the name of an operation that is neither a model request nor a call: ``"support: get tools"``."""
    if isinstance(operation, CapabilityOperationId):
        return f"{operation.capability_id}: {operation.operation}"
    kind = type(operation).__name__.removesuffix("Id").removeprefix("Toolset")
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind)
    toolset = getattr(operation, "toolset_id", None)
    return f"{toolset or model_step_name(agent).partition(':')[0]}:{words}"
