"""Counters for the work of an invocation, which do not depend on the clock or the load of the machine."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass
class Work:
    """The work of a run. ``calls`` are of Python functions; ``loop_objects`` are asyncio's futures and callbacks."""

    calls: int = 0
    loop_objects: int = 0
    tasks: int = 0


def work_of(run: Callable[[], object]) -> Work:
    """Run a function, and return the work that it takes.

    The collector rests meanwhile: it calls what libraries have put into ``gc.callbacks``, and the finalizers
    of what earlier tests have left, at moments that depend on them.
    """
    work = Work()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        work.calls += 1
        name = frame.f_code.co_name
        if name == "get_debug":  # asked once by each of them when it is made
            work.loop_objects += 1
        elif name == "add" and frame.f_code.co_filename.endswith("_weakrefset.py"):
            work.tasks += 1  # the set of all tasks, in Pythons before 3.12

    was_enabled = gc.isenabled()
    gc.disable()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        if was_enabled:
            gc.enable()
    return work
