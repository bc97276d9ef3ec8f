"""Write lines to stdout or stderr; ignore a closed pipe."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

from durable_execution_sdk.rendering.escaping import visible


def say(line: str, *, err: bool = False) -> None:
    """Write a line. A closed pipe does not stop the execution."""
    try:
        click.echo(visible(line), err=err)
    except BrokenPipeError:
        silence(sys.stderr if err else sys.stdout)


def silence(stream: TextIO) -> None:
    """Send a stream whose pipe is closed to /dev/null, so that later writes and the flush succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
