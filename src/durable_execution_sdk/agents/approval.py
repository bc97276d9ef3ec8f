"""Approvals: a person is asked before a tool is called."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Literal, TypeVar

from durable_execution_sdk.agents.decisions import Approval, Decision
from durable_execution_sdk.agents.marks import marked
from durable_execution_sdk.agents.questions import Notify, ask_person
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.errors import (
    CallbackExternalError,
    CallbackTimeoutError,
    ConfigError,
    ContextMisuseError,
)

__all__ = ["Decision", "HumanApproval", "approved", "human_approval", "refusal_text"]

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")

# The approval of the call that runs; a guarded function does not run under another.
_GIVEN: ContextVar[Approval | None] = ContextVar("durable_agents_approval", default=None)


class HumanApproval(Approval, frozen=True, kw_only=True, eq=False):
    """A guard of a tool, made by ``human_approval``: call it on the tool's function, or give it to ``ToolOptions``."""

    question: str | Callable[[Mapping[str, object]], str] | None = None
    timeout: DurationLike | None = None
    notify: Notify | None = None
    when: Callable[[Mapping[str, object]], bool] | None = None
    on_timeout: Literal["refuse", "fail"] = "refuse"

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        if self.on_timeout not in ("refuse", "fail"):
            raise ConfigError(
                f'human_approval: on_timeout must be "refuse" or "fail", not {self.on_timeout!r}'
            )

    def __call__(self, function: _F) -> _F:
        """Guard a tool's function: it runs in approved calls only, and an adapter for its framework asks before them."""
        name = getattr(function, "__name__", repr(function))

        @wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            self._check(name)
            return await function(*args, **kwargs)

        @wraps(function)
        def run_plain(*args: Any, **kwargs: Any) -> Any:
            self._check(name)
            return function(*args, **kwargs)

        guarded: Any = run if iscoroutinefunction(function) else run_plain
        return marked(guarded, approval=self)  # type: ignore[no-any-return]  # of the same signature

    async def ask(self, tool: str, arguments: Mapping[str, object]) -> Decision:
        """Ask a person about a call of a tool, in workflow code. Costs three operations, or none without a question.

        Raises:
            ConfigError: ``when`` or ``question`` raised an exception.
        """
        if self.when is not None and not _computed("when", self.when, tool, arguments):
            return Decision(approved=True)
        question = self.question
        if callable(question):
            question = _computed("question", question, tool, arguments)
        try:
            return await ask_person(
                question or f"May the agent call {tool}?",
                about={"tool": tool, "arguments": dict(arguments)},
                result_type=Decision,
                timeout=self.timeout,
                notify=self.notify,
                name=f"approve {tool}",
            )
        except CallbackTimeoutError:
            if self.on_timeout == "fail":
                raise
            return Decision(approved=False, comment="no answer came in time")
        except CallbackExternalError as error:
            return Decision(approved=False, comment=error.error_message)

    def _check(self, tool: str) -> None:
        if _GIVEN.get() is not self:
            raise ContextMisuseError(
                f"{tool!r} needs a person's approval, and was called without one: only an agent with an adapter of"
                " durable_execution_sdk.agents, in a function that is decorated with @durable_execution, can ask. In"
                " workflow code of your own, call ask_person(...) and the function without its guard"
            )


def _computed(
    option: str,
    function: Callable[[Mapping[str, object]], _T],
    tool: str,
    arguments: Mapping[str, object],
) -> _T:
    """Call a function of the user's, and name it in the error if it fails."""
    try:
        return function(arguments)
    except Exception as error:
        raise ConfigError(
            f"human_approval of the tool {tool!r}: {option}= raised {type(error).__name__}: {error}; it got the"
            f" arguments {', '.join(map(repr, arguments)) or '(none)'}, and must be able to read any that the model sends"
        ) from error


def human_approval(
    *,
    question: str | Callable[[Mapping[str, object]], str] | None = None,
    timeout: DurationLike | None = None,
    notify: Notify | None = None,
    when: Callable[[Mapping[str, object]], bool] | None = None,
    on_timeout: Literal["refuse", "fail"] = "refuse",
) -> HumanApproval:
    """Ask a person, by a callback, before each call of a tool; a refused call goes back to the model with the comment.

    Put it on the tool's function (``@human_approval(timeout=...)``), or give it by name
    (``ToolOptions(approval=human_approval(...))``). The callbacks page of ``durable dev`` shows the question, the tool
    and its arguments; the answer is a ``Decision``. It costs three operations for each call.

    Args:
        question: the text, or a function of the arguments that returns it.
        timeout: the time for an answer, at most 99,999,999 s; none by default. Then the call is refused, or with
            ``on_timeout="fail"`` the agent's run fails with ``CallbackTimeoutError``.
        notify: sends the question to a person; it gets a ``Question`` and runs in a step.
        when: asks only if this is true of the arguments; it runs again on replay, so it depends on them alone.
        on_timeout: ``"refuse"`` or ``"fail"``.

    Raises (in a run):
        ConfigError: ``when`` or ``question`` raised an exception.
    """
    return HumanApproval(
        question=question, timeout=timeout, notify=notify, when=when, on_timeout=on_timeout
    )


def refusal_text(tool: str, decision: Decision) -> str:
    """Return the text that the model gets in place of a refused call's result."""
    reason = f": {decision.comment}" if decision.comment else ""
    return f"A person did not approve this call of {tool}{reason}. It was not made."


@contextmanager
def approved(approval: Approval | None) -> Generator[None]:
    """Let the function that this approval guards run in the block, also in threads that copy the context."""
    token = _GIVEN.set(approval)
    try:
        yield
    finally:
        _GIVEN.reset(token)
