"""Stack traces for the log: the frames of the user's code, innermost last."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections import deque
from collections.abc import Callable
from os import sep
from types import TracebackType
from typing import Any

from durable_execution_sdk.runtime.error_objects.inspection import clean

__all__ = ["frames_of"]

MOST_FRAMES = 32
_LONGEST_FRAME = 512

_STANDARD_LIBRARY = threading.__file__.rpartition(sep)[0]
# Files of code that runs a step's function, whose frames say nothing about a failure.
_MACHINERY = (
    __file__.rpartition(f"{sep}runtime{sep}")[0] + sep,
    asyncio.__file__.rpartition(sep)[0] + sep,
    f"{_STANDARD_LIBRARY}{sep}concurrent{sep}futures{sep}",
    threading.__file__,
)

_traceback_of: Callable[[BaseException], TracebackType | None] = BaseException.__dict__[
    "__traceback__"
].__get__


def frames_of(error: BaseException) -> list[str]:
    """Return the formatted frames of an exception, at most 32, each of at most 512 characters."""
    frames: deque[Any] = deque(maxlen=MOST_FRAMES)
    trace = _traceback_of(error)
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_MACHINERY):
            frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    try:
        summary = traceback.StackSummary.extract(iter(frames))
        texts = traceback.format_list(summary)
    except Exception:  # source that cannot be read
        texts = [
            f'File "{f.f_code.co_filename}", line {n}, in {f.f_code.co_name}' for f, n in frames
        ]
    return [_cut(text.strip()) for text in texts]


def _cut(text: str) -> str:
    text = clean(text)
    if len(text) <= _LONGEST_FRAME:
        return text
    return f"{text[:_LONGEST_FRAME]}... ({len(text) - _LONGEST_FRAME} more characters)"
