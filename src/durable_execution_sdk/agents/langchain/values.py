"""Results of LangChain's tools as JSON data, for the adapter ``agents.langchain``."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langgraph.types import Command

__all__ = ["data_of", "value_of"]


def data_of(value: Any) -> Any:
    """Return the result of a tool as JSON data: a message, or a command with messages in its update."""
    if isinstance(value, BaseMessage):
        return {"message": message_to_dict(value)}
    if isinstance(value, Command):
        parts = {each: getattr(value, each) for each in ("graph", "update", "resume", "goto")}
        return {"command": data_of({key: part for key, part in parts.items() if part})}
    if isinstance(value, dict):
        return {key: data_of(each) for key, each in value.items()}
    return [data_of(each) for each in value] if isinstance(value, list | tuple) else value


def value_of(data: Any) -> Any:
    """Return what ``data_of`` was given."""
    match data:
        case {"message": dict() as inner} if len(data) == 1:
            return messages_from_dict([inner])[0]
        case {"command": dict() as parts} if len(data) == 1:
            return Command(**value_of(parts))
        case dict():
            return {key: value_of(each) for key, each in data.items()}
        case list():
            return [value_of(each) for each in data]
    return data
