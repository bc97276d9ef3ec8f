"""Try a wheel out where the sources are out of the way: ``python tools/try_wheel.py dist/*.whl``.

It is installed into an empty environment in a temporary folder. There the quick start of the README runs,
and then its test, which uses the testing package. Needs only the standard library, on any system.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = """
import pathlib, sys
from importlib.metadata import version
import durable_execution_sdk as sdk
place = pathlib.Path(sdk.__file__)
assert place.is_relative_to(sys.prefix), f"not the installed package, but {place}"
assert (place.parent / "py.typed").exists(), "no py.typed"
assert sdk.__version__ == version("durable-execution-sdk"), (sdk.__version__, version("durable-execution-sdk"))
print("durable-execution-sdk", sdk.__version__)
"""


class Trial:
    """An empty environment, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        environment = folder / "environment"
        venv.create(environment, with_pip=True)
        self.programs = environment / ("Scripts" if os.name == "nt" else "bin")
        self.work = folder / "work"
        self.work.mkdir()

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment, and return what it printed."""
        print("+", program, *arguments, flush=True)
        settings = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        ran = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.work,
            env=settings,
            stdout=subprocess.PIPE,
            check=False,
        )
        printed = ran.stdout.decode("utf-8", "replace")
        print(printed, end="", flush=True)
        if ran.returncode:
            raise SystemExit(f"{program} ended with {ran.returncode}")
        return printed

    def install(self, *requirements: str) -> None:
        """Install packages."""
        self.run("python", "-m", "pip", "install", "--quiet", *requirements)


def blocks(language: str) -> list[str]:
    """Read the pieces of code of one language from the README."""
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def main() -> None:
    [wheel] = [Path(argument).resolve() for argument in sys.argv[1:]]
    _, workflow, test = blocks("python")
    [commands] = [block for block in blocks("sh") if block.startswith("durable run greeting.py")]
    # Windows removes no file that is open somewhere.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        trial = Trial(Path(folder).resolve())
        trial.install(str(wheel))
        trial.run("python", "-c", IMPORTED)
        trial.install(f"{wheel}[cli]", "pytest")
        (trial.work / "greeting.py").write_text(workflow, "utf-8")
        printed = [trial.run(*shlex.split(command)) for command in commands.splitlines()]
        assert "HELLO, ADA!" in printed[0]
        assert "take_a_breath" in printed[1]
        (trial.work / "test_greeting.py").write_text(
            f"from greeting import greeting\n{test}", "utf-8"
        )
        assert "1 passed" in trial.run("python", "-m", "pytest")


if __name__ == "__main__":
    main()
