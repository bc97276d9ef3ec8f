"""Without the extra, importing the plugin raises an error that names the extra."""

from __future__ import annotations

import subprocess
import sys

_WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from durable_execution_sdk.otel import OpenTelemetryPlugin
"""


def test_the_extra_that_is_missing_is_named():
    run = subprocess.run(
        [sys.executable, "-c", _WITHOUT], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "needs OpenTelemetry: pip install 'durable-execution-sdk[otel]'" in run.stderr
