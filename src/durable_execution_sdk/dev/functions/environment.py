"""The environment and the command of a function's processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from durable_execution_sdk.dev.functions import kept_sources
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import DEFAULT_MEMORY_MB

_HERE = Path(__file__).parent

# Variables by which AWS's SDKs find credentials; one of them is enough.
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_DUMMY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
# Variables that name a collector of OpenTelemetry's.
_COLLECTORS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The server, as functions see it. ``environment``: the variables that functions get from it."""

    endpoint_url: str
    region: str = "us-east-1"
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """A function's version, with the command, the directory and the environment of its processes.

    ``sources`` is the path of the sources that its processes import, if the server has kept some.
    """

    declaration: Declaration
    version: str
    place: Place
    sources: str | None = None

    @property
    def directory(self) -> str:
        """The directory in which a process starts."""
        return self.declaration.working_directory or self.declaration.root

    @property
    def command(self) -> list[str]:
        """The program and its arguments."""
        declaration = self.declaration
        match declaration.runtime:
            case Runtime.PYTHON:
                return [declaration.python, "-P", str(_HERE / "python_client.py")]
            case Runtime.NODE:
                return [_node(declaration), str(_HERE / "node_client.mjs")]
            case Runtime.COMMAND:
                return list(declaration.command)

    @property
    def names_collector(self) -> bool:
        """True if a variable names a collector of traces."""
        variables = {**self.place.environment, **self.declaration.environment}
        return any(map(variables.get, _COLLECTORS))

    def variables(self, runtime_api: str) -> dict[str, str]:
        """Return the environment of a process with the Runtime API at this address.

        The function's own variables outrank the server's, and those that Lambda reserves outrank both.
        """
        declaration = self.declaration
        variables = {**self.place.environment, **declaration.environment}
        # With it, AWS's SDKs would ignore the endpoint and call the real Lambda.
        variables.pop("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", None)
        variables.setdefault("AWS_LAMBDA_LOG_FORMAT", "JSON")
        variables.setdefault("AWS_LAMBDA_LOG_LEVEL", "INFO")
        if not _has_credentials(variables):
            variables.update(_DUMMY_CREDENTIALS)
        for name in ("NO_PROXY", "no_proxy"):
            variables[name] = ",".join(filter(None, (variables.get(name), _LOOPBACK)))
        if self.sources is not None:
            variables[kept_sources.VARIABLE] = self.sources
        group = f"/aws/lambda/{declaration.name}"
        return variables | {
            "AWS_ENDPOINT_URL_LAMBDA": self.place.endpoint_url,
            "AWS_REGION": self.place.region,
            "AWS_DEFAULT_REGION": self.place.region,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_LAMBDA_FUNCTION_NAME": declaration.name,
            "AWS_LAMBDA_FUNCTION_VERSION": self.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(declaration.memory_mb or DEFAULT_MEMORY_MB),
            "AWS_LAMBDA_LOG_GROUP_NAME": group,
            "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[{self.version}]{runtime_api.rpartition(':')[2]}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LAMBDA_TASK_ROOT": declaration.root,
            "_HANDLER": declaration.handler,
            # Lines must be in the pipe when the answer is sent.
            "PYTHONUNBUFFERED": "1",
            "TZ": ":UTC",
        }


def find_node() -> str | None:
    """Return the Node on the path, if there is one."""
    return shutil.which("node")


def _node(declaration: Declaration) -> str:
    node = declaration.interpreter or find_node()
    if node is None:
        raise ConfigError(
            f"the function {declaration.name!r} runs on Node, and there is no `node` on the path:"
            " install Node 22 or newer"
        )
    return node


def _has_credentials(variables: Mapping[str, str]) -> bool:
    if any(variables.get(name) for name in _CREDENTIALS):
        return True
    home = Path(variables.get("HOME") or Path.home())
    return any((home / ".aws" / name).exists() for name in ("credentials", "config"))
