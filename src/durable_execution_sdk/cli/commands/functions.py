"""``durable functions`` and ``durable publish``: the functions of a development server, and their versions."""

from __future__ import annotations

import difflib
import json

import click
from click.shell_completion import CompletionItem

from durable_execution_sdk.cli.options import json_option, store_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.table import Column, print_table
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.server_client import ServedFunction, ServerClient, running_server
from durable_execution_sdk.cli.store_file import Place

_COLUMNS = [
    Column(title=title)
    for title in ("function", "kind", "versions", "aliases", "timeout", "processes")
]


def served_functions(
    context: click.Context, _: click.Parameter, beginning: str
) -> list[CompletionItem]:
    """Complete the name of a function that the server runs."""
    server = Place(context.params.get("store")).server
    names = () if server is None else server.functions
    return [CompletionItem(name) for name in names if name.startswith(beginning)]


def check_served(client: ServerClient, function: str) -> None:
    """Raise ``Refusal``, with the functions of the server, if it has none of this name or ARN."""
    name = function.rpartition(":function:")[2].partition(":")[0]
    names = [each.function_name for each in client.functions()]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else "."
        raise Refusal(
            f"the server has no function {name!r}{meant} It has: {', '.join(names) or 'none'}"
        )


@click.command()
@store_option
@json_option
def functions(store: str | None, as_json: bool) -> None:
    """List the functions of the development server.

    Shows the versions, aliases and processes of each.
    """
    client = ServerClient(running_server(Place(store)))
    if as_json:
        say(json.dumps(client.function_documents(), indent=2, ensure_ascii=False))
        return
    print_table(_COLUMNS, [_cells(function) for function in client.functions()])


@click.command()
@click.argument("function", shell_complete=served_functions)
@click.option("--alias", metavar="NAME", help="Let this alias stand for the version.")
@click.option(
    "--version", metavar="NUMBER", help="With --alias: an earlier version, in place of a new one."
)
@store_option
@json_option
def publish(
    function: str, alias: str | None, version: str | None, store: str | None, as_json: bool
) -> None:
    """Publish the code of a function as its next version.

    If nothing has changed since the last version, that one is meant. A version keeps a copy of the function's folder. Executions that are started on it, by FUNCTION:VERSION
    or FUNCTION:ALIAS, go on with that code while yours is edited. Installed packages are not copied.
    Versions and aliases are there after a restart of the server.
    """
    if version is not None and alias is None:
        raise Refusal("--version is for --alias; without --alias, a new version is published")
    place = Place(store)
    client = ServerClient(running_server(place))
    published = client.publish(function, alias, version)
    if as_json:
        say(json.dumps(published, indent=2))
        return
    number = published["version"]
    say(f"{function} has version {number}" if version is None else f"{function}:{number}")
    if alias is not None:
        say(f"{function}:{alias} is {function}:{number}")
    start = place.command("start", f"{function}:{alias or number}", "--input", "JSON")
    say(f"start one with: {start}", err=True)


def _cells(function: ServedFunction) -> tuple[str, ...]:
    busy = sum(worker.request_id is not None for worker in function.workers)
    count = len(function.workers)
    return (
        function.function_name,
        "durable" if function.durable else "plain",
        " ".join(function.versions),
        " ".join(f"{alias}={version}" for alias, version in function.aliases.items()),
        f"{function.timeout:g} s",
        f"{count}, {busy} busy" if busy else f"{count}",
    )
