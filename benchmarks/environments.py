"""Virtual environments for the SDKs, in a directory that is not committed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = ROOT / "benchmarks" / ".venvs"
REQUIREMENTS = {
    "ours": [str(ROOT)],
    "aws": ["aws-durable-execution-sdk-python", "aws-durable-execution-sdk-python-testing"],
    "async_durable": ["async-durable-execution"],
    # The server that the SDKs call over HTTP, which imports more than they do.
    "server": [f"{ROOT}[server]"],
}
BYTECODE = ("none", "unchecked-hash")
# Adapters that run in the environment of another.
BORROWED = dict.fromkeys(("floors", "floor", "bare", "asyncio", "blocking"), "ours")


def python_of(sdk: str) -> str:
    return str(HERE / BORROWED.get(sdk, sdk) / "bin" / "python")


def program_of(sdk: str, name: str) -> str:
    """Return a command that is installed with an SDK."""
    return str(Path(python_of(sdk)).with_name(name))


def package_of(sdk: str, bytecode: str) -> Path:
    """Return the folder that would be deployed with an SDK; ``bytecode`` is ``none`` or ``unchecked-hash``."""
    return HERE / "packages" / f"{BORROWED.get(sdk, sdk)}-{bytecode}"


def make_package(sdk: str, bytecode: str) -> None:
    """Copy what is installed, without the installer, and compile it as docs/deploy.md says, or not at all."""
    package = package_of(sdk, bytecode)
    shutil.rmtree(package, ignore_errors=True)
    [installed] = (HERE / sdk / "lib").glob("python3*/site-packages")
    left_out = shutil.ignore_patterns("__pycache__", "pip", "pip-*", "setuptools", "setuptools-*")
    shutil.copytree(installed, package, ignore=left_out)
    if bytecode != "none":
        mode = ["--invalidation-mode", bytecode]
        command = [python_of(sdk), "-m", "compileall", "-q", *mode, str(package)]
        subprocess.run(command, check=True)


def make_all(*, fresh: bool) -> None:
    """Create missing environments and packages; reinstall this SDK each time, as a wheel like its peers."""
    for name, requirements in REQUIREMENTS.items():
        environment = HERE / name
        is_new = fresh or not (environment / "bin" / "python").exists()
        if is_new:
            print(f"making the environment of {name}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        is_own = name in ("ours", "server")
        if is_new or is_own:
            pip = [
                python_of(name),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]
            anew = ["--force-reinstall", "--no-deps"] if is_own and not is_new else []
            subprocess.run([*pip, *anew, "--upgrade", *requirements], check=True)
        # The server is never deployed.
        for bytecode in () if name == "server" else BYTECODE:
            if is_new or name == "ours" or not package_of(name, bytecode).exists():
                make_package(name, bytecode)
