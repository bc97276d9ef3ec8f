"""The commands ``stop`` and ``delete``, which end executions for good."""

from __future__ import annotations

import click

from durable_execution_sdk.cli.arguments.completion import execution_names
from durable_execution_sdk.cli.options import (
    Endpoint,
    endpoint_options,
    name_argument,
    store_option,
)
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.origins import name_in, next_in_store


@click.command()
@name_argument
@store_option
@click.option("--reason", metavar="TEXT", help="Why; recorded as the execution's error.")
@endpoint_options
def stop(name: str, store: str | None, reason: str | None, at: Endpoint) -> None:
    """Stop an execution for good. A `durable run` of it that is under way ends too.

    One that went on as a new one (ctx.continue_as_new) has ended; the last of its chain has to be stopped.

    At an endpoint NAME is FUNCTION/NAME, FUNCTION/@last or an ARN.
    """
    if at.is_given:
        from durable_execution_sdk.cli.remote import (  # noqa: PLC0415 - only for endpoints
            steering as remote,
        )

        say(remote.stop(name, at, reason))
        return
    place = Place(store)
    with place.existing() as emulator:
        arn = place.arn(emulator, name)
        name = ExecutionArn.parse(arn).execution_name
        if emulator.is_closed(arn):
            _check_chain(emulator, arn, place)
            say(f"{name} has ended already: {emulator.describe(arn).status}")
            return
        error = None if reason is None else ErrorObject(error_message=reason)
        emulator.stop(arn, error)
        say(f"{name} is {emulator.describe(arn).status}")


@click.command()
@click.argument(
    "references", metavar="NAME...", nargs=-1, required=True, shell_complete=execution_names
)
@store_option
@click.option("--force", is_flag=True, help="Stop those that have not ended, and delete them too.")
def delete(references: tuple[str, ...], store: str | None, force: bool) -> None:
    """Delete executions, with those that they invoked. The names are free again.

    An execution that has not ended is refused without --force, and then nothing is deleted.
    """
    place = Place(store)
    with place.existing() as emulator:
        arns = [place.arn(emulator, reference) for reference in references]
        members = {arn: list(family(emulator, arn).arns()) for arn in arns}
        is_open = {arn: not emulator.is_closed(arn) for arns in members.values() for arn in arns}
        for arn in (arn for arn, is_running in is_open.items() if is_running and not force):
            raise _still_open(emulator, arn, place)
        for arn, is_running in is_open.items():
            if is_running:
                emulator.stop(arn)
        for arn in reversed(is_open):
            emulator.delete(arn)
        for arn, (_, *invoked) in members.items():
            name = ExecutionArn.parse(arn).execution_name
            say(f"deleted {name}" + (f" and {len(invoked)} that it invoked" if invoked else ""))


def _check_chain(emulator: Emulator, arn: str, place: Place) -> None:
    """Raise ``Refusal`` if an execution went on as another that is open."""
    last = arn
    while (following := next_in_store(emulator, last)) is not None:
        last = following
    if not emulator.is_closed(last):
        name = name_in(last)
        raise Refusal(
            f"{name_in(arn)} has ended already, and went on as {name}, which is {emulator.describe(last).status}: stop"
            f" that with {place.command('stop', name)}"
        )


def _still_open(emulator: Emulator, arn: str, place: Place) -> Refusal:
    name = ExecutionArn.parse(arn).execution_name
    return Refusal(
        f"{name} has not ended: it is {emulator.describe(arn).status}. Stop it first"
        f" (`{place.command('stop', name)}`), or delete it all the same with --force"
    )
