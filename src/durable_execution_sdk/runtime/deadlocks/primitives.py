"""The locks, events, queues and streams of asyncio and anyio, recognized by the frame that waits in their code."""

from __future__ import annotations

from types import FrameType

__all__ = ["ANYIO", "PRIMITIVE_MODULES", "code_of", "kind_of"]

PRIMITIVE_MODULES = frozenset({"asyncio.locks", "asyncio.queues"})
ANYIO = "anyio._backends._asyncio"

_OF_ASYNCIO = {
    "Event.wait": "",
    "Lock.acquire": "",
    "Semaphore.acquire": "",
    "Condition.wait": "",
    "Condition.wait_for": "",
    "Barrier.wait": "",
    "Queue.get": "an item of ",
    "Queue.put": "a free place in ",
    "Queue.join": "the work to be done of ",
}
# By the method alone: versions of anyio differ in the class and the module that have it.
_OF_ANYIO = {
    "wait": "",
    "wait_for": "",
    "acquire": "",
    "acquire_on_behalf_of": "",
    "receive": "an item of ",
    "send": "a free place in ",
    "start": "a task to be started in ",
}
# anyio's class for those that were made before the loop ran: ``EventAdapter``.
_ADAPTER = "Adapter"


def code_of(frame: FrameType | None) -> tuple[str, str]:
    """Return the names of the module and of the function that a frame runs."""
    if frame is None:
        return "", ""
    return frame.f_globals.get("__name__", ""), frame.f_code.co_qualname


def kind_of(frame: FrameType) -> str | None:
    """Describe the kind of thing that code of asyncio or anyio waits for in this frame; ``None`` for other code."""
    module, name = code_of(frame)
    if module in PRIMITIVE_MODULES and name in _OF_ASYNCIO:
        return f"{_OF_ASYNCIO[name]}asyncio.{type(frame.f_locals.get('self')).__name__}"
    if not module.startswith("anyio."):
        return None
    if name == "sleep_forever":
        return "anyio.sleep_forever"
    method = name.rpartition(".")[2]
    if method in _OF_ANYIO and "self" in frame.f_locals:
        itself = type(frame.f_locals["self"]).__name__.removesuffix(_ADAPTER)
        return f"{_OF_ANYIO[method]}anyio.{itself}"
    return None
