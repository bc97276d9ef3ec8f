"""Findings in a template and code that a test writes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.registry import examine

HEAD = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Days: {Type: Number, Default: 7}
  Kept: {Type: "AWS::SSM::Parameter::Value<String>", Default: /orders/kept}
  Shops: {Type: CommaDelimitedList, Default: "north, south"}
  Unknown: {Type: CommaDelimitedList}
Globals:
  Function:
    CodeUri: src
    Handler: app.handler
    Runtime: python3.13
    Timeout: 60
    AutoPublishAlias: live
    AutoPublishAliasAllProperties: true
    LoggingConfig: {LogFormat: JSON}
Mappings:
  Stages:
    dev: {Seconds: 0, Runtime: python3.13}
    prod: {Seconds: 600, Runtime: python3.12}
Resources:
"""

WORKFLOW = """
from durable_execution_sdk import DurableContext, durable_execution

@durable_execution
async def handler(event: dict, ctx: DurableContext) -> int:
    return 1
"""


def write(
    place: Path, resources: str, code: Mapping[str, str | bytes] | None = None
) -> Application:
    """Write resources of a template below ``HEAD``, and files of code; return the application."""
    files = {
        "src/app.py": WORKFLOW,
        "src/requirements.txt": "durable-execution-sdk",
        **(code or {}),
    }
    for name, text in files.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    template = place / "template.yaml"
    template.write_text(HEAD + textwrap.indent(textwrap.dedent(resources), "  "))
    return Application(template)


def found(app: Application) -> list[tuple[str, str]]:
    """Return the codes and the messages of the findings."""
    return [(each.code, each.message) for each in examine(app)]


def codes(app: Application) -> list[str]:
    """Return the codes of the findings."""
    return [each.code for each in examine(app)]
