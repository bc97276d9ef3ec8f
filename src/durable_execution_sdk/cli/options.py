"""Options and arguments that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from durable_execution_sdk.cli.arguments.completion import callback_names, execution_names
from durable_execution_sdk.cli.refusals import Refusal

_Command = TypeVar("_Command", bound=Callable[..., Any])

store_option = click.option(
    "--store",
    metavar="PATH",
    envvar="DURABLE_STORE",
    help="The SQLite file that keeps executions.  [default: .durable/executions.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
full_option = click.option("--full", is_flag=True, help="Show whole payloads, not a line of each.")
input_option = click.option(
    "--input", "payload", metavar="JSON|@FILE|-", help="Another input; the same if left out."
)
anyway_option = click.option(
    "--anyway",
    is_flag=True,
    help="Take a callback's answer that does not fit the type which the code waits for.",
)
name_argument = click.argument("name", shell_complete=execution_names)
callback_argument = click.argument("reference", metavar="CALLBACK", shell_complete=callback_names)


class Endpoint(NamedTuple):
    """The endpoint of Lambda's API that a command line names; without one, executions are those of the store."""

    url: str | None = None
    profile: str | None = None
    region: str | None = None

    @property
    def is_given(self) -> bool:
        """True if the command line has one of the options."""
        return self != Endpoint()

    @property
    def words(self) -> list[str]:
        """The options, to show a command line to a user."""
        options = {"--endpoint": self.url, "--profile": self.profile, "--region": self.region}
        return [word for name, value in options.items() if value for word in (name, value)]


def add_endpoint_options(command: _Command) -> _Command:
    """Add the options ``--endpoint``, ``--profile`` and ``--region``."""
    for option in (
        click.option("--region", help="The AWS region.  [default: that of the environment]"),
        click.option("--profile", metavar="NAME", help="The profile of the AWS configuration."),
        click.option(
            "--endpoint",
            metavar="URL",
            help="The endpoint of Lambda's API.  [default: that of the environment, as for other AWS tools]",
        ),
    ):
        command = option(command)
    return command


def endpoint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Pass an ``Endpoint`` as ``at`` to a command, of its own options and of those before its name.

    A command that takes ``--store`` too refuses one beside them.
    """

    @functools.wraps(command)
    def with_endpoint(
        *words: Any,
        endpoint: str | None,
        profile: str | None,
        region: str | None,
        **options: Any,
    ) -> Any:
        context = click.get_current_context()
        before = context.find_root().params
        at = Endpoint(
            url=endpoint or before.get("endpoint"),
            profile=profile or before.get("profile"),
            region=region or before.get("region"),
        )
        is_store = context.get_parameter_source("store") is ParameterSource.COMMANDLINE
        if is_store and at.is_given:
            raise Refusal(
                "--store names a file with executions, and --endpoint, --profile and --region an endpoint that has"
                " others: leave one out"
            )
        return command(*words, at=at, **options)

    return add_endpoint_options(with_endpoint)
