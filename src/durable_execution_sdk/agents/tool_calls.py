"""Calls of tools: as steps, or as code of the workflow; after a person's approval, where the tool asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from durable_execution_sdk.agents.approval import approved
from durable_execution_sdk.agents.decisions import Decision
from durable_execution_sdk.agents.marks import ToolOptions, kept
from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.errors import (
    ExecutionError,
    StepError,
    StepInterruptedError,
    StepTimeoutError,
)
from durable_execution_sdk.operations.child import ChildConfig
from durable_execution_sdk.runtime.current import get_current
from durable_execution_sdk.serdes import SerDes

__all__ = ["also_a", "current_context", "forget_call", "is_unknown", "run_tool"]

_T = TypeVar("_T")

# The last at-most-once call of this task: its tool and its id, with its error or its result.
_MADE: ContextVar[tuple[tuple[str, str], StepError | None, Any] | None] = ContextVar(
    "durable_agents_made", default=None
)


def current_context() -> DurableContext | None:
    """Return the current context; ``None`` where an agent runs as it would without the SDK.

    That is where no workflow runs, and in the body of a step, whose result is recorded as a whole. In a thread to
    which a framework has carried workflow code, it raises ``ContextMisuseError``.
    """
    from durable_execution_sdk.runtime.tasks import WorkflowTask  # noqa: PLC0415 - loaded by then

    return DurableContext.current() if isinstance(get_current(), WorkflowTask) else None


def is_unknown(error: BaseException, options: ToolOptions) -> bool:
    """Return ``True`` if the tool may have had its effect, and the log has no result: the model must not call it again."""
    if isinstance(error, StepInterruptedError):
        return True
    return options.at_most_once and isinstance(error, StepTimeoutError | ExecutionError)


def also_a(error: Exception, kind: type[Exception]) -> Exception:
    """Return a copy of an error that is also an instance of a framework's class, which its middleware lets pass."""
    before = type(error)
    members = {"__module__": before.__module__, "__qualname__": before.__qualname__}
    both: Any = type(before.__name__, (before, kind), members)
    copied: Exception = both.__new__(both, *error.args)
    copied.__dict__.update(error.__dict__)
    return copied


def forget_call() -> None:
    """Let a call have the id of an earlier one, in another turn."""
    _MADE.set(None)


async def run_tool(
    name: str,
    call: Callable[[], Awaitable[_T]],
    *,
    options: ToolOptions,
    arguments: Mapping[str, object],
    refused: Callable[[Decision], _T],
    serdes: SerDes[_T] | None = None,
    call_id: str | None = None,
) -> _T:
    """Run a call of a tool in the current context, as its options have it, and return its recorded result.

    ``call`` runs the tool. It returns, as a value that ``serdes`` can write, what the framework hands to the model:
    also errors that the framework would hand to it, since an exception that leaves ``call`` is retried by the step.
    ``arguments`` are shown to a person who approves the call; ``refused`` makes the result of a call that was not
    approved. ``call_id`` is the model's id of the call, where middleware or hooks of the framework may make a call again: one
    that is at most once ends again as it has ended. Costs one operation, and three more for an approval.

    Raises:
        StepError: no more attempts; also an instance of the tool's exception. ``StepInterruptedError`` for an
            at-most-once tool that was cut off: it must end the agent's run, and not go to the model.
        ChildContextError: a tool in workflow code failed; also an instance of the tool's exception.
    """
    ctx = DurableContext.current()
    made = _MADE.get()
    if options.at_most_once and made is not None and made[0] == (name, call_id):
        if made[1] is not None:
            raise made[1]
        return cast("_T", made[2])
    if options.approval is not None:
        decision = await options.approval.ask(name, arguments)
        if not decision.approved:
            return refused(decision)

    async def body() -> Any:
        with approved(options.approval), kept(options):
            return await call()

    async def child(_: DurableContext) -> Any:
        return await body()

    if options.in_workflow:
        return await ctx.run_in_child_context(child, name=name, config=ChildConfig(serdes=serdes))
    if not options.at_most_once or call_id is None:
        return await ctx.step(body, name=name, config=options.step_config(serdes))
    which = (name, call_id)
    given_up = f"the call of {name!r} was given up, and may have had its effect"
    _MADE.set((which, StepInterruptedError(given_up, operation_name=name), None))
    try:
        result = await ctx.step(body, name=name, config=options.step_config(serdes))
    except StepError as error:
        _MADE.set((which, error, None))
        raise
    _MADE.set((which, None, result))
    return result
