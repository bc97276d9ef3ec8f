"""The ``durable`` command."""

from __future__ import annotations

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

from durable_execution_sdk.cli.lint import lint
from durable_execution_sdk.cli.looking import callback, history, list_, show, stop
from durable_execution_sdk.cli.refusal import ExitCode, complain
from durable_execution_sdk.cli.replay import replay
from durable_execution_sdk.cli.run import run
from durable_execution_sdk.cli.saying import hush
from durable_execution_sdk.errors import ConfigError, ServiceError, StoreError
from durable_execution_sdk.version import __version__

_EPILOG = """\b
Exit codes:
   0  the execution succeeded; what was asked is done
   1  the execution failed, timed out or was stopped
   2  wrong usage: it could not be done as it was asked
   3  suspended or interrupted: the execution can go on
  70  an error of durable itself
"""


@click.group(epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="durable")
def durable() -> None:
    """Run durable workflows here: they survive crashes, Ctrl-C and kill -9.

    Executions are kept in a SQLite file, .durable/executions.db unless --store (or DURABLE_STORE)
    names another.
    """


for _command in (run, list_, show, history, callback, stop, lint, replay):
    _command.epilog = _command.epilog or _EPILOG
    durable.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        done = durable.main(
            args=None if argv is None else list(argv), prog_name="durable", standalone_mode=False
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
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has seen enough; click leaves for no other reason.
        hush(sys.stdout)
        return ExitCode.SUCCEEDED
    except Exception as error:
        return _broken(error)
    return done if isinstance(done, int) else ExitCode.SUCCEEDED


def _broken(error: Exception) -> int:
    if os.environ.get("DURABLE_TRACEBACK"):
        traceback.print_exc()
    complain(
        f"an error of its own, please report it: {type(error).__name__}: {error}"
        " (DURABLE_TRACEBACK=1 shows where). Nothing that was recorded is lost"
    )
    return ExitCode.BROKEN


if __name__ == "__main__":
    sys.exit(main())
