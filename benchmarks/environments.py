"""Virtual environments for the SDKs, in a directory that is not committed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = ROOT / "benchmarks" / ".venvs"
REQUIREMENTS = {
    "ours": [str(ROOT)],
    "aws": ["aws-durable-execution-sdk-python", "aws-durable-execution-sdk-python-testing"],
    "async_durable": ["async-durable-execution"],
}
# Adapters that run in the environment of another.
BORROWED = {"floors": "ours", "floor": "ours", "bare": "ours"}


def python_of(sdk: str) -> str:
    return str(HERE / BORROWED.get(sdk, sdk) / "bin" / "python")


def make_all(*, fresh: bool) -> None:
    """Create missing environments; reinstall this SDK each time, as a wheel like its peers."""
    for name, requirements in REQUIREMENTS.items():
        environment = HERE / name
        is_new = fresh or not (environment / "bin" / "python").exists()
        if is_new:
            print(f"making the environment of {name}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        if is_new or name == "ours":
            pip = [
                python_of(name),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]
            anew = ["--force-reinstall", "--no-deps"] if name == "ours" and not is_new else []
            subprocess.run([*pip, *anew, "--upgrade", *requirements], check=True)
