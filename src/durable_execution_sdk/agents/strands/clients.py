"""Arguments of clients that models of Strands make for each request, so that those make one attempt too."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

__all__ = ["client_arguments"]

# The modules whose models make a client of OpenAI from their ``client_args``.
_OPENAI = ("strands.models.openai", "strands.models.openai_responses")


class _ClientArguments:
    """The arguments of a client, whose ``max_retries`` is read and set as that of a client."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments

    @property
    def max_retries(self) -> int:
        """The number of retries; -1 where none is given, so that the client has its own."""
        given = self._arguments.get("max_retries")
        return given if isinstance(given, int) else -1

    @max_retries.setter
    def max_retries(self, number: int) -> None:
        if number < 0:
            self._arguments.pop("max_retries", None)
        else:
            self._arguments["max_retries"] = number


# Those in use, by the id of the arguments: steps that use them at once share one.
_in_use: WeakValueDictionary[int, _ClientArguments] = WeakValueDictionary()


def client_arguments(model: Any) -> object:
    """Return what stands for the clients that a model makes; ``None`` for models that make none of OpenAI."""
    if not any(kind.__module__ in _OPENAI for kind in type(model).__mro__):
        return None
    arguments = model.client_args
    return _in_use.setdefault(id(arguments), _ClientArguments(arguments))
