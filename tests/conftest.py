"""Shared by all tests: the table of the conformance requirements at the end of a run."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

import anyio._backends._asyncio  # noqa: F401 - see below
import pytest
from hypothesis import given
from hypothesis.strategies import none

from durable_execution_sdk import *  # noqa: F403 - see below
from durable_execution_sdk import operations, retry, serdes

# Collection makes a million objects that stay, and a collector that looks at them again and again.
gc.disable()

# pytest rewrites the modules of anyio, and the server loads that one in its thread: compilers in two threads at once
# end with a SystemError in Python 3.11. So it is loaded above.

pytest.register_assert_rewrite("tests.cli.endpoint_suite")

# A run of pytest within a test forgets the modules that were first loaded in it. Names that are loaded on
# first use would then have two classes, so all of them are loaded here.
for package in (operations, retry, serdes):
    for name in package.__all__:
        getattr(package, name)


def pytest_collection_finish() -> None:
    """Let the collector work again, now that all tests are collected."""
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def no_threads_left() -> Iterator[None]:
    """Fail if a module leaves threads: workflows of other modules would wait for what they might do."""
    before = set(threading.enumerate())
    yield
    ends_at = time.monotonic() + 5
    while left := [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name != "durable-step" and not isinstance(thread, threading._DummyThread)
    ]:
        assert time.monotonic() < ends_at, f"left running: {[thread.name for thread in left]}"
        left[0].join(0.1)


@pytest.fixture(scope="session", autouse=True)
def nothing_compiled_is_kept() -> Iterator[None]:
    """Let tests that edit a file see the edit, in processes that they start too.

    Python takes a compiled file for the source's if their sizes and seconds agree. The tests are
    compiled by now.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setitem(os.environ, "PYTHONDONTWRITEBYTECODE", "1")
        yield


@given(none())
def _draws(_: None) -> None:
    pass


@pytest.fixture(scope="session", autouse=True)
def hypothesis_has_begun() -> None:
    """Let Hypothesis make its source of random numbers before objects are put aside.

    It looks for what refers to that, and would find nothing.
    """
    _draws()


@pytest.fixture(scope="module", autouse=True)
def objects_of_other_tests_aside() -> None:
    """Keep all tests, and the objects of earlier ones, out of the many collections that tests ask for.

    With ten thousand tests in the process, a collection would take half a second.
    """
    gc.collect()
    gc.freeze()


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
