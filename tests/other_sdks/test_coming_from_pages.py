"""The pages for users of other SDKs tell the truth about these: names that they give, and code before and after.

Run by ``make test-emulator``, which has environments with these SDKs; ``make test`` leaves it out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.docs.page_modules import module_of
from tests.docs.tables import DOCS

from durable_execution_sdk.testing import LocalDurableTestRunner

pytestmark = pytest.mark.skipif(
    "OTHER_SDK_PYTHON_AWS" not in os.environ, reason="run by make test-emulator"
)

# Each program prints, of the page's code, what it records: names, types and ids, and then its result.
RUN_AWS = """
import json, warnings
warnings.simplefilter("ignore")
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner
with DurableFunctionTestRunner(handler=handler) as runner:
    result = runner.run(input=json.dumps({"id": "A-1", "amount": 20}))
records = [[each.name, each.operation_type.value, each.operation_id] for each in result.operations]
print(json.dumps([records, json.loads(result.result)]))
"""
RUN_FORK = """
import asyncio, json
from async_durable_execution import create_local_runner
async def main():
    event = {"id": "A-1", "amount": 20}
    async with create_local_runner(handler=handler, input=event, timeout=10) as runner:
        result = await runner.run()
    records = [[each.name, each.operation_type.value, each.operation_id] for each in result.operations]
    print(json.dumps([records, json.loads(result.result)]))
asyncio.run(main())
"""
# Looks each name up in the modules of an SDK, and prints those that are nowhere.
FIND = """
import importlib, inspect, json, pkgutil, sys, warnings
warnings.simplefilter("ignore")
packages, names = json.load(sys.stdin)
modules = []
for package in map(importlib.import_module, packages):
    modules.append(package)
    if packages == ["async_durable_execution"]:
        continue  # its face is all that is public
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".web" not in each.name and ".cli" not in each.name:
            modules.append(importlib.import_module(each.name))
missing = []
for name, options in names:
    first, _, rest = name.partition(".")
    found = [getattr(module, first) for module in modules if hasattr(module, first)]
    if rest:
        found = [getattr(each, rest) for each in found if hasattr(each, rest)]
    if options:
        found = [each for each in found if set(options) <= set(inspect.signature(each).parameters)]
    if not found:
        missing.append([name, options])
print(json.dumps(missing))
"""

# Prints the classes and functions that users of an SDK import.
FACE = """
import importlib, inspect, json, sys, warnings
warnings.simplefilter("ignore")
names = set()
for module in map(importlib.import_module, json.load(sys.stdin)):
    for name, value in vars(module).items():
        is_ours = getattr(value, "__module__", "").startswith(module.__name__.partition(".")[0])
        if name[0] != "_" and is_ours and (inspect.isclass(value) or inspect.isfunction(value)):
            names.add(name)
print(json.dumps(sorted(names)))
"""


class OtherSdk(NamedTuple):
    """An SDK with a page: its packages, the Python that has it, and the program that runs code of it."""

    page: str
    packages: list[str]
    variable: str
    mark: str
    program: str

    def run(self, program: str, stdin: str = "") -> Any:
        """Run a program in the SDK's environment, and return the JSON that it prints."""
        python = os.environ[self.variable]
        ran = subprocess.run(
            [python, "-c", program], input=stdin, capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])


SDKS = [
    OtherSdk(
        "coming-from/aws-python-sdk.md",
        ["aws_durable_execution_sdk_python", "aws_durable_execution_sdk_python_testing"],
        "OTHER_SDK_PYTHON_AWS",
        "aws",
        RUN_AWS,
    ),
    OtherSdk(
        "coming-from/community-fork.md",
        ["async_durable_execution"],
        "OTHER_SDK_PYTHON_FORK",
        "fork",
        RUN_FORK,
    ),
]
each_sdk = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.mark)


def names_of(page: str) -> list[tuple[str, list[str]]]:
    """Return the names in the first columns of the page's tables, each with the options that it is given."""
    text = (DOCS / page).read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    names = []
    for code in (code for cell in cells for code in re.findall(r"`@?([^`]+)`", cell)):
        called = re.match(r"([A-Za-z_]+(?:\.[a-z_]+)?)(.*)", code)
        assert called is not None, code
        if called[1] in {"submitter", "check", "func", "result", "run"}:
            continue  # functions of the user, and methods that are told with their class
        names.append((called[1], re.findall(r"(\w+)=[,)]", called[2])))
    return names


@each_sdk
def test_the_names_of_the_other_sdk_exist(sdk: OtherSdk) -> None:
    names = names_of(sdk.page)
    assert len(names) > 20
    assert sdk.run(FIND, json.dumps([sdk.packages, names])) == []


@each_sdk
def test_the_code_before_records_what_the_code_after_does(
    sdk: OtherSdk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (DOCS / sdk.page).read_text(encoding="utf-8")
    [before] = re.findall(rf"```python {sdk.mark}\n(.*?)```", text, re.DOTALL)
    (tmp_path / "app.py").write_text(before, encoding="utf-8")
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from app import handler\n"
    after = module_of(sdk.page, monkeypatch).handler
    ours = LocalDurableTestRunner(after).run_sync({"id": "A-1", "amount": 20})
    records = [[each.name, each.type, each.id] for each in ours.operations]
    assert sdk.run(start + sdk.program) == [records, ours.result]


def test_each_name_of_the_face_of_aws_sdk_is_on_its_page() -> None:
    sdk = SDKS[0]
    text = (DOCS / sdk.page).read_text(encoding="utf-8")
    faces = [sdk.packages[0], f"{sdk.packages[0]}.config"]
    names = sdk.run(FACE, json.dumps(faces))
    assert len(names) > 30
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []
