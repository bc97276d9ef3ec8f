"""``durable doctor``: find mistakes in a template, the code, the package and the deployed function."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from durable_execution_sdk.cli.options import Endpoint, endpoint_options, json_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.refusals import ExitCode, Refusal
from durable_execution_sdk.cli.remote.endpoint import FunctionReference, connected
from durable_execution_sdk.client.endpoint_connection import EndpointOptions
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol.error_codes import NOT_FOUND

if TYPE_CHECKING:
    from durable_execution_sdk.doctor.application import Application
    from durable_execution_sdk.doctor.findings import Finding

_USUAL = ("template.yaml", "template.yml", "template.json", "cdk.out")
_EPILOG = """\b
Exit codes:
   0  no errors; there may be warnings and notes
   1  there are errors
   2  no such template or function, no permission, or the endpoint does not answer
"""


@click.command(
    epilog=_EPILOG, short_help="Find mistakes in a template, its code and the deployed function."
)
@click.argument("template", metavar="[TEMPLATE]", required=False)
@click.option("--package", metavar="PATH", help="The package of the functions: a folder or a zip.")
@click.option("--function", metavar="NAME", help="Examine this deployed function, too.")
@endpoint_options
@json_option
def doctor(
    template: str | None,
    package: str | None,
    function: str | None,
    at: Endpoint,
    as_json: bool,
) -> int:
    """Find mistakes in a template of SAM, CloudFormation or CDK, in its code, and in the deployed function.

    TEMPLATE is a file, or a folder such as cdk.out; if it is left out, template.yaml or cdk.out here. Nothing of
    the application is run. With --function, the deployed function is read at AWS or at --endpoint.
    """
    if function is None and at.is_given:
        raise Refusal(
            "--endpoint, --profile and --region say where to find a function: add --function NAME"
        )
    files = _templates(template, needed=function is None)
    apps = [*_applications(files, package)]
    findings, notes = _examine(apps)
    if function is not None:
        options = EndpointOptions(url=at.url, profile=at.profile, region=at.region)
        found, said = asyncio.run(_deployed(FunctionReference(function), options, apps))
        findings, notes = [*findings, *found], [*notes, *said]
    _report(findings, notes, as_json=as_json)
    has_errors = any(each.level == "error" for each in findings)
    return ExitCode.FAILED if has_errors else ExitCode.SUCCEEDED


def _templates(given: str | None, *, needed: bool) -> list[Path]:
    if given is None:
        path = next((Path(name) for name in _USUAL if Path(name).exists()), None)
        if path is None:
            if needed:
                raise Refusal(
                    f"no template is here ({', '.join(_USUAL)}): name one, or --function NAME"
                )
            return []
    else:
        path = Path(given)
    if not path.exists():
        raise Refusal(f"{path}: no such file or folder")
    if path.is_file():
        return [path]
    files = sorted([*path.glob("*.template.json"), *path.glob("assembly-*/*.template.json")])
    files = files or [path / name for name in _USUAL if (path / name).is_file()]
    if not files:
        raise Refusal(f"{path} has no template: neither *.template.json of CDK nor template.yaml")
    return files


def _applications(files: list[Path], package: str | None) -> Iterator[Application]:
    if not files:
        return
    try:
        from durable_execution_sdk.doctor.application import Application  # noqa: PLC0415 - needs PyYAML
    except ModuleNotFoundError as error:
        raise Refusal(
            f"templates need {error.name}: pip install 'durable-execution-sdk[dev]'"
        ) from error
    if package is not None and not Path(package).exists():
        raise Refusal(f"--package {package}: no such file or folder")
    for file in files:
        try:
            yield Application(file, None if package is None else Path(package))
        except ConfigError as error:
            raise Refusal(str(error)) from error


def _examine(apps: list[Application]) -> tuple[list[Finding], list[str]]:
    findings: list[Finding] = []
    notes: list[str] = []
    for app in apps:
        from durable_execution_sdk.doctor.registry import examine  # noqa: PLC0415 - needs PyYAML

        findings += examine(app)
        notes += app.notes
    return findings, notes


async def _deployed(
    reference: FunctionReference, options: EndpointOptions, apps: list[Application]
) -> tuple[list[Finding], list[str]]:
    from durable_execution_sdk.doctor.deployed import declared, read_deployed  # noqa: PLC0415
    from durable_execution_sdk.doctor.registry import examine_deployed  # noqa: PLC0415

    candidates = (declared(app.template, reference.short_name) for app in apps)
    function = next((each for each in candidates if each is not None), None)
    async with connected(reference, options) as connection:
        try:
            deployed = await read_deployed(connection, reference.name, function)
        except ServiceError as error:
            if error.code == NOT_FOUND and function is not None:
                return [], [f"{reference.text} is not deployed at {connection.url} yet"]
            explained = connection.explained(
                error,
                absent=f"function {reference.text}",
                gone="its name or its region may be another",
                reads=f"the configuration of {reference.text}",
                actions=["GetFunction"],
            )
            raise Refusal(str(explained)) from error
    notes = deployed.notes
    if apps and function is None:
        notes = [*notes, f"no function of the template is recognized as {reference.text}"]
    return examine_deployed(deployed), notes


def _report(findings: list[Finding], notes: list[str], *, as_json: bool) -> None:
    counts = Counter(str(each.level) for each in findings)
    if as_json:
        document = {
            "findings": [each.document() for each in findings],
            "counts": {level: counts[level] for level in ("error", "warning", "note")},
            "notes": notes,
        }
        say(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for finding in findings:
        say(str(finding))
    for note in notes:
        say(note, err=True)
    if not findings:
        say(f"no mistakes found{' in what could be examined' if notes else ''}")
