"""Tools whose calls are steps in a workflow, or code of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, cast

from agents import FunctionTool, ToolOutputFileContent, ToolOutputImage, ToolOutputText
from agents.exceptions import AgentsException
from agents.tool_context import ToolContext
from msgspec.structs import replace

from durable_execution_sdk.agents.approval import refusal_text
from durable_execution_sdk.agents.marks import ToolOptions, options_of
from durable_execution_sdk.agents.openai.models import RUN
from durable_execution_sdk.agents.tool_calls import current_context, run_tool
from durable_execution_sdk.errors import (
    CallbackError,
    ChildContextError,
    ConfigError,
    DurableError,
    ExecutionError,
    OperationError,
    SerDesError,
    StepInterruptedError,
    StepTimeoutError,
)
from durable_execution_sdk.retry import NoRetry, RetryDecision, RetryStrategy
from durable_execution_sdk.serdes import SerDes, SerDesContext, serdes_for_return

__all__ = ["ToolCall", "durable_tool", "fatal_cause"]

_STRUCTURED = (ToolOutputText, ToolOutputImage, ToolOutputFileContent)

Invoke = Callable[[ToolContext[Any], str], Awaitable[Any]]


def durable_tool(tool: FunctionTool) -> FunctionTool:
    """Return a tool whose calls are steps in a workflow, or run as its code if it is marked so, or an agent."""
    if isinstance(tool.on_invoke_tool, ToolCall):
        return tool
    durable = copy.copy(tool)
    function = getattr(tool, "__wrapped__", None)
    durable.on_invoke_tool = ToolCall(tool.on_invoke_tool, durable, function)
    return durable


class ToolCall:
    """Invokes a durable tool, in place of the tool's own function.

    ``function_tool`` makes a function that raises, and one around it that hands errors to the model. The first runs in
    the step and the second outside, so that the log has the error, and the model gets it as the framework has it.
    """

    def __init__(
        self, original: Invoke, tool: FunctionTool, function: Callable[..., Any] | None
    ) -> None:
        self._original = original
        self._tool = tool
        self._function = function
        # A tool with an ``on_invoke_tool`` of its own has no such attribute: it handles its errors itself.
        raising: Invoke | None = getattr(original, "_invoke_tool_impl", None)
        self._raising = raising or original
        self._hands_on_errors = raising is not None and (
            getattr(tool, "_use_default_failure_error_function", True)
            or getattr(tool, "_failure_error_function", None) is not None
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __agents_bind_function_tool__(self, tool: FunctionTool) -> ToolCall:
        """Return what invokes a copy of the tool; the framework asks for it."""
        bind = getattr(self._original, "__agents_bind_function_tool__", None)
        return ToolCall(bind(tool) if bind else self._original, tool, self._function)

    async def __call__(self, context: ToolContext[Any], arguments: str) -> Any:
        """Call the tool, and return what the model gets."""
        if current_context() is None:
            return await self._original(context, arguments)
        try:
            return await self._run(context, arguments)
        except Exception as error:
            cause = fatal_cause(error)
            if isinstance(cause, StepTimeoutError) and not self._options.at_most_once:
                cause = None  # the step gave it up, and may run again
            if cause is not None:
                raise cause from cause.__cause__
            if not self._hands_on_errors:
                raise
            return await self._handed_on(error, context, arguments)

    async def _run(self, context: ToolContext[Any], arguments: str) -> Any:
        name, options = self._tool.name, self._options
        call = partial(self._raising, context, arguments)
        if getattr(self._tool, "_is_agent_tool", False):
            return await _run_agent(name, call, options, arguments)
        return await run_tool(
            name,
            call,
            options=self._with_retries(options),
            arguments=_read(arguments),
            refused=partial(refusal_text, name),
            serdes=_serdes_of(self._function),
        )

    @property
    def _options(self) -> ToolOptions:
        return options_of(self._tool.name, self._function, RUN.get().tools)

    def _with_retries(self, options: ToolOptions) -> ToolOptions:
        """Return the options with retries of the step only where the model does not get the error."""
        if options.at_most_once or options.in_workflow:
            return options
        if options.retry_strategy is not None:
            return replace(
                options, retry_strategy=_but_not_framework_errors(options.retry_strategy)
            )
        return replace(options, retry_strategy=NoRetry()) if self._hands_on_errors else options

    async def _handed_on(self, error: Exception, context: ToolContext[Any], arguments: str) -> Any:
        """Return what the framework makes of an error, by its own function around one that raises it."""

        async def fail(*_: Any) -> Any:
            raise error

        original: Any = self._original
        handler = type(original)(fail, original._on_handled_error, function_tool=self._tool)  # noqa: SLF001 - it has no other way
        return await handler(context, arguments)


async def _run_agent(
    name: str, call: Callable[[], Awaitable[Any]], options: ToolOptions, arguments: str
) -> Any:
    """Run an agent as a tool: it runs again on replay, over its recorded steps, so that its usage counts."""
    if options.at_most_once or options.retry_strategy is not None or options.timeout is not None:
        raise ConfigError(
            f"the tool {name!r} is an agent, which runs as code of the workflow: at_most_once, retry_strategy and"
            " timeout are of steps. Give them to the agent's own tools"
        )
    if options.approval is not None:
        decision = await options.approval.ask(name, _read(arguments))
        if not decision.approved:
            return refusal_text(name, decision)
    return await call()


def fatal_cause(error: BaseException | None) -> DurableError | None:
    """Return the error for which a run must end, and which the model must not get, if this is one or comes from one.

    That is a call at most once that was cut off, by a crash or its timeout, a missing approval, and what the SDK refuses or cannot record.
    """
    while error is not None:
        if isinstance(error, DurableError) and (
            not isinstance(error, OperationError)
            or isinstance(error, (StepInterruptedError, StepTimeoutError, ExecutionError))
            or (isinstance(error, CallbackError) and not isinstance(error, ChildContextError))
        ):
            return error
        # The framework wraps the errors of tools.
        error = error.__cause__ if isinstance(error, AgentsException) else None
    return None


def _but_not_framework_errors(strategy: RetryStrategy) -> RetryStrategy:
    def decide(error: Exception, attempt: int, /) -> RetryDecision:
        # Arguments that do not fit the tool, for instance: only the model can do better.
        if isinstance(error, AgentsException):
            return RetryDecision.stop()
        return strategy(error, attempt)

    return decide


def _read(arguments: str) -> Mapping[str, object]:
    try:
        read: Any = json.loads(arguments or "{}")
    except ValueError:
        read = None
    return cast("dict[str, object]", read) if isinstance(read, dict) else {"arguments": arguments}


class _AsTold:
    """The serdes of results without a type: JSON data as it is, and other values as the text that the model gets."""

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        """Write a result."""
        return _json(value) or _structured(value) or json.dumps(str(value))

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
        """Read a result back."""
        return json.loads(payload)


_AS_TOLD = _AsTold()


class _Annotated:
    """The serdes of results by an annotation, which the framework does not hold tools to: others are as told."""

    def __init__(self, typed: SerDes[Any]) -> None:
        self._typed = typed

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        """Write a result; one that is not of its type must not be read as one."""
        try:
            return self._typed.serialize(value, context)
        except SerDesError:
            text = _AS_TOLD.serialize(value, context)
            return json.dumps(str(value)) if self._is_of_type(text, context) else text

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
        """Read a result back."""
        try:
            return self._typed.deserialize(payload, context)
        except SerDesError:
            return _AS_TOLD.deserialize(payload, context)

    def _is_of_type(self, text: str, context: SerDesContext) -> bool:
        try:
            self._typed.deserialize(text, context)
        except SerDesError:
            return False
        return True


def _structured(value: Any) -> str | None:
    """Return the framework's texts, images and files as JSON, in which it takes them too."""
    items = list[Any](value) if isinstance(value, (list, tuple)) else [value]
    if not items or not all(isinstance(item, _STRUCTURED) for item in items):
        return None
    return json.dumps([item.model_dump(mode="json", exclude_none=True) for item in items])


def _json(value: Any) -> str | None:
    """Return a value as JSON; ``None`` if it would not come back as it is."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return text if json.loads(text) == value else None
    except (TypeError, ValueError, RecursionError):
        return None


def _serdes_of(function: Callable[..., Any] | None) -> SerDes[Any]:
    """Return the serdes by the return annotation of a tool's function, or else of what the model is told."""
    if function is not None:
        try:
            typed = serdes_for_return(function)
        except ConfigError:  # a type that cannot be read back, and that the framework gives as text
            return _AS_TOLD
        if getattr(typed, "type_", Any) not in (Any, object, type(None)):
            return _Annotated(typed)
    return _AS_TOLD
