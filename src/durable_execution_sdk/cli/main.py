"""The ``durable`` command."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

try:
    import click
except ModuleNotFoundError as _missing:
    raise SystemExit(
        "durable: the command needs more than the library does:"
        " pip install 'durable-execution-sdk[cli]'"
    ) from _missing

from durable_execution_sdk.cli.commands.completion import VARIABLE
from durable_execution_sdk.cli.help_sections import SectionedGroup
from durable_execution_sdk.cli.options import Endpoint, add_endpoint_options
from durable_execution_sdk.cli.output.lines import open_streams, silence
from durable_execution_sdk.cli.refusals import ExitCode, Refusal, complain
from durable_execution_sdk.errors import ConfigError, ServiceError, StoreError
from durable_execution_sdk.version import __version__

_EPILOG = """\b
Exit codes:
   0  success: the execution succeeded, or the command did its work
   1  the execution failed, timed out or was stopped
   2  wrong usage, or the command is not possible
   3  suspended, interrupted, or held because the code was edited: the execution can be continued
  70  internal error of durable
 130  interrupted while it followed an execution, which is not affected
"""


@click.group(cls=SectionedGroup, epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="durable")
@add_endpoint_options
@click.pass_context
def durable(
    context: click.Context, endpoint: str | None, profile: str | None, region: str | None
) -> None:
    """Run durable workflows on this computer: they survive crashes, Ctrl-C and kill -9.

    Executions are stored in a SQLite file: .durable/executions.db, or the one that --store (or
    DURABLE_STORE) names. NAME is an execution's name, its ARN, the beginning of its id, or @last: the
    one started last.

    With --endpoint, --profile or --region, before the command or after it, list, show, history, watch,
    callback, stop, pause, resume and fork are about executions at AWS, or at another endpoint of
    Lambda's API. NAME is then FUNCTION/NAME, FUNCTION/@last or an ARN.
    """
    name = context.invoked_subcommand
    if name is None or not Endpoint(endpoint, profile, region).is_given:
        return
    command = durable.get_command(context, name)
    if command is not None and not _takes_endpoint(command):
        cure = _HERE_ONLY.get(name, "leave out --endpoint, --profile and --region")
        raise Refusal(f"`durable {name}` works on this computer only: {cure}")


def _takes_endpoint(command: click.Command) -> bool:
    if isinstance(command, click.Group):
        return any(map(_takes_endpoint, command.commands.values()))
    return any(parameter.name == "endpoint" for parameter in command.params)


_HERE_ONLY = {
    "run": "deploy the function, and start it with `aws lambda invoke --invocation-type Event"
    " --durable-execution-name NAME`",
    "dev": "it is an endpoint itself, for the code on this computer",
    "start": "start an execution with `aws lambda invoke --invocation-type Event --durable-execution-name NAME`",
    "publish": "publish a version with `aws lambda publish-version`",
    "logs": "read the logs of a function with `aws logs tail /aws/lambda/FUNCTION`",
    "functions": "list functions with `aws lambda list-functions`, the versions of one with `durable versions FUNCTION`",
    "delete": "delete an execution that has ended with `aws lambda delete-durable-execution`; otherwise its retention"
    " ends it",
    "time": "at an endpoint time passes as it does",
    "crash": "an endpoint kills no process; try crashes with `durable dev`",
    "rerun": "invoke the function again, or go on from an earlier moment with `durable fork`",
}
"""The commands that work on this computer only, with the way to do it at an endpoint."""

_COMMANDS = "durable_execution_sdk.cli.commands"
_SECTIONS = {
    "Run": {
        "run": f"{_COMMANDS}.run:run",
        "dev": f"{_COMMANDS}.dev:dev",
        "start": f"{_COMMANDS}.start:start",
        "publish": f"{_COMMANDS}.functions:publish",
    },
    "Look": {
        "list": f"{_COMMANDS}.list:list_",
        "show": f"{_COMMANDS}.show:show",
        "watch": f"{_COMMANDS}.show:watch",
        "history": f"{_COMMANDS}.history:history",
        "logs": f"{_COMMANDS}.logs:logs",
        "ui": f"{_COMMANDS}.ui:ui",
        "functions": f"{_COMMANDS}.functions:functions",
    },
    "Steer": {
        "callback": f"{_COMMANDS}.callback:callback",
        "send": f"{_COMMANDS}.send:send",
        "stop": f"{_COMMANDS}.stop:stop",
        "delete": f"{_COMMANDS}.stop:delete",
        **{name: f"{_COMMANDS}.steer:{name}" for name in ("time", "pause", "resume", "crash")},
        **{name: f"{_COMMANDS}.fork:{name}" for name in ("fork", "rerun")},
    },
    "Prove": {
        "replay": f"{_COMMANDS}.replay:replay",
        "versions": f"{_COMMANDS}.versions:versions",
        "lint": f"{_COMMANDS}.lint:lint",
        "doctor": f"{_COMMANDS}.doctor:doctor",
    },
    "Project": {
        "init": f"{_COMMANDS}.init:init",
        "completion": f"{_COMMANDS}.completion:completion",
    },
}

for _title, _places in _SECTIONS.items():
    durable.add_section(_title, _places)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    open_streams()
    try:
        code = durable.main(
            args=None if argv is None else list(argv),
            prog_name="durable",
            complete_var=VARIABLE,
            standalone_mode=False,
        )
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted; nothing that was recorded is lost")
        return ExitCode.SUSPENDED
    except (StoreError, ServiceError, ConfigError) as error:
        complain(str(error))
        return ExitCode.REFUSED
    except SystemExit as error:
        # click has answered a shell that asked for completions, or the reader closed the pipe.
        if VARIABLE in os.environ:
            return error.code if isinstance(error.code, int) else ExitCode.SUCCEEDED
        silence(sys.stdout)
        return ExitCode.SUCCEEDED
    except BrokenPipeError:
        # The reader closed the pipe.
        silence(sys.stdout)
        return ExitCode.SUCCEEDED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            silence(sys.stdout)
            complain(f"this cannot be written: {error.strerror}")
            return ExitCode.REFUSED
        return _broken(error)
    return code if isinstance(code, int) else ExitCode.SUCCEEDED


# A store that is full is a StoreError.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _broken(error: Exception) -> int:
    if os.environ.get("DURABLE_TRACEBACK"):
        traceback.print_exc()
    complain(
        f"internal error (please report it): {type(error).__name__}: {error}"
        " (DURABLE_TRACEBACK=1 shows where). Nothing that was recorded is lost"
    )
    return ExitCode.BROKEN


if __name__ == "__main__":
    sys.exit(main())
