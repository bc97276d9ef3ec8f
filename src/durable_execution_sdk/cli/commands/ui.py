"""``durable ui``: the page of ``durable dev``, read-only, over a store, a saved history, or an execution."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from durable_execution_sdk.cli.interrupts import interruptible
from durable_execution_sdk.cli.options import Endpoint, endpoint_options
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.emulator.stores.sqlite import DEFAULT_PATH
from durable_execution_sdk.errors import ConfigError

if TYPE_CHECKING:
    from durable_execution_sdk.dev.viewer.server import ViewerServer
    from durable_execution_sdk.dev.viewer.source import Source

_PORT = 9015
_SLICE_SECONDS = 0.5


@click.command(short_help="Look at executions in a web page that only reads.")
@click.argument("source", envvar="DURABLE_STORE", default=str(DEFAULT_PATH))
@endpoint_options
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help=f"0 takes a free port.  [default: {_PORT}, or a free one]",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    help="Another name of this computer, for a dev container or a forwarded port. Repeatable.",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Open the page in the browser, or not.  [default: open where there is a screen]",
)
def ui(
    source: str,
    at: Endpoint,
    port: int | None,
    allow_hosts: tuple[str, ...],
    opens: bool | None,
) -> int:
    """Look at executions in the page of durable dev, which only reads here.

    SOURCE is a store, .durable/executions.db by default: its executions are shown live while durable run or
    durable dev work on them. Or it is a JSON file with the history of one execution, as
    `durable history NAME --json`, `aws lambda get-durable-execution-history` and save_history of the testing
    package write it. Or it is the ARN of an execution at AWS, or at any server of Lambda's durable API
    (--endpoint), or FUNCTION/NAME or FUNCTION/@last there; while it is open it is read again every few seconds.

    Nothing is started, answered or changed. Ctrl-C ends the page.
    """
    try:
        from durable_execution_sdk.client.endpoint_connection import (  # noqa: PLC0415 - loads the server
            EndpointOptions,
        )
        from durable_execution_sdk.dev.viewer.opening import open_source  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        package = (missing.name or "another package").partition(".")[0]
        raise Refusal(
            f"durable ui needs {package}: pip install 'durable-execution-sdk[dev]'"
        ) from missing
    options = EndpointOptions(**at._asdict())
    if (
        at.is_given
        and "/" in source
        and not source.startswith("arn:")
        and not Path(source).exists()
    ):
        from durable_execution_sdk.cli.remote.executions import (  # noqa: PLC0415 - only for endpoints
            EndpointPlace,
            ExecutionReference,
        )

        source = EndpointPlace(at).find(ExecutionReference(source)).arn
    with interruptible():
        try:
            with (
                closing(open_source(source, options)) as opened,
                _server(opened, port, allow_hosts) as server,
            ):
                say(f"the page of {source}, read-only: {server.first_page}")
                if (_has_screen() if opens is None else opens) and not webbrowser.open(
                    server.first_page
                ):
                    say("no browser was found to open the page in", err=True)
                # In slices: a signal that comes just before an endless wait does not end it.
                while not server.wait(_SLICE_SECONDS):
                    pass
        except KeyboardInterrupt:
            say("the page is closed", err=True)
    return ExitCode.SUCCEEDED


def _has_screen() -> bool:
    """Guess whether a browser has a screen; without one, a browser of the terminal would take that over."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in names)


def _server(source: Source, port: int | None, allow_hosts: tuple[str, ...]) -> ViewerServer:
    from durable_execution_sdk.dev.viewer.server import ViewerServer  # noqa: PLC0415 - loaded late

    if port is not None:
        return ViewerServer(source, port=port, allow_hosts=allow_hosts)
    try:
        return ViewerServer(source, port=_PORT, allow_hosts=allow_hosts)
    except ConfigError:
        # Another page has it.
        return ViewerServer(source, allow_hosts=allow_hosts)
