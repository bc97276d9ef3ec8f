"""The package of the functions: the code, what it imports, and bytecode of both."""

import shutil
import subprocess
from pathlib import Path

PYTHON = "3.13"
"""The version of the runtime: bytecode of another version is ignored there."""

ROOT = Path(__file__).parents[1]


def package() -> str:
    """Build the package anew, and return its folder.

    Bytecode is compiled here because Lambda would compile it anew in each cold start, and without
    the time of its source, which zip changes.
    """
    folder = ROOT / ".build"
    shutil.rmtree(folder, ignore_errors=True)
    source = ROOT / "src"
    shutil.copytree(source / "orders", folder / "orders", ignore=shutil.ignore_patterns("*.pyc"))
    python = [f"python{PYTHON}", "-m"]
    pip = [*python, "pip", "install", "--quiet", "--target", str(folder), "--no-compile"]
    wheels = ["--platform", "manylinux2014_aarch64", "--only-binary=:all:"]
    subprocess.run([*pip, *wheels, "-r", str(source / "requirements.txt")], check=True)
    compilation = ["compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*python, *compilation, str(folder)], check=True)
    return str(folder)
