"""Marks for tools: the options by which an adapter runs a tool.

A mark is put on the tool's function, or given to the adapter by the tool's name where a framework keeps no function::

    @at_most_once
    async def refund(order: str) -> str: ...

    @in_workflow
    async def look_again_tomorrow() -> str:
        await DurableContext.current().wait(Duration.from_days(1))

    DurableAgent(..., tools={"transfer": ToolOptions(at_most_once=True)})

Marks stand in an attribute of the function, which wrappers that use ``functools.wraps`` keep. A function that is marked
``at_most_once`` also refuses to run in a workflow where no adapter has seen the mark, because replay, or the retry of a
step, would run it again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isfunction
from typing import Any, TypeVar

from msgspec.structs import replace

from durable_execution_sdk.agents.decisions import Approval
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import ConfigError, ContextMisuseError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.step import StepConfig, StepSemantics
from durable_execution_sdk.retry import NoRetry, RetryStrategy
from durable_execution_sdk.runtime.current import get_current
from durable_execution_sdk.serdes import SerDes

__all__ = [
    "ToolOptions",
    "at_most_once",
    "check_tool_names",
    "in_workflow",
    "kept",
    "options_of",
    "tool_options",
]

_F = TypeVar("_F", bound=Callable[..., Any])

# The attribute of a function that holds its marks.
_MARKS = "__durable_tool_options__"


class ToolOptions(Options, frozen=True, kw_only=True):
    """The options by which an adapter runs a tool. Without any, a call is a step that runs at least once.

    ``at_most_once``: the body of a call never runs twice. A call that was cut off fails with
    ``StepInterruptedError``, which ends the agent's run: nothing can tell whether it took effect. A second call by
    the model is another call.

    ``in_workflow``: the tool runs as code of the workflow, in a child context with the tool's name. So it may wait,
    ask a person, invoke functions and run other agents; its own I/O belongs into steps.

    ``approval``: a person is asked before the call; see ``human_approval``.

    ``retry_strategy`` is for errors that the framework does not hand to the model; ``None`` is the handler's default.
    ``timeout`` is that of each attempt, as in ``StepConfig``.
    """

    at_most_once: bool = False
    in_workflow: bool = False
    approval: Approval | None = None
    retry_strategy: RetryStrategy | None = None
    timeout: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        if self.in_workflow and (self.at_most_once or self.retry_strategy or self.timeout):
            raise ConfigError(
                "a tool that is in_workflow runs as code of the workflow, which replay runs again: at_most_once,"
                " retry_strategy and timeout are of steps. Put what must run once into a step in the tool:"
                " await DurableContext.current().step(...)"
            )
        if self.at_most_once and self.retry_strategy is not None:
            raise ConfigError(
                "a tool that is at_most_once has one attempt; leave out retry_strategy"
            )
        self.step_config()

    def step_config(self, serdes: SerDes[Any] | None = None) -> StepConfig:
        """Return the configuration of the step that runs a call."""
        if self.at_most_once:
            once = StepSemantics.AT_MOST_ONCE_PER_RETRY
            return StepConfig(
                semantics=once, retry_strategy=NoRetry(), timeout=self.timeout, serdes=serdes
            )
        return StepConfig(retry_strategy=self.retry_strategy, timeout=self.timeout, serdes=serdes)


_DEFAULT = ToolOptions()

# The options of the tool's call that runs, as the adapter has read them.
_KEPT: ContextVar[ToolOptions | None] = ContextVar("durable_agents_kept", default=None)


def at_most_once(function: _F) -> _F:
    """Mark a tool: the body of a call never runs twice. See ``ToolOptions``.

    In a workflow the function runs in calls of the tool alone; elsewhere it is as it was.

    Raises (when it is called):
        ContextMisuseError: workflow code calls it, or a tool whose step is not at most once.
    """
    name = getattr(marked(function, at_most_once=True), "__name__", repr(function))

    @wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        _check_kept(name)
        return await function(*args, **kwargs)

    @wraps(function)
    def run_plain(*args: Any, **kwargs: Any) -> Any:
        _check_kept(name)
        return function(*args, **kwargs)

    once: Any = run if iscoroutinefunction(function) else run_plain
    return once  # type: ignore[no-any-return]  # of the same signature


@contextmanager
def kept(options: ToolOptions) -> Generator[None]:
    """Let the function of a tool with these options run in the block, also in threads that copy the context."""
    token = _KEPT.set(options)
    try:
        yield
    finally:
        _KEPT.reset(token)


def _check_kept(name: str) -> None:
    from durable_execution_sdk.runtime.tasks import WorkflowTask  # noqa: PLC0415 - loaded by then

    if isinstance(get_current(), WorkflowTask):
        raise ContextMisuseError(
            f"{name!r} is marked at_most_once, and was called as code of the workflow, which replay runs again: give it"
            " to the agent as a tool, or run it in a step with StepConfig(semantics=AT_MOST_ONCE_PER_RETRY). A function"
            " that makes an agent's output is code of the workflow, and no tool"
        )
    options = _KEPT.get()
    if options is not None and not options.at_most_once:
        raise ContextMisuseError(
            f"{name!r} is marked at_most_once, and was called in the step of a tool that is not, which may run again:"
            " the framework has hidden the mark, or the options by the tool's name replace it. Give the adapter"
            " ToolOptions(at_most_once=True) by the name of the tool"
        )


def in_workflow(function: _F) -> _F:
    """Mark a tool: it runs as code of the workflow, and so may wait, ask a person or run an agent. See ``ToolOptions``.

    Raises:
        ConfigError: it is a plain ``def``, which frameworks run in another thread, where no operation can start.
    """
    given: Any = function
    if isfunction(given) and not (iscoroutinefunction(given) or isasyncgenfunction(given)):
        raise ConfigError(
            f"in_workflow: {given.__name__!r} must be async def, and is a plain def, which frameworks run in another"
            " thread, where no operation can start: write async def"
        )
    return marked(function, in_workflow=True)


def tool_options(
    *, retry_strategy: RetryStrategy | None = None, timeout: DurationLike | None = None
) -> Callable[[_F], _F]:
    """Mark a tool with options of its steps. See ``ToolOptions``."""
    return partial(_marked_with, {"retry_strategy": retry_strategy, "timeout": timeout})


def _marked_with(options: dict[str, Any], function: _F) -> _F:
    return marked(function, **options)


def marked(function: _F, **options: Any) -> _F:
    """Add options to those that a function has. Raises ``ConfigError`` if they do not go together."""
    if not callable(function):
        raise ConfigError(
            f"a mark is for the plain function of a tool, and found {function!r}: put it below the framework's"
            " decorator, or give the adapter ToolOptions by the tool's name"
        )
    setattr(function, _MARKS, replace(marks_of(function), **options))
    return function


def marks_of(function: object) -> ToolOptions:
    """Return the marks of a tool's function, also through ``functools.partial`` and ``functools.wraps``."""
    inner: Any = function
    while inner is not None:
        found = getattr(inner, _MARKS, None)
        if isinstance(found, ToolOptions):
            return found
        inner = inner.func if isinstance(inner, partial) else getattr(inner, "__wrapped__", None)
    return _DEFAULT


def options_of(
    name: str, function: object = None, by_name: Mapping[str, ToolOptions] | None = None
) -> ToolOptions:
    """Return the options of a tool: those by its name, or else the marks of its function, or else the defaults."""
    given = (by_name or {}).get(name)
    return marks_of(function) if given is None else given


def check_tool_names(by_name: Mapping[str, ToolOptions], known: Iterable[str], agent: str) -> None:
    """Raise ``ConfigError`` for options of a tool that the agent does not have, or of another type."""
    names = list(known)
    for name, options in by_name.items():
        if not isinstance(options, ToolOptions):
            raise ConfigError(
                f"the options of tool {name!r} must be ToolOptions(...), not {options!r}"
            )
        if name not in names:
            raise ConfigError(
                f"agent {agent!r} has options for a tool {name!r}, which it does not have; its tools are"
                f" {', '.join(map(repr, names)) or 'none'}"
            )
