"""The lines about executions that edited code does not fit, and the ways to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from durable_execution_sdk.cli.operation_references import reference_of
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.reload.findings import Finding, finding_document
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.protocol.ids import ExecutionArn

# Of the names of executions in one line.
_MOST_NAMED = 10


def names_of(arns: Sequence[str]) -> str:
    """Write the names of executions; of many, the first ones and the number of the others."""
    names = ", ".join(map(_name, arns[:_MOST_NAMED]))
    more = len(arns) - _MOST_NAMED
    return f"{names} and {more:,} more" if more > 0 else names


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


def finding_lines(arns: Sequence[str], finding: Finding) -> list[str]:
    """Write the finding about executions, which is the same of all."""
    whose = "since it ran, and does not fit its log"
    if len(arns) > 1:
        whose = f"since these {len(arns)} executions ran, and does not fit their logs"
    lines = [
        f"HELD  {names_of(arns)}: the code was edited {whose} ({finding.kind})",
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


def ways_on(emulator: Emulator, place: Place, arns: Sequence[str], finding: Finding) -> list[str]:
    """Write the ways in which executions go on that a server holds; the commands are those for the first."""
    name = _name(arns[0])
    go_on = "it goes on" if len(arns) == 1 else "they go on"
    whose = "" if len(arns) == 1 else f", as for {name}"
    return [
        f"  {go_on} once an edit of the code fits{_patch(finding)}. Or{whose}:",
        *(
            f"    {f'{label}:':<24} {command}"
            for label, command in _fork_ways(emulator, place, arns[0], finding)
        ),
        f"    run it as it is:         {place.command('resume', name, '--anyway')}",
        f"    end it:                  {place.command('stop', name)}",
    ]


def _patch(finding: Finding) -> str:
    """Write the edit that fits where the code asks for other operations."""
    if finding.operation_id is None:
        return ""
    return " (old beside new: if ctx.patched(...): new, else: old)"


def _fork_ways(
    emulator: Emulator, place: Place, arn: str, finding: Finding
) -> list[tuple[str, str]]:
    """Write the forks that may go on: from before what does not fit or, after a failure, with other data.

    Without other data a fork would fail as its origin does, and from broken code no fork goes on.
    """
    name = _name(arn)
    if finding.operation_id is None:
        if finding.kind != "a failure":
            return []
        return [
            ("fork with other input", place.command("fork", name, "--input", "JSON")),
            ("fork with other results", place.command("fork", name, "--result", "OPERATION=JSON")),
        ]
    operation = reference_of(emulator.progress(arn), finding.operation_id)
    return [("begin anew before that", place.command("fork", name, "--before", operation))]


def tell_held(
    emulator: Emulator, findings: Mapping[str, Finding], place: Place, resume: str
) -> None:
    """Print the findings of ``durable run``, and the ways to go on."""
    for arn, finding in findings.items():
        for line in finding_lines([arn], finding):
            say(line)
    patches = {_patch(finding) for finding in findings.values()} - {""}
    say(f"nothing was recorded. Edit the code{''.join(patches)}, and go on with:", err=True)
    say(f"  {resume}", err=True)
    say("or run it as it is, which will fail: add --anyway", err=True)
    for arn, finding in findings.items():
        for label, command in _fork_ways(emulator, place, arn, finding):
            say(f"or {label}: {command}", err=True)
        say(f"or end it: {place.command('stop', _name(arn))}", err=True)


def _name(arn: str) -> str:
    return ExecutionArn.parse(arn).execution_name
