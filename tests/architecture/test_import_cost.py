"""A cold start in Lambda loads the modules of this list; an addition needs a reason."""

import subprocess
import sys

# Modules of the standard library that asyncio and msgspec do not load: the signer's hashes.
ALLOWED_STANDARD = {"_blake2", "_hashlib", "hashlib"}

ALLOWED_PACKAGES = {
    "aws",
    "call_timing",
    "context",
    "duration",
    "errors",
    "first_use",
    "handler",
    "operations",
    "protocol",
    "retry",
    "runtime",
    "serdes",
    "version",
}
# Modules for steps. Those of other operations are loaded on first use.
ALLOWED_OPERATIONS = {"combinators", "lifecycle", "step"}
NEVER_LOADED = {
    "aws.botocore_credentials",
    "handler_modes",
    "operations.lifecycle.call_errors",
    "operations.lifecycle.strategy_calls",
    "protocol.control_plane",
    "protocol.control_plane_codec",
    "protocol.history",
    "retry.backoff",
    "retry.filters",
    "retry.polling",
    "retry.presets",
    "retry.strategies",
    "runtime.error_objects",
    "runtime.extension_points",
    "runtime.log.unclaimed",
    "runtime.timers",
    "serdes.callback",
    "serdes.paths",
    "serdes.types.fields",
    "serdes.types.shapes",
    "serdes.types.unions",
}

SCRIPT = """
import sys, asyncio, msgspec
before = set(sys.modules)
import durable_execution_sdk
print(" ".join(sorted(set(sys.modules) - before)))
"""


def loaded() -> set[str]:
    run = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_importing_the_sdk_loads_only_what_a_handler_needs():
    modules = loaded()
    ours = {name for name in modules if name.split(".")[0] == "durable_execution_sdk"}
    assert modules - ours <= ALLOWED_STANDARD
    packages = {name.split(".")[1] for name in ours if "." in name}
    assert packages <= ALLOWED_PACKAGES
    operations = {name.split(".")[2] for name in ours if ".operations." in name}
    assert operations <= ALLOWED_OPERATIONS
    for name in NEVER_LOADED:
        assert f"durable_execution_sdk.{name}" not in ours


def test_a_client_is_made_on_first_use_and_not_on_import():
    script = (
        "import durable_execution_sdk.handler as h;"
        "from durable_execution_sdk.aws.data_plane import default_data_plane as d;"
        "print(d.cache_info().currsize)"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "0"
