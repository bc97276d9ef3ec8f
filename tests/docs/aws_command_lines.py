"""Read the lines of pages that call AWS's command, and check them against botocore's models."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.validate import ParamValidator
from tests.docs.tables import DOCS

SESSION = botocore.session.get_session()
# Options of the command itself, each with a value.
OWN = ("--cli-binary-format", "--query", "--output", "--region", "--profile")


def lines_of(page: str) -> list[str]:
    """Return the lines of the page's blocks of shell that call AWS's command."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    lines = (line.partition("  #")[0].strip() for line in blocks.splitlines())
    return [line for line in lines if line.startswith("aws ")]


def check(line: str) -> None:
    """Raise ``AssertionError`` or ``ArgumentError`` unless the operation exists and takes these parameters."""
    _, service, command, *words = shlex.split(line)
    model = SESSION.get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert command in names, f"{service} has no {command}"
    shape = model.operation_model(names[command]).input_shape
    options = {xform_name(name, "-"): name for name in shape.members}
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("output", nargs="?")
    for option in OWN:
        parser.add_argument(option)
    for option, name in options.items():
        member = shape.members[name]
        if member.type_name == "boolean":
            parser.add_argument(f"--{option}", dest=name, action="store_true", default=None)
            parser.add_argument(f"--no-{option}", dest=name, action="store_false")
        else:
            parser.add_argument(
                f"--{option}", dest=name, nargs="+" if member.type_name == "list" else None
            )
    parsed, unknown = parser.parse_known_args(words)
    assert not unknown, f"{service} {command} does not take {unknown}"
    arguments = vars(parsed)
    given = {
        name: value_of(shape.members[name], value)
        for name, value in arguments.items()
        if name in shape.members and value is not None
    }
    report = ParamValidator().validate(given, shape)
    assert not report.has_errors(), f"{line}: {report.generate_report()}"


def value_of(shape: Any, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return json.loads(value)
        case "integer" | "long":
            return int(value)
        case "list":
            return [
                json.loads(part) if shape.member.type_name == "structure" else part
                for part in value
            ]
    return value
