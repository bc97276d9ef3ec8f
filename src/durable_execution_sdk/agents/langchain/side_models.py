"""Requests that middleware and code of the workflow make to chat models by themselves, as steps.

Middleware that summarizes, selects tools, judges calls or answers in place of tools asks a model of its own. A replay that
asks again is billed again, and another answer than the first may lead to other operations. All such requests go through
``BaseChatModel.agenerate``, which is a step in workflow code, and as before anywhere else.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, LLMResult

from durable_execution_sdk.agents.model_requests import request_model
from durable_execution_sdk.agents.tool_calls import current_context

__all__ = ["clients_of", "record_side_models"]

# The attributes in which models keep clients that retry, besides those that ``single_attempts`` knows.
_CLIENTS = ("root_async_client", "async_client", "_async_client", "async_root_client")

_MARK = "__durable_side_models__"


def clients_of(model: Any) -> list[object]:
    """Return a chat model and the clients that it keeps, whose own retries are off while a step asks it."""
    return [model, *(getattr(model, name, None) for name in _CLIENTS)]


def record_side_models() -> None:
    """Let requests to chat models be steps in workflow code."""
    model: Any = BaseChatModel
    if hasattr(model.agenerate, _MARK):
        return
    ask = model.agenerate

    @wraps(ask)
    async def agenerate(self: Any, *args: Any, **kwargs: Any) -> LLMResult:
        if current_context() is None:
            result: LLMResult = await ask(self, *args, **kwargs)
            return result
        call = partial(_data, ask, self, *args, **kwargs)
        # Which agent asks, LangChain does not tell everywhere.
        return _result(await request_model(None, call, work="side model", clients=clients_of(self)))

    setattr(agenerate, _MARK, True)
    model.agenerate = agenerate


async def _data(ask: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    result: LLMResult = await ask(*args, **kwargs)
    generations: Any = result.generations
    return {
        "generations": [
            [
                {"message": message_to_dict(each.message), "info": each.generation_info}
                for each in of_prompt
            ]
            for of_prompt in generations
        ],
        "llm_output": result.llm_output,
    }


def _result(data: dict[str, Any]) -> LLMResult:
    return LLMResult(
        generations=[
            [
                ChatGeneration(
                    message=messages_from_dict([each["message"]])[0], generation_info=each["info"]
                )
                for each in of_prompt
            ]
            for of_prompt in data["generations"]
        ],
        llm_output=data["llm_output"],
    )
