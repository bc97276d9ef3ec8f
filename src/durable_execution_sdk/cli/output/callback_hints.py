"""The command lines that answer the callbacks of an execution, and send messages to its inboxes; and what is asked."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

from durable_execution_sdk.cli.store_file import ExecutionPlace, Place
from durable_execution_sdk.dev.answers import Awaited, awaited_by, logs_beside
from durable_execution_sdk.dev.logs.log_store import LogStore
from durable_execution_sdk.dev.schemas.one_line import in_one_line
from durable_execution_sdk.protocol.inboxes import inbox_of
from durable_execution_sdk.rendering.callback_names import references
from durable_execution_sdk.rendering.documents import about_of
from durable_execution_sdk.rendering.family import Family, Waiter

_MOST_SHOWN = 300


def answers(executions: Family, place: ExecutionPlace) -> list[str]:
    """Write a ``durable callback succeed`` command for each callback that waits, and a ``durable send`` for each inbox."""
    arn = executions.execution.arn
    commands = [
        place.command("callback", "succeed", place.reference(arn, reference), "--data", "JSON")
        for reference in references(executions)
    ]
    inboxes = (_inbox(waiter) for waiter in executions.waiters())
    name = place.reference(arn, executions.name)
    return commands + [place.command("send", name, inbox, "JSON") for inbox in inboxes if inbox]


def asked(waiter: Waiter, awaited: Awaited) -> str | None:
    """Write in one line what a callback is about, and which JSON answers it; ``None`` if neither is known."""
    parts: list[str] = []
    about = about_of(waiter)
    if about is not None:
        parts.append(f"asks: {_cut(_question(about))}")
    if awaited.schema is not None:
        parts.append(f"answer: {_cut(in_one_line(awaited.schema))}")
    return "  ".join(parts) or None


def questions(executions: Family, place: ExecutionPlace) -> list[str]:
    """Write a line with the question of each callback that waits, where one is known."""
    found = references(executions)
    with _logs(place) as logs:
        lines = {
            name: asked(each, awaited_by(logs, each.execution.arn, each.progress.operation.id))
            for name, each in found.items()
        }
    return [f"{name} {line}" for name, line in lines.items() if line is not None]


def _logs(place: ExecutionPlace) -> AbstractContextManager[LogStore | None]:
    return logs_beside(place.path) if isinstance(place, Place) else nullcontext()


def _question(about: object) -> str:
    if not isinstance(about, dict):
        return about if isinstance(about, str) else _json(about)
    data = cast("dict[str, Any]", about)
    question = data.get("question")
    if not isinstance(question, str):
        return _json(data)
    rest = data.get("about") if data.keys() <= {"question", "about"} else _without_question(data)
    return question if rest is None else f"{question} {_json(rest)}"


def _without_question(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "question"}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SHOWN else f"{line[: _MOST_SHOWN - 1]}…"


def _inbox(waiter: Waiter) -> str | None:
    operation = waiter.progress.operation
    return inbox_of(operation.id, operation.name)
