"""Shared by all tests: the table of the conformance requirements at the end of a run."""

from __future__ import annotations

from collections import defaultdict

import pytest

from durable_execution_sdk import *  # noqa: F403 - see below
from durable_execution_sdk import operations, retry, serdes

# A run of pytest within a test forgets the modules that were first loaded in it. Names that are loaded on
# first use would then have two classes, so all of them are loaded here.
for package in (operations, retry, serdes):
    for name in package.__all__:
        getattr(package, name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the requirements of AWS's conformance suite that hold, suite by suite."""
    verdicts: dict[str, dict[str, str]] = defaultdict(dict)
    for outcome, sign in (("passed", "ok"), ("failed", "FAILED"), ("error", "FAILED")):
        for report in terminalreporter.getreports(outcome):
            # Reports of failed collections have no properties.
            for name, value in getattr(report, "user_properties", ()):
                if name == "conformance":
                    suite, number = str(value).split()
                    verdicts[suite].setdefault(number, sign)
                    if sign == "FAILED":
                        verdicts[suite][number] = sign
    if not verdicts:
        return
    terminalreporter.section("conformance requirements")
    for suite, signs in sorted(verdicts.items(), key=lambda item: _order(min(item[1], key=_order))):
        numbers = sorted(signs, key=_order)
        passed = sum(signs[number] == "ok" for number in numbers)
        line = " ".join(n if signs[n] == "ok" else f"{n}:{signs[n]}" for n in numbers)
        terminalreporter.write_line(f"{suite:20} {passed:3} of {len(numbers):3} hold   {line}")


def _order(number: str) -> tuple[int, ...]:
    return tuple(map(int, number.split("-")))
