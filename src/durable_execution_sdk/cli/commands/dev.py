"""``durable dev``: a server of Lambda's API on this computer, with functions in processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from durable_execution_sdk.cli.arguments.durations import milliseconds
from durable_execution_sdk.cli.options import store_option
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.discovery.import_process import end_imports
from durable_execution_sdk.dev.environment_file import read_environment_file
from durable_execution_sdk.dev.functions.declaration import Declaration
from durable_execution_sdk.dev.project import (
    Sources,
    project_directories,
    project_functions,
    project_table,
)
from durable_execution_sdk.engine.execution_time import TimeMode

if TYPE_CHECKING:
    from durable_execution_sdk.cli.store_file import Place

_PORT = 9014
_SLICE_SECONDS = 0.5


@click.command(
    context_settings={"show_default": True},
    short_help="Run functions on this computer behind Lambda's durable API.",
)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65_535), default=_PORT, help="0 takes a free port.")
@store_option
@click.option(
    "--time",
    "time_mode",
    type=click.Choice([mode.value for mode in TimeMode]),
    default=TimeMode.REAL.value,
    help="How time passes for executions that are started.",
)
@click.option(
    "--function",
    "named",
    metavar="NAME=FILE:ATTR",
    multiple=True,
    help="A function, durable or not, under a name. Repeatable.",
)
@click.option(
    "--template",
    type=click.Path(path_type=Path),
    help="A template of SAM or CloudFormation whose functions to run.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    metavar="NAME",
    multiple=True,
    help="Another name of this computer, for a dev container or a forwarded port. Repeatable.",
)
@click.option("--keep", metavar="30d", help="Delete executions that ended so long ago.")
@click.option("--debug", is_flag=True, help="Suspend the timeouts of functions.")
@click.option(
    "--env-file", type=click.Path(path_type=Path), help="Variables for all functions: NAME=VALUE."
)
@click.option(
    "--otlp-endpoint",
    metavar="URL",
    help="A collector of traces that takes OTLP over HTTP, for functions with OpenTelemetryPlugin.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--reload/--no-reload", default=True, help="Load functions again when their files are edited."
)
def dev(
    paths: tuple[Path, ...],
    port: int,
    store: str | None,
    time_mode: str,
    named: tuple[str, ...],
    template: Path | None,
    allow_hosts: tuple[str, ...],
    keep: str | None,
    debug: bool,
    env_file: Path | None,
    otlp_endpoint: str | None,
    opens: bool,
    reload: bool,
) -> int:
    """Serve Lambda's durable API on this computer, and run functions in processes.

    PATH is a Python or JavaScript file, or a folder of them; every durable function in it is served under
    its name. Without PATH, --function and --template, [tool.durable] of pyproject.toml says what is served,
    and without that all durable functions in the current folder are.

    boto3, the AWS CLI and the SDKs of other languages call the server when AWS_ENDPOINT_URL_LAMBDA is
    its address. The first Ctrl-C waits for the invocations in flight, the second ends them; open
    executions go on when the server is started again.

    After an edit the next invocations run the new code. An execution whose log it does not fit is held: it is
    neither invoked nor failed until a further edit fits, or you decide otherwise.
    """
    folder = Path.cwd()
    table = project_table(folder)
    sources = Sources(paths=paths, template=template, named=named)
    # Functions are looked for in processes, while this one loads the server.
    finding = ThreadPoolExecutor(1).submit(project_functions, sources, table, folder)
    variables = _variables(env_file, otlp_endpoint)
    # The other commands need neither the server nor its packages.
    try:
        from durable_execution_sdk.dev.session import DevSession, SessionOptions  # noqa: PLC0415

        if reload:
            # The session loads it later.
            import_module("durable_execution_sdk.dev.reload.watcher")
    except ModuleNotFoundError as missing:
        package = (missing.name or "another package").partition(".")[0]
        raise Refusal(
            f"durable dev needs {package}: pip install 'durable-execution-sdk[dev]'"
        ) from missing
    from durable_execution_sdk.cli.interrupts import interruptible  # noqa: PLC0415
    from durable_execution_sdk.cli.output.background_lines import BackgroundLines  # noqa: PLC0415
    from durable_execution_sdk.cli.output.reload_lines import ReloadLines  # noqa: PLC0415
    from durable_execution_sdk.cli.output.server_lines import ServerLines  # noqa: PLC0415
    from durable_execution_sdk.cli.store_file import Place  # noqa: PLC0415

    place = Place(store)
    background = BackgroundLines()
    lines = ServerLines(place, background)
    options = SessionOptions(
        store=place.prepared(),
        port=port,
        allow_hosts=allow_hosts,
        time_mode=TimeMode(time_mode),
        keep=None if keep is None else milliseconds(keep, "--keep"),
        has_deadlines=not debug,
        environment={**table.environment, **variables},
    )

    # The first time, the functions are those that were looked for meanwhile.
    first = [finding]

    def find() -> Found:
        if first:
            return first.pop().result()
        return project_functions(sources, project_table(folder), folder)

    def directories() -> set[Path]:
        return project_directories(sources, project_table(folder), folder)

    try:
        session = DevSession(options, lines.output)
    except BaseException:
        _close(lambda: None, finding)
        raise
    try:
        with interruptible():
            lines.watch(session.server.emulator)
            news = ReloadLines(place, session.server.emulator, background)
            found = session.load(find, news, directories if reload else None)
            _greet(session.server.url, place, found, background.say)
            _tell_open(len(session.server.emulator.store.open_heads()), place, background.say)
            news.begin(found)
            if opens:
                _open_page(session.server.url, background.say)
            session.wait(partial(_tell_deleted, background.say, keep))
    except KeyboardInterrupt:
        background.say(
            "stopping when the invocations in flight have ended; Ctrl-C again ends them", err=True
        )
    finally:
        with _calling(session.hurry):
            _close(session.close, finding)
            background.close()
    return ExitCode.SUCCEEDED


def _variables(env_file: Path | None, otlp_endpoint: str | None) -> Mapping[str, str]:
    """Return the variables that all functions get."""
    variables = {} if env_file is None else read_environment_file(env_file)
    if otlp_endpoint is None:
        return variables
    if not otlp_endpoint.startswith(("http://", "https://")):
        raise Refusal(
            f"--otlp-endpoint is a URL such as http://localhost:4318, not {otlp_endpoint!r}"
        )
    return {**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_endpoint}


def _greet(url: str, place: Place, found: Found, say: Callable[..., None]) -> None:
    say(f"durable dev listens at {url} and keeps executions in {place.path}")
    say(f"its page, for a browser: {url}/executions")
    say(f"for clients: AWS_ENDPOINT_URL_LAMBDA={url}")
    for notice in found.notices:
        say(notice, err=True)
    if not found.declarations:
        say(
            "no functions were found, which are what @durable_execution makes; name a file or folder that has"
            " some, durable dev PATH, or one that is not durable: --function NAME=FILE:ATTRIBUTE"
            if not found.broken
            else "functions are found once the file is mended",
            err=True,
        )
        return
    width = max(len(declaration.name) for declaration in found.declarations)
    for declaration in found.declarations:
        kind = "durable" if declaration.durable else "plain"
        say(f"  {declaration.name:<{width}}  {kind:<7}  {_origin(declaration)}")
    first = next((each for each in found.declarations if each.durable), found.declarations[0])
    say(f"start one with: {place.command('start', first.name, '--input', 'JSON')}")


def _tell_open(number: int, place: Place, say: Callable[..., None]) -> None:
    """Say how many executions of before are open, since they write nothing here while they wait."""
    if number:
        are = "1 execution is" if number == 1 else f"{number:,} executions are"
        answers = place.command("callback", "list")
        say(f"{are} open: {place.command('list')}; what waits for an answer: {answers}")


def _open_page(url: str, say: Callable[..., None]) -> None:
    # Loaded here, because few ask for it.
    import webbrowser  # noqa: PLC0415

    if not webbrowser.open(url):
        say("no browser was found to open the page in", err=True)


def _tell_deleted(say: Callable[[str], None], keep: str | None, number: int) -> None:
    executions = "1 execution" if number == 1 else f"{number} executions"
    say(f"deleted {executions} that ended more than {keep} ago")


def _origin(declaration: Declaration) -> str:
    source = declaration.source
    if source is None:
        return " ".join(declaration.command) or declaration.handler
    attribute = declaration.handler.rpartition(".")[2]
    is_below = source.is_relative_to(Path.cwd())
    return f"{source.relative_to(Path.cwd()) if is_below else source}:{attribute}"


def _close(close: Callable[[], None], finding: Future[Found]) -> None:
    """Call ``close`` in a thread, while this one handles signals, and look for no functions any more."""
    with ThreadPoolExecutor(1, "durable-close") as thread:
        closing = thread.submit(close)
        both: list[Future[Any]] = [closing, finding]
        while wait(both, 0).not_done:
            end_imports()
            # In slices: a signal that comes just before an endless wait does not end it.
            wait(both, _SLICE_SECONDS)
        closing.result()


@contextmanager
def _calling(hurry: Callable[[], None]) -> Generator[None]:
    """Call ``hurry`` for each Ctrl-C or SIGTERM, in place of an interruption of the clean-up."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        hurry()

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
