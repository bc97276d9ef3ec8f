"""Run a process and count its instructions, without the kernel's: the work that no busy machine blurs.

``perf`` counts them at full speed where the processor lets it, which most virtual machines do not.
``valgrind`` (callgrind) counts them anywhere, and takes fifty times as long.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_FIXED = {"PYTHONHASHSEED": "0"}


def run(
    command: list[str], payload: bytes, environment: dict[str, str], seconds: float | None = None
) -> tuple[bytes, float | None]:
    """Run a process to its end; return its output and its instructions, ``None`` if none can be counted."""
    with tempfile.NamedTemporaryFile() as log:
        prefix, pattern = _counter()
        words = [*(word.replace("LOG", log.name) for word in prefix), *command]
        done = subprocess.run(
            words,
            input=payload,
            capture_output=True,
            env=environment | _FIXED,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode()[-300:])
        found = re.search(pattern, Path(log.name).read_text()) if prefix else None
    return done.stdout, float(found[1]) if found else None


def can_count() -> bool:
    return bool(_counter()[0])


@functools.cache
def _counter() -> tuple[list[str], str]:
    """Return the command that counts, and the expression that finds the number in its log."""
    if shutil.which("perf"):
        prefix = ["perf", "stat", "-x,", "-e", "instructions:u", "-o", "LOG", "--"]
        pattern = r"(?m)^(\d+),"
        with tempfile.NamedTemporaryFile() as log:
            words = [word.replace("LOG", log.name) for word in prefix]
            tried = subprocess.run([*words, "true"], capture_output=True, check=False)
            if tried.returncode == 0 and re.search(pattern, Path(log.name).read_text()):
                return prefix, pattern
    if shutil.which("valgrind"):
        callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=LOG"]
        return ["valgrind", *callgrind], r"Collected : (\d+)"
    return [], ""
