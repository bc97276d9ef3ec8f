"""The history shows which step ran when the process was killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import Durable, Write
from tests.cli.process import running
from tests.sampling import one_each, thinned

KILLED = """
    import os
    import signal

    def dies() -> int:
        if os.path.exists("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        return 1

    async def dies_async() -> int:
        return dies()

    def options() -> StepConfig:
        return StepConfig(OPTIONS)

    @durable_step(OPTIONS)
    def bound() -> int:
        return dies()

    @durable_execution(checkpointing=CheckpointingMode.MODE)
    async def main(event: str, ctx: DurableContext) -> int:
        await ctx.step(lambda: 1, name="before")
        match event:
            case "plain":
                return await ctx.step(dies, name="deadly", config=options())
            case "async":
                return await ctx.step(dies_async, name="deadly", config=options())
            case _:
                return await ctx.step(bound, name="deadly")
"""


CASES = [
    ("acknowledge_start=True", "BATCHED", True),
    ("acknowledge_start=True", "OPTIMISTIC", True),
    ("", "EAGER", True),
    ("", "BATCHED", False),
]


@pytest.mark.parametrize(("case", "kind"), thinned(one_each(CASES, ["plain", "async", "bound"]), 2))
def test_a_body_that_kills_the_process_at_once_is_named_if_its_start_is_acknowledged(
    durable: Durable, write: Write, place: Path, case: tuple[str, str, bool], kind: str
) -> None:
    options, mode, is_shown = case
    file = write(KILLED.replace("OPTIONS", options).replace("MODE", mode))
    (place / "deadly").touch()
    with running(place, "run", file, "--input", f'"{kind}"', "--name", "o") as run:
        assert run.process.wait(60) == -9
    history = [" ".join(line.split()) for line in durable("history", "o").out.splitlines()]
    assert any("StepStarted deadly" in line for line in history) is is_shown, history
    (place / "deadly").unlink()
    output = durable("run", file, "--name", "o")
    assert (output.code, output.result) == (0, 1)
