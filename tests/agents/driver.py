"""The protocol by which the suite of ``tests/agents`` drives each adapter.

A driver makes a real agent of its framework with a fake model, and runs it in the handler of a test. The suite
(``test_suite.py``) has the handlers and the checks, and is the same for all adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from durable_execution_sdk.agents import ModelOptions, ToolOptions

__all__ = ["Call", "Driver", "Outcome", "Spec", "Turn"]


@dataclass(frozen=True)
class Call:
    """A call of a tool that the fake model asks for."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """An answer of the fake model: calls of tools, all in one answer, or a text (or JSON of the output type)."""

    calls: tuple[Call, ...] = ()
    text: str = ""


def _look_away(turn: int, seen: str) -> None:
    """Ignore a request."""


@dataclass(frozen=True)
class Spec:
    """An agent, and one run of it.

    The fake model answers request n (from 0) of the run with ``turns[n]``, where n is the number of its own answers
    in the messages that it is sent: it keeps no count, so it works after a crash. Each real request first calls
    ``on_request(n, seen)``, with all the text that the model was sent, which may raise. Each answer counts 10
    input and 5 output tokens. ``output`` is a dataclass or pydantic model for structured output, of which the text of
    the last turn is the JSON. With ``on_text`` the answer is streamed, and each piece of text is given to it while
    the step runs. ``request_limit`` is the framework's limit of requests in a run.
    """

    turns: Sequence[Turn]
    tools: Sequence[Callable[..., Any]] = ()
    prompt: str = "go"
    instructions: str = "be brief"
    name: str = "clerk"
    tool_options: Mapping[str, ToolOptions] = field(default_factory=dict)
    model: ModelOptions = field(default_factory=ModelOptions)
    output: type[Any] | None = None
    on_request: Callable[[int, str], None] = _look_away
    on_text: Callable[[str], None] | None = None
    request_limit: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The end of a run, as the framework reports it."""

    output: Any
    requests: int
    input_tokens: int
    output_tokens: int


class Driver(Protocol):
    """An adapter, as the suite sees it; a class in ``tests/agents/drivers/<adapter>.py``, named ``Driver``.

    The module begins with ``pytest.importorskip``-free imports of the framework: the suite skips an adapter whose
    framework is not installed.
    """

    # The exception that a tool raises to have its text sent to the model, as the framework has it.
    tool_error: type[Exception]
    # What the framework cannot do: of "structured", "streaming", "request_limit".
    lacks: frozenset[str]
    # The names of its exceptions when a request_limit is passed, as ``error_type`` of the result has them.
    limit_error: str

    async def run(self, spec: Spec) -> Outcome:
        """Make the agent with the adapter, and run it in the current context, as a user's handler would."""
        ...
