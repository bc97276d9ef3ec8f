"""A group of commands whose help lists them in sections."""

from __future__ import annotations

import click


class SectionedGroup(click.Group):
    """A group that remembers the section of each command; sections stand in the order of their first use."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._sections: dict[str, list[str]] = {}

    def add_section(self, title: str, *commands: click.Command) -> None:
        """Add commands to the group, in a section of the help."""
        for command in commands:
            self.add_command(command)
            assert command.name is not None
            self._sections.setdefault(title, []).append(command.name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of each section, with the first sentence of their help."""
        longest = max(len(name) for names in self._sections.values() for name in names)
        room = formatter.width - 6 - longest
        for title, names in self._sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (name.ljust(longest), self.commands[name].get_short_help_str(room))
                        for name in names
                    ]
                )
