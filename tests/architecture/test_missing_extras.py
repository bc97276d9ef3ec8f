"""A module that needs an extra names it, in the words of a shell, where its packages are not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

EXTRAS = [
    ("otel", "opentelemetry", "otel"),
    ("agents.openai", "agents", "openai-agents"),
    ("agents.strands", "strands", "strands"),
    ("agents.langchain", "langsmith", "langchain"),
    ("server.http_server", "uvicorn", "server"),
]


@pytest.mark.parametrize(("module", "package", "extra"), EXTRAS)
def test_the_extra_of_a_module_is_named(module: str, package: str, extra: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; import durable_execution_sdk.{module}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ModuleNotFoundError: durable_execution_sdk.{module} needs "), last
    assert last.endswith(f": pip install 'durable-execution-sdk[{extra}]'")
