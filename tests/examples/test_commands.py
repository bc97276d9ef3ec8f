"""The commands in an example's docstring, one after the other, lead to its end: answers, heartbeats and messages too."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from tests.examples.catalogue import ROOT, Example, examples
from tests.examples.test_catalogue import alone
from tests.sampling import thinned

from durable_execution_sdk.cli.main import main

__all__ = ["alone"]


def commands(example: Example) -> list[list[str]]:
    """Return the words of each of its commands of ``durable``, with paths that hold in any directory."""
    lines = [line.strip() for line in example.docstring.replace("\\\n", " ").splitlines()]
    return [
        [re.sub("(^@?|=)examples/", rf"\1{ROOT}/examples/", word) for word in shlex.split(line)[1:]]
        for line in lines
        if line.startswith("durable ")
    ]


def is_answered(example: Example) -> bool:
    """Return True if the commands after the first answer the execution that it names, or send messages to it."""
    run, *others = commands(example)
    if "--name" not in run:
        return False
    name = run[run.index("--name") + 1]
    return bool(others) and all(
        command[0] in {"callback", "send"}
        and any(re.match(rf"{name}(/|$)", word) for word in command)
        for command in others
    )


ANSWERED = [example for example in examples() if is_answered(example)]


@pytest.mark.parametrize("example", thinned(ANSWERED, every=4), ids=lambda example: example.path)
def test_the_commands_of_an_example_lead_to_its_end(
    example: Example, alone: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, *others = commands(example)
    run = [*run, "--no-wait", "--json"]
    assert main(run) == 3
    for command in others:
        assert main(command) == 0, capfd.readouterr().err
        capfd.readouterr()
        status = main(run)
    out, err = capfd.readouterr()
    assert status == 0, err or out
    assert json.loads(out)["status"] == "SUCCEEDED"
