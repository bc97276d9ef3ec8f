"""Script that prints the durable handlers of a Python file as JSON, in a process of its own.

``python -P discover.py ROOT MODULE [ATTRIBUTE]...``. The server never imports a user's code; this does, in the
Python that runs the function, which need not have this package. An attribute that is named is listed even
if its handler is not durable.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

_OURS = ("durable_execution_sdk.handler", "DurableHandler")
_AWS_SDK = "aws_durable_execution_sdk_python"
_CLIENT = Path(__file__).parent.parent / "functions" / "python_client.py"


def main(arguments: list[str]) -> None:
    """Import the module, and print its handlers, or the error of the import."""
    root, name, *wanted = arguments
    # What the module prints must not be in the document.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        module = _loader()(root, name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        document: dict[str, Any] = {"error": _own_trace(error, root)}
    else:
        document = {"handlers": _handlers(vars(module), module.__name__, wanted)}
    with out:
        json.dump(document, out)


def end_with_caller() -> None:
    """End the process group with the process that started this one: it holds the standard input open."""
    pipe = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)

    def wait() -> None:
        while os.read(pipe, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    # A group of its own: else it would be the caller's.
    if os.getpgrp() == os.getpid():
        threading.Thread(target=wait, daemon=True).start()


def _loader() -> Callable[[str, str], ModuleType]:
    """Return the function by which the runtime client imports a module."""
    spec = importlib.util.spec_from_file_location("_durable_python_client", _CLIENT)
    assert spec is not None
    assert spec.loader is not None
    client: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    loader: Callable[[str, str], ModuleType] = client.load_module
    return loader


def _handlers(members: dict[str, Any], module: str, wanted: list[str]) -> list[dict[str, Any]]:
    durable = {name: value for name, value in members.items() if _is_durable(value)}
    # Handlers that the file imports from another one are that file's, unless it has no others.
    own = {name: value for name, value in durable.items() if value.__module__ == module}
    listed = dict.fromkeys(own or durable, True)
    for name in wanted:
        if callable(members.get(name)):
            listed[name] = name in durable
    return [
        {"attribute": name, "durable": is_durable, "line": _line_of(members[name])}
        for name, is_durable in listed.items()
    ]


def _is_durable(value: object) -> bool:
    kind = type(value)
    if (kind.__module__, kind.__name__) == _OURS:
        return True
    # The decorator of AWS's SDK returns a function of its own module.
    origin = getattr(value, "__globals__", {}).get("__name__", "")
    return hasattr(value, "__wrapped__") and origin.startswith(_AWS_SDK)


def _line_of(value: Any) -> int | None:
    code = getattr(getattr(value, "__wrapped__", value), "__code__", None)
    return None if code is None else code.co_firstlineno


def _own_trace(error: BaseException, root: str) -> str:
    """Format the traceback from the user's code on."""
    frames = traceback.extract_tb(error.__traceback__)
    own = (n for n, frame in enumerate(frames) if Path(frame.filename).is_relative_to(root))
    first = next(own, len(frames))
    lines = traceback.format_list(frames[first:]) + traceback.format_exception_only(error)
    return "".join(lines).rstrip()


if __name__ == "__main__":
    end_with_caller()
    main(sys.argv[1:])
