"""Retries of HTTP clients, off while a step makes the attempts.

The clients of OpenAI, Anthropic, Groq and others retry twice by default, and read the number of retries from an
attribute, ``max_retries``, in each request. A client may serve several steps at once, and is back at its own number
when the last has ended. Clients that fix their retries when they are made, such as boto3's, keep them.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

__all__ = ["single_attempts"]

# The attributes in which models of frameworks keep their client, or the model that they wrap.
_CLIENT_ATTRIBUTES = ("client", "_client", "_custom_client", "wrapped", "async_client")
# Those in which one keeps the models that stand in for one another.
_MEMBER_ATTRIBUTES = ("models",)
_DEEPEST = 4
# Of each client in use, by its id: the client, its own number, and the steps that use it.
_quiet: dict[int, list[Any]] = {}
_lock = threading.Lock()  # functions in one process may run in several threads


@contextmanager
def single_attempts(owners: Iterable[object]) -> Generator[None]:
    """Set ``max_retries`` of all clients that the owners are, or have, to 0 in the block."""
    clients = [client for owner in owners for client in _clients(owner, _DEEPEST)]
    with _lock:
        for client in clients:
            entry = _quiet.setdefault(id(client), [client, client.max_retries, 0])
            entry[2] += 1
            client.max_retries = 0
    try:
        yield
    finally:
        with _lock:
            for client in clients:
                entry = _quiet[id(client)]
                entry[2] -= 1
                if not entry[2]:
                    del _quiet[id(client)]
                    client.max_retries = entry[1]


def _clients(owner: Any, depth: int) -> Iterator[Any]:
    retries = getattr(owner, "max_retries", None)
    if isinstance(retries, int) and not isinstance(retries, bool):
        yield owner
        return
    if depth:
        for name in _CLIENT_ATTRIBUTES:
            inner = getattr(owner, name, None)
            if inner is not None and inner is not owner:
                yield from _clients(inner, depth - 1)
        for name in _MEMBER_ATTRIBUTES:
            members: object = getattr(owner, name, None)
            if isinstance(members, list | tuple):
                for member in cast("list[object]", members):
                    yield from _clients(member, depth - 1)
