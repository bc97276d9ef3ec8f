"""Script that runs invocations dry, in a process of its own, in the Python that runs the function.

``python -P rehearse.py ROOT HANDLER``. Its first line says that the handler was imported, or why not. Then it reads
an invocation from each line, and writes what was found as a line of JSON: ``{}`` if the execution can go on.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

_FUNCTIONS = Path(__file__).parent.parent / "functions"


def main(arguments: list[str]) -> None:
    """Import the handler, and answer invocations until the input ends."""
    root, handler = arguments
    # The code must neither read the invocations nor print among the answers.
    invocations, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=[invocations, lines], daemon=True).start()
    loaded, first = _loaded(root, handler)
    _write(answers, first)
    while loaded is not None:
        _write(answers, _found(loaded, lines.get()))


def _read(invocations: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    """Pass on the invocations; end the process with the one that sends them, even if the code hangs."""
    for line in invocations:
        lines.put(line)
    if os.getpgrp() == os.getpid():
        # What the code has forked goes too.
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _loaded(root: str, handler: str) -> tuple[Any, dict[str, Any]]:
    """Import the handler; return it, or ``None``, and the first answer."""
    if os.environ.get("_DURABLE_SOURCES"):
        _script("kept_sources").read(os.environ["_DURABLE_SOURCES"])
    client = _script("python_client")
    module_name, _, attribute = handler.rpartition(".")
    try:
        module = client.load_module(root, module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return None, {"broken": _broken(error, root)}
    try:
        from durable_execution_sdk.handler import DurableHandler  # noqa: PLC0415 - may not be here
        from durable_execution_sdk.replay import dry_run  # noqa: PLC0415
    except ImportError as error:
        return None, {"unknown": f"this Python cannot rehearse it: {error}"}
    found = getattr(module, attribute, None)
    if found is None:
        return None, {"broken": _missing(module, attribute)}
    if not isinstance(found, DurableHandler):
        return None, {"unknown": f"{attribute} is no workflow of this SDK"}
    return (found, dry_run.dry_run), {}


def _script(name: str) -> Any:
    """Load a script of the runtime client, without importing this package."""
    spec = importlib.util.spec_from_file_location(f"_durable_{name}", _FUNCTIONS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def _found(loaded: Any, line: bytes) -> dict[str, Any]:
    from durable_execution_sdk.protocol import codec  # noqa: PLC0415 - the SDK is here

    handler, dry_run = loaded
    try:
        divergence = dry_run(handler, codec.decode_invocation(json.loads(line)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # It fails the invocation, not the execution: Lambda would invoke again.
        return {"unknown": f"{type(error).__name__}: {error}"}
    if divergence is None:
        return {}
    place = divergence.place
    finding = {
        "kind": str(divergence.kind),
        "expected": divergence.expected,
        "actual": divergence.actual,
        "operation_id": divergence.operation_id,
        "hint": divergence.hint,
    }
    if place is not None:
        finding |= {
            "file": place.file,
            "line": place.line,
            "function": place.function,
            "source": place.text,
        }
    return {"finding": finding}


def _broken(error: BaseException, root: str) -> dict[str, Any]:
    """Describe the failure of an import."""
    finding: dict[str, Any] = {
        "kind": "broken code",
        "expected": "code that can be imported",
        "actual": "".join(traceback.format_exception_only(error)[-1:]).strip(),
    }
    if isinstance(error, SyntaxError) and error.filename is not None:
        place: dict[str, Any] = {"file": error.filename, "line": error.lineno}
        return finding | place | {"source": (error.text or "").strip()}
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(root)]
    if not own:
        return finding
    last = own[-1]
    return finding | {
        "file": last.filename,
        "line": last.lineno,
        "function": last.name,
        "source": last.line or "",
    }


def _missing(module: Any, attribute: str) -> dict[str, Any]:
    return {
        "kind": "broken code",
        "expected": f"a workflow {attribute}",
        "actual": f"the module {module.__name__} has none of this name",
        "file": module.__file__,
    }


def _write(out: IO[str], answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
