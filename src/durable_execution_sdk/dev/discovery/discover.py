"""Print the durable handlers of a Python file as JSON, in a process of its own.

``python -P -m durable_execution_sdk.dev.discovery.discover FILE [ATTRIBUTE]...``. The server never imports
a user's code; this does, in the Python that runs the function. An attribute that is named is listed even if
its handler is not durable.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from durable_execution_sdk.dev.functions.declaration import handler_of
from durable_execution_sdk.dev.functions.python_client import load_module
from durable_execution_sdk.handler import DurableHandler

_AWS_SDK = "aws_durable_execution_sdk_python"


def main(arguments: list[str]) -> None:
    """Import the file, and print its handlers, or the error of the import."""
    file, wanted = Path(arguments[0]), arguments[1:]
    # What the file prints must not be in the document.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    root, handler = handler_of(file, "handler")
    try:
        module = load_module(root, handler.rpartition(".")[0])
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        document: dict[str, Any] = {"error": _own_trace(error, file.resolve())}
    else:
        document = {"handlers": _handlers(vars(module), module.__name__, wanted)}
    with out:
        json.dump(document, out)


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
    if isinstance(value, DurableHandler):
        return True
    # The decorator of AWS's SDK returns a function of its own module.
    origin = getattr(value, "__globals__", {}).get("__name__", "")
    return hasattr(value, "__wrapped__") and origin.startswith(_AWS_SDK)


def _line_of(value: Any) -> int | None:
    code = getattr(getattr(value, "__wrapped__", value), "__code__", None)
    return None if code is None else code.co_firstlineno


def _own_trace(error: BaseException, file: Path) -> str:
    """Format the traceback from the user's file on."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((n for n, frame in enumerate(frames) if frame.filename == str(file)), len(frames))
    lines = traceback.format_list(frames[first:]) + traceback.format_exception_only(error)
    return "".join(lines).rstrip()


if __name__ == "__main__":
    main(sys.argv[1:])
