"""Durable agents of Pydantic AI: the capability ``Durability``.

::

    agent = Agent("openai:gpt-5", name="support", tools=[search, refund], capabilities=[Durability()])

    @durable_execution
    async def handler(question: str, ctx: DurableContext) -> str:
        return (await agent.run(question)).output

It fills in what Pydantic AI has for engines (``pydantic_ai.durable_exec``): the framework declares the operations of a
run and encodes their results; here each becomes a step. The run is workflow code, and so are its tasks for tools.

Who retries: the step repeats a model request, and the client's own retries are off meanwhile. ``ModelRetry``,
``ToolFailed`` and invalid arguments go to the model, as Pydantic AI has it. Other exceptions of a tool are retried by
its step, and then end the run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import Any, NoReturn, cast
from weakref import WeakValueDictionary

from pydantic_ai import RunContext, UserError, durable_exec
from pydantic_ai.agent import EventStreamHandler
from pydantic_ai.capabilities.abstract import WrapModelRequestHandler, WrapRunHandler
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model, ModelRequestContext, ModelResolutionContext
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
from durable_execution_sdk.agents.pydantic_ai.models import CountingInSteps, OneAttempt
from durable_execution_sdk.agents.tool_calls import current_context, run_tool
from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.errors import ContextMisuseError, SerDesError

__all__ = ["Durability"]

# Releases before 2.68 report spans of replayed requests again.
_replay_scope: Any = getattr(durable_exec, "replay_scope", lambda **_: nullcontext())
# True in a step that requests a model, and not in one that runs an agent as a whole.
_IN_REQUEST: ContextVar[bool] = ContextVar("durable_agents_in_request", default=False)


class Durability(durable_exec.BaseDurabilityCapability[AgentDepsT]):
    """Makes the runs of an agent durable inside a handler; outside of one the agent is as it was.

    The agent needs a name, or ``name`` here. A model request, and a call of a tool, costs one operation.

    Args:
        name: the agent's name in operations; its own by default.
        model: options of model requests.
        tools: options of tools by name, in place of the marks of their functions; for tools of MCP servers too.
        models: further models by key, for ``agent.run(model=key)``.
        event_stream_handler: gets the events of a model's answer while its step runs, and each event of a tool in
            a step of its own; nothing on replay.

    Raises (in a run):
        ConfigError: ``tools`` names a tool that the agent does not have.
        ContextMisuseError: a sync method of the agent was called in a thread of workflow code. In its own thread
            Python raises ``RuntimeError``. Use ``await agent.run(...)``.
    """

    engine_spec = durable_exec.DurabilityEngineSpec(
        engine_name="durable-execution-sdk",
        durable_unit_noun="step",
        durable_container_noun="workflow",
        codec=durable_exec.JSON_CODEC,
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
        # Models that a run was given, by a key: the base takes models from elsewhere by their keys alone.
        self._given: WeakValueDictionary[str, Model] = WeakValueDictionary()

    @property
    def in_durable_context(self) -> bool:
        """True in workflow code; False in steps, whose result is recorded as a whole, and outside of handlers."""
        return current_context() is not None

    def get_durable_operation_backend(self) -> durable_exec.DurableOperationBackend[ToolOptions]:
        """Return the backend by which Pydantic AI runs its operations as steps."""
        return _Backend(self.name, self._model_options, self._options_of_tool)

    def get_default_run_id(self) -> str | None:
        """Return an id of the run that is the same on every replay."""
        ctx = current_context()
        return None if ctx is None else str(ctx.uuid4())

    def get_default_conversation_id(self, run_id: str) -> str | None:
        """Return an id of the conversation that is the same on every replay."""
        return durable_exec.conversation_id_from_run_id(run_id) if self.in_durable_context else None

    def get_run_clock(self) -> Callable[[], datetime] | None:
        """Return the log's clock, by which a run's ``timeout`` is the same on every replay."""
        ctx = current_context()
        return None if ctx is None else ctx.now

    def get_wrapper_model(self, model: Model) -> Model | None:
        """Wrap the model that sends a request, so that its client makes one attempt, and the one that counts tokens."""
        if _IN_REQUEST.get():
            return OneAttempt(model)
        return (
            CountingInSteps(model, self.name, self._model_options)
            if self.in_durable_context
            else None
        )

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

    async def resolve_model_id(
        self, ctx: ModelResolutionContext[AgentDepsT], *, model_id: str
    ) -> Model | None:
        """Return the model of a key: one of ``models``, or the one that the run was given."""
        return self._given.get(model_id) or await super().resolve_model_id(ctx, model_id=model_id)

    async def wrap_model_request(
        self,
        ctx: RunContext[AgentDepsT],
        *,
        request_context: ModelRequestContext,
        handler: WrapModelRequestHandler,
    ) -> ModelResponse:
        """Give the run's model a key: steps run in this process, so ``override(model=TestModel())`` works in tests."""
        if request_context.model_id is None and self.in_durable_context:
            request_context.model_id = f"given: {id(request_context.model)}"
            self._given[request_context.model_id] = request_context.model
        return await super().wrap_model_request(
            ctx, request_context=request_context, handler=handler
        )

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
        self, _operation: durable_exec.DurableOperationId, tool: object, name: str
    ) -> ToolOptions:
        # A tool of a function keeps how it is called, under whatever name toolsets give it.
        schema: Any = getattr(getattr(tool, "call_func", None), "__self__", None)
        return options_of(name, getattr(schema, "function", None), self._tool_options)


class _Backend(durable_exec.JournalCallableOperationBackend[Any]):
    """Runs operations of one agent as steps of the current context."""

    def __init__(
        self,
        agent: str,
        model: ModelOptions,
        resolve_tool: Callable[[durable_exec.DurableOperationId, object, str], ToolOptions],
    ) -> None:
        roles = dict.fromkeys(("model", "event", "capability", "tool"), ToolOptions())
        config = durable_exec.RoleBasedOperationConfig(**roles, resolve_tool=resolve_tool)
        super().__init__(agent_name=agent, config=config)
        self._agent = agent
        self._model = model

    def bind(self, operation: durable_exec.DurableOperation[Any, Any, Any]) -> Any:
        """Return the operation as the framework calls it, with the parameters of each call in its step."""
        return _Bound(super().bind(operation), self._run)

    async def execute(
        self,
        *,
        operation_id: durable_exec.DurableOperationId,
        name: str,
        body: Callable[[], Awaitable[object]],
        cache_key: tuple[object, ...],
        config: Any,
    ) -> object:
        """Run the encoded operation; ``config`` is ``_run`` with the parameters of the call."""
        return await config(body)

    async def _run(
        self,
        operation: durable_exec.DurableOperationId,
        params: Any,
        options: ToolOptions,
        body: Callable[[], Awaitable[object]],
    ) -> object:
        match operation:
            case durable_exec.ModelRequestId():

                async def call() -> object:
                    _IN_REQUEST.set(True)  # in the task of the step, which ends with it
                    return await body()

                final = (UserError, SerDesError)
                return await request_model(self._agent, call, options=self._model, final=final)
            case durable_exec.ToolsetCallToolId():
                return await run_tool(
                    params.name,
                    body,
                    options=options,
                    arguments=params.tool_args,
                    refused=partial(_refuse, params.name),
                )
            case _:
                name = _name_of(operation, self._agent)
                return await DurableContext.current().step(body, name=name)


class _Bound(durable_exec.BoundDurableOperation[Any, Any, Any]):
    """An operation that hands the parameters of a call on to its step."""

    def __init__(self, bound: Any, run: Callable[..., Awaitable[object]]) -> None:
        self._bound = bound
        self._run = run

    @property
    def operation(self) -> durable_exec.DurableOperation[Any, Any, Any]:
        """The operation's declaration."""
        return cast("durable_exec.DurableOperation[Any, Any, Any]", self._bound.operation)

    async def __call__(self, params: Any, *, config: object | None = None) -> Any:
        """Run the operation once."""
        options = config if isinstance(config, ToolOptions) else ToolOptions()
        run = partial(self._run, self.operation.operation_id, params, options)
        return await self._bound(params, config=run)


def _refuse(tool: str, decision: Decision) -> NoReturn:
    raise ToolFailed(refusal_text(tool, decision))


def _name_of(operation: durable_exec.DurableOperationId, agent: str) -> str:
    """Return the name of an operation that is neither a model request nor a call: ``"support: get tools"``."""
    if isinstance(operation, durable_exec.CapabilityOperationId):
        return f"{operation.capability_id}: {operation.operation}"
    kind = type(operation).__name__.removesuffix("Id").removeprefix("Toolset")
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind)
    toolset = getattr(operation, "toolset_id", None)
    return f"{toolset or model_step_name(agent).partition(':')[0]}:{words}"
