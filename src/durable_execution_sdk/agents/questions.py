"""Questions to people, as callbacks that say what they are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, TypeVar, overload

from msgspec import Struct, to_builtins

from durable_execution_sdk.agents.marks import in_workflow
from durable_execution_sdk.context import DurableContext
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.operations.wait_for_callback import WaitForCallbackConfig

__all__ = ["Notify", "Question", "ask_person", "person_tool"]

_T = TypeVar("_T")


class Question(Struct, frozen=True, kw_only=True):
    """A question to a person, as ``notify`` gets it: the answer goes to ``callback_id``."""

    callback_id: str
    question: str
    about: Any = None


Notify = Callable[[Question], Awaitable[object] | object]
"""A function that tells a person about a question; it runs in a step, and is retried if it fails."""


@overload
async def ask_person(
    question: str,
    *,
    result_type: type[_T],
    about: Mapping[str, object] | None = None,
    timeout: DurationLike | None = None,
    notify: Notify | None = None,
    name: str = "question",
) -> _T: ...


@overload
async def ask_person(
    question: str,
    *,
    result_type: None = None,
    about: Mapping[str, object] | None = None,
    timeout: DurationLike | None = None,
    notify: Notify | None = None,
    name: str = "question",
) -> Any: ...


async def ask_person(
    question: str,
    *,
    result_type: type[Any] | None = None,
    about: Mapping[str, object] | None = None,
    timeout: DurationLike | None = None,
    notify: Notify | None = None,
    name: str = "question",
) -> Any:
    """Ask a person by a callback, and wait for the answer, in workflow code.

    The question and ``about``, data that the answer depends on, are recorded as the result of the callback's
    submitter, so the callbacks page of ``durable dev`` shows them beside the form for ``result_type``. ``notify`` sends
    the question to the person; without it, the page and ``durable callback`` answer. Costs three operations.

    Raises:
        CallbackTimeoutError: nobody answered within ``timeout``.
        CallbackExternalError: the answer was a failure.
        ContextMisuseError: no workflow code calls it; a tool has to be marked ``in_workflow``.
    """
    told = (
        {"question": question} if about is None else {"question": question, "about": plain(about)}
    )

    async def submit(callback_id: str) -> dict[str, Any]:
        if notify is not None:
            sent = notify(
                Question(callback_id=callback_id, question=question, about=told.get("about"))
            )
            if isawaitable(sent):
                await sent
        return told

    config: WaitForCallbackConfig[Any] = WaitForCallbackConfig(
        timeout=timeout, result_type=result_type
    )
    return await DurableContext.current().wait_for_callback(submit, name=name, config=config)


def person_tool(
    *,
    name: str = "ask_person",
    description: str = "Ask a person a question, and return the answer. It may take days.",
    timeout: DurationLike | None = None,
    notify: Notify | None = None,
) -> Callable[[str], Awaitable[str]]:
    """Return a function for any framework to make a tool of: the model asks a person, who answers with a text.

    It is marked ``in_workflow``. After ``timeout`` it raises ``CallbackTimeoutError``.
    """

    async def ask(question: str) -> str:
        return await ask_person(
            question, result_type=str, timeout=timeout, notify=notify, name="question"
        )

    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = description
    return in_workflow(ask)


def plain(value: object) -> Any:
    """Return a value as JSON data; what has no JSON form is given as its type's name."""
    return to_builtins(value, enc_hook=_plain_other, str_keys=True)


def _plain_other(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else f"({type(value).__name__})"
