"""The testing package needs the SDK only: no extra, no test framework."""

from __future__ import annotations

import subprocess
import sys

import durable_execution_sdk.testing as face

SCRIPT = """
import sys, durable_execution_sdk.testing
print(" ".join({name.partition(".")[0] for name in sys.modules}))
"""

EXTRAS = {"botocore", "click", "jinja2", "pydantic", "pytest", "rich", "starlette", "uvicorn"}


def test_importing_it_loads_no_extra_and_no_test_framework():
    run = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert set(run.stdout.split()) & EXTRAS == set()


def test_its_public_names_are_sorted_exist_and_have_docstrings():
    names = face.__all__
    classes = sorted(name for name in names if name[0].isupper())
    functions = sorted(name for name in names if not name[0].isupper())
    assert names == classes + functions
    for name in names:
        assert getattr(face, name).__doc__, f"{name} has no docstring"


def test_no_class_on_it_is_taken_for_a_test_by_pytest():
    assert [name for name in face.__all__ if name.startswith(("Test", "test"))] == []
