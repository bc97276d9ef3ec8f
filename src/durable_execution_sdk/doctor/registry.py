"""All checks, and the order of their findings."""

from __future__ import annotations

from collections.abc import Iterable

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.checks import (
    callers,
    circles,
    code,
    code_rights,
    configuration,
    deployment,
    names,
    packaging,
    permissions,
    targets,
    versions,
)
from durable_execution_sdk.doctor.deployed import Deployed
from durable_execution_sdk.doctor.findings import Check, Finding

APPLICATION_CHECKS: tuple[Check[Application], ...] = (
    *configuration.CHECKS,
    *targets.CHECKS,
    *names.CHECKS,
    *circles.CHECKS,
    *permissions.CHECKS,
    *code_rights.CHECKS,
    *callers.CHECKS,
    *versions.CHECKS,
    *packaging.CHECKS,
    *code.CHECKS,
)
DEPLOYMENT_CHECKS: tuple[Check[Deployed], ...] = deployment.CHECKS


def examine(app: Application) -> list[Finding]:
    """Return the findings in an application, by file and line."""
    findings = [found for each in APPLICATION_CHECKS for found in each.findings(app)]
    return in_order([*findings, *code.lint_findings(app)])


def examine_deployed(deployed: Deployed) -> list[Finding]:
    """Return the findings in a deployed function."""
    return [found for each in DEPLOYMENT_CHECKS for found in each.findings(deployed)]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by place and code, and drop repetitions."""
    unique = dict.fromkeys(findings)
    return sorted(unique, key=lambda each: (each.place.file, each.place.line or 0, each.code))
