"""A group of commands that are loaded when they are needed, and whose help lists them in sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

import click


class SectionedGroup(click.Group):
    """A group that knows the module of each command; sections stand in the order in which they were added.

    A command is loaded when it is called, completed or listed: the start of one must not wait for what the
    others import.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._sections: dict[str, list[str]] = {}
        self._places: dict[str, str] = {}

    def add_section(self, title: str, places: Mapping[str, str]) -> None:
        """Add a section of the help; ``places`` are modules and attributes by the names of commands."""
        self._sections[title] = list(places)
        self._places.update(places)

    @property
    def sections(self) -> Mapping[str, Sequence[str]]:
        """The names of commands by the titles of their sections."""
        return self._sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return sorted(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; its help ends like that of the group."""
        del ctx
        place = self._places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        command.epilog = command.epilog or self.epilog
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of each section, with the first sentence of their help."""
        longest = max(map(len, self._places))
        room = formatter.width - 6 - longest
        for title, names in self._sections.items():
            with formatter.section(title):
                rows: list[tuple[str, str]] = []
                for name in names:
                    command = self.get_command(ctx, name)
                    assert command is not None
                    rows.append((name.ljust(longest), command.get_short_help_str(room)))
                formatter.write_dl(rows)
