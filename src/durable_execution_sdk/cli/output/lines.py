"""Write lines to stdout or stderr; ignore one that is closed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

import click

from durable_execution_sdk.rendering.escaping import visible


def open_streams() -> None:
    """Let what is written to stdout or stderr go nowhere if the caller closed it (``>&-``), as to a closed pipe."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for the whole process


def say(line: str, *, err: bool = False) -> None:
    """Write a line. A closed pipe does not stop the execution."""
    try:
        click.echo(visible(line), err=err)
    except BrokenPipeError:
        silence(sys.stderr if err else sys.stdout)


def silence(stream: TextIO) -> None:
    """Send a stream whose pipe is closed to /dev/null, so that later writes and the flush succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
