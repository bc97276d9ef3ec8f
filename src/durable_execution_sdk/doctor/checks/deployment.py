"""Checks of a function as it is deployed."""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.doctor.checks.configuration import RUNTIMES
from durable_execution_sdk.doctor.deployed import Deployed
from durable_execution_sdk.doctor.findings import Fault, Level, Place, check

_LATEST = "$LATEST"
_TOLERATED_SECONDS = 60


def _place(deployed: Deployed) -> Place:
    return Place(deployed.name)


@check(
    "DOC801",
    Level.ERROR,
    reason="durable executions are enabled only when a function is created",
    fix="create a function of another name; in a template, give it another logical id, and another FunctionName"
    " if it has one",
)
def not_durable(deployed: Deployed) -> Iterator[Fault]:
    """Find a deployed function without a ``DurableConfig`` that is to be durable."""
    function = deployed.declared
    if deployed.configuration is None or deployed.configuration.durable_config is not None:
        return
    if function is None:
        yield _place(deployed), f"{deployed.name} has no DurableConfig"
    elif function.is_durable:
        yield (
            function.place("DurableConfig"),
            f"{deployed.name} exists without the DurableConfig of {function.logical_id}",
        )


@check(
    "DOC802",
    Level.ERROR,
    reason="Lambda runs durable functions in Python on python3.13 and python3.14 only",
    fix="deploy it with the runtime python3.13, and a package that was built with that Python",
)
def deployed_runtime(deployed: Deployed) -> Iterator[Fault]:
    """Find a deployed durable function on a runtime without durable functions."""
    found = deployed.configuration
    runtime = "" if found is None or found.durable_config is None else found.runtime or ""
    if runtime in {f"python3.{minor}" for minor in range(13)} - {*RUNTIMES}:
        yield _place(deployed), f"{deployed.name} has the runtime {runtime}"


@check(
    "DOC803",
    Level.WARNING,
    reason="they go on with the code that is deployed next, which may not fit their log",
    fix="invoke an alias of a published version; try the next code with durable versions FUNCTION FILE:HANDLER",
)
def open_on_latest(deployed: Deployed) -> Iterator[Fault]:
    """Find open executions on ``$LATEST``."""
    count = (deployed.open_executions or {}).get(_LATEST, 0)
    if count:
        yield _place(deployed), f"{deployed.name} has {_count(count)} on $LATEST"


@check(
    "DOC804",
    Level.NOTE,
    reason="a version is the code of its open executions, and those fail if it is deleted",
    fix="keep the version until they have ended, which durable versions FUNCTION tells",
)
def open_on_old_versions(deployed: Deployed) -> Iterator[Fault]:
    """Find versions that only their open executions need."""
    if deployed.aliased is not None:
        for version, count in sorted((deployed.open_executions or {}).items()):
            if version != _LATEST and version not in deployed.aliased:
                yield (
                    _place(deployed),
                    f"version {version} of {deployed.name} has {_count(count)} and no alias",
                )


def _count(count: int) -> str:
    return "1 open execution" if count == 1 else f"{count} open executions"


@check(
    "DOC805",
    Level.ERROR,
    reason="AWS refuses requests that were signed five minutes ago or more, or in the future",
    fix="set the clock of this computer by NTP",
)
def clock_skew(deployed: Deployed) -> Iterator[Fault]:
    """Find a local clock that is far from that of the endpoint."""
    if deployed.refused_signature is not None:
        yield (
            _place(deployed),
            f"the endpoint refuses the time of this computer ({deployed.refused_signature})",
        )
    elif deployed.skew is not None and abs(deployed.skew) > _TOLERATED_SECONDS:
        direction = "ahead of" if deployed.skew > 0 else "behind"
        yield (
            _place(deployed),
            f"the clock of this computer is {abs(deployed.skew):.0f} s {direction} that of the endpoint",
        )


@check(
    "DOC806",
    Level.NOTE,
    reason="the SDK's lines carry the execution and the operation as fields, which a text line cannot be searched by",
    fix="deploy it with LoggingConfig: {LogFormat: JSON}",
)
def deployed_log_format(deployed: Deployed) -> Iterator[Fault]:
    """Find a deployed durable function that logs text."""
    found = deployed.configuration
    if found is None or found.durable_config is None or found.logging_config is None:
        return
    if found.logging_config.log_format == "Text":
        yield _place(deployed), f"{deployed.name} logs text"


CHECKS = (
    not_durable,
    deployed_runtime,
    open_on_latest,
    open_on_old_versions,
    clock_skew,
    deployed_log_format,
)
