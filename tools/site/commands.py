"""The page of the ``durable`` command in the reference, made from click's commands and their help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from durable_execution_sdk.cli.main import durable

# click writes paragraphs with this mark as they are.
_AS_IS = "\b"


def markdown() -> str:
    """Return the page: the command, the sections of its help, and each command with its options."""
    sections = [_described("durable", durable, 2), _exit_codes()]
    for title, names in durable.sections.items():
        sections.append(f"## {title}")
        for name in names:
            command = durable.get_command(click.Context(durable), name)
            assert command is not None
            sections += [_described(*each) for each in _commands(f"durable {name}", command, 3)]
    return "\n\n".join(sections)


def _commands(
    path: str, command: click.Command, level: int
) -> Iterator[tuple[str, click.Command, int]]:
    yield path, command, level
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _commands(f"{path} {name}", inner, level + 1)


def _described(path: str, command: click.Command, level: int) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * level} `{path}`", f"```text\n{usage}\n```", _prose(command.help or "")]
    rows = [_row(option, context) for option in command.params if isinstance(option, click.Option)]
    if rows:
        parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    if command.epilog and command.epilog != durable.epilog:
        parts.append(_prose(command.epilog))
    return "\n\n".join(parts)


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None, f"{context.info_name} {option.opts} is hidden"
    names, meaning = record
    assert meaning, f"{context.info_name} {option.opts} has no help"
    return f"| <code>{_escaped(names)}</code> | {_escaped(' '.join(meaning.split()))} |"


def _prose(text: str) -> str:
    """Return a help text as Markdown: paragraphs, and those that click leaves as they are as blocks of code."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(
        f"```text\n{part.removeprefix(_AS_IS).strip(chr(10))}\n```"
        if part.startswith(_AS_IS)
        else _escaped(part)
        for part in paragraphs
    )


def _exit_codes() -> str:
    assert durable.epilog is not None
    return f"## Exit codes\n\n{_prose(durable.epilog)}"


def _escaped(text: str) -> str:
    """Return text in which Markdown and HTML see no marks."""
    return re.sub(r"[&<>|*_\[\]]", lambda mark: f"&#{ord(mark[0])};", text)
