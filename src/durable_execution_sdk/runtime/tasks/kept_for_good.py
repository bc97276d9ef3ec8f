"""Keeps what may never be destroyed, because that would run code of an invocation that has ended."""

from __future__ import annotations

from typing import Any

__all__ = ["keep_for_good"]

_kept: list[Any] = []


def keep_for_good(*things: object) -> None:
    """Keep tasks and coroutines past the end of the process: the interpreter, as it shuts down, would destroy them.

    That throws ``GeneratorExit`` into their code, and a bare ``except`` in an endless loop would keep the process
    from ending.
    """
    _kept.extend(things)
    try:
        from ctypes import py_object, pythonapi  # noqa: PLC0415 - rarely needed
    except ImportError:  # a Python that was built without it
        return
    for thing in things:
        pythonapi.Py_IncRef(py_object(thing))
