"""The lines about executions that edited code does not fit, and the ways to go on."""

from __future__ import annotations

from collections.abc import Mapping

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.reload.findings import Finding, finding_document
from durable_execution_sdk.protocol.ids import ExecutionArn


def held_documents(findings: Mapping[str, Finding]) -> list[dict[str, object]]:
    """Build a document for each execution that cannot go on."""
    return [
        {
            "durable_execution_name": _name(arn),
            "durable_execution_arn": arn,
            **finding_document(finding),
        }
        for arn, finding in findings.items()
    ]


def finding_lines(name: str, finding: Finding) -> list[str]:
    """Write the finding about an execution."""
    lines = [
        f"HELD  {name}: the code was edited since it ran, and does not fit its log ({finding.kind})",
        f"  the log has:   {finding.expected}",
        f"  the code now:  {finding.actual}",
    ]
    if finding.place is not None:
        lines.append(f"  at:            {finding.place}")
    if finding.source:
        lines.append(f"                   {finding.source}")
    if finding.hint:
        lines.append(f"  {finding.hint}")
    return lines


def fork_command(place: Place, name: str, finding: Finding) -> str:
    """Write the command that goes on from before what does not fit."""
    if finding.operation_id is None:
        return place.command("fork", name)
    return place.command("fork", name, "--before", finding.operation_id)


def tell_held(findings: Mapping[str, Finding], place: Place, resume: str) -> None:
    """Print the findings of ``durable run``, and the ways to go on."""
    for arn, finding in findings.items():
        for line in finding_lines(_name(arn), finding):
            say(line)
    say("nothing was recorded. Edit the code, and go on with:", err=True)
    say(f"  {resume}", err=True)
    say("or run it as it is, which will fail: add --anyway", err=True)
    for arn, finding in findings.items():
        say(f"or begin anew before that: {fork_command(place, _name(arn), finding)}", err=True)
        say(f"or end it: {place.command('stop', _name(arn))}", err=True)


def _name(arn: str) -> str:
    return ExecutionArn.parse(arn).execution_name
