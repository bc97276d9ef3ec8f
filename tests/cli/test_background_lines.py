"""Lines that are written in a thread, to a terminal that stalls."""

from __future__ import annotations

import threading

from durable_execution_sdk.cli.output.background_lines import BackgroundLines

_PATIENCE = 60


class Terminal:
    """Takes lines once it is released; ``is_reached`` is set when the first one comes."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bool]] = []
        self.is_reached = threading.Event()
        self.release = threading.Event()

    def write(self, line: str, err: bool) -> None:
        self.is_reached.set()
        assert self.release.wait(_PATIENCE)
        self.lines.append((line, err))


def test_lines_are_written_in_their_order_before_the_end() -> None:
    terminal = Terminal()
    terminal.release.set()
    lines = BackgroundLines(terminal.write)
    for number in range(100):
        lines.say(str(number), err=number % 2 == 1)
    lines.close()
    assert terminal.lines == [(str(number), number % 2 == 1) for number in range(100)]


def test_a_terminal_that_takes_no_lines_stops_nothing_and_gets_the_newest_later() -> None:
    terminal = Terminal()
    lines = BackgroundLines(terminal.write, most=900)
    lines.say("first")
    assert terminal.is_reached.wait(_PATIENCE)
    for number in range(10_000):
        lines.say(f"{number:>100}")
    lines.close()  # Does not wait for ever.
    assert terminal.lines == []
    terminal.release.set()
    lines.close()
    texts = [line.strip() for line, _ in terminal.lines]
    assert texts[:2] == ["first", "(9,995 lines are left out here: the terminal took none)"]
    assert texts[2:] == ["9995", "9996", "9997", "9998", "9999"]


def test_a_line_that_cannot_be_written_is_skipped() -> None:
    written: list[str] = []

    def write(line: str, _err: bool) -> None:
        if line == "full":
            raise OSError(28, "No space left on device")
        written.append(line)

    lines = BackgroundLines(write)
    for line in ("one", "full", "two"):
        lines.say(line)
    lines.close()
    assert written == ["one", "two"]
