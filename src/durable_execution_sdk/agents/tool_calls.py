"""Calls of tools: as steps, or as code of the workflow; after a person's approval, where the tool asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from durable_execution_sdk.agents.approval import approved
from durable_execution_sdk.agents.decisions import Decision
from durable_execution_sdk.agents.marks import ToolOptions
from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.operations.child import ChildConfig
from durable_execution_sdk.runtime.current import get_current
from durable_execution_sdk.serdes import SerDes

__all__ = ["current_context", "run_tool"]

_T = TypeVar("_T")


def current_context() -> DurableContext | None:
    """Return the current context; ``None`` where an agent runs as it would without the SDK.

    That is where no workflow runs, and in the body of a step, whose result is recorded as a whole. In a thread to
    which a framework has carried workflow code, it raises ``ContextMisuseError``.
    """
    from durable_execution_sdk.runtime.tasks import WorkflowTask  # noqa: PLC0415 - loaded by then

    return DurableContext.current() if isinstance(get_current(), WorkflowTask) else None


async def run_tool(
    name: str,
    call: Callable[[], Awaitable[_T]],
    *,
    options: ToolOptions,
    arguments: Mapping[str, object],
    refused: Callable[[Decision], _T],
    serdes: SerDes[_T] | None = None,
) -> _T:
    """Run a call of a tool in the current context, as its options have it, and return its recorded result.

    ``call`` runs the tool. It returns, as a value that ``serdes`` can write, what the framework hands to the model:
    also errors that the framework would hand to it, since an exception that leaves ``call`` is retried by the step.
    ``arguments`` are shown to a person who approves the call; ``refused`` makes the result of a call that was not
    approved. Costs one operation, and three more for an approval.

    Raises:
        StepError: no more attempts; also an instance of the tool's exception. ``StepInterruptedError`` for an
            at-most-once tool that was cut off: it must end the agent's run, and not go to the model.
        ChildContextError: a tool in workflow code failed; also an instance of the tool's exception.
    """
    ctx = DurableContext.current()
    if options.approval is not None:
        decision = await options.approval.ask(name, arguments)
        if not decision.approved:
            return refused(decision)

    async def body() -> Any:
        with approved(options.approval):
            return await call()

    async def child(_: DurableContext) -> Any:
        return await body()

    if options.in_workflow:
        return await ctx.run_in_child_context(child, name=name, config=ChildConfig(serdes=serdes))
    return await ctx.step(body, name=name, config=options.step_config(serdes))
