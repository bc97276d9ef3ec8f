"""Checks of the package: what pip, sam build and CDK leave, as a folder and as a zip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.command import Durable
from tests.doctor.packages import EXTENSION, PYC, WITH_A_TIME, make_package, zipped


def without_sdk(folder: Path) -> None:
    (folder / "durable_execution_sdk/__init__.py").unlink()


def other_python(folder: Path) -> None:
    (folder / EXTENSION).rename(folder / EXTENSION.replace("313", "312"))


def other_processor(folder: Path) -> None:
    (folder / EXTENSION).rename(folder / EXTENSION.replace("aarch64", "x86_64"))


def other_system(folder: Path) -> None:
    (folder / EXTENSION).rename(folder / "msgspec/_core.cpython-313-darwin.so")


def no_extension(folder: Path) -> None:
    (folder / EXTENSION).unlink()


def other_library(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib/fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")


def no_bytecode(folder: Path) -> None:
    (folder / PYC).unlink()


def timed_bytecode(folder: Path) -> None:
    (folder / PYC).write_bytes(WITH_A_TIME)


FAULTS: list[tuple[Callable[[Path], None], str, str]] = [
    (without_sdk, "DOC601", "has no durable_execution_sdk"),
    (other_python, "DOC603", "cpython-312-aarch64"),
    (other_processor, "DOC603", "cpython-313-x86_64"),
    (other_system, "DOC603", "darwin"),
    (no_extension, "DOC603", "has no msgspec for python3.13 on arm64"),
    (other_library, "DOC603", "lib/fast.cpython-311-x86_64-linux-gnu.so"),
    (no_bytecode, "DOC604", "has no bytecode of python3.13"),
    (timed_bytecode, "DOC604", "depends on the times"),
]
_IDS = [each[0].__name__ for each in FAULTS]


@pytest.mark.parametrize(("harm", "code", "words"), FAULTS, ids=_IDS)
@pytest.mark.parametrize("form", ["built by sam", "folder", "zip"])
def test_a_fault_of_a_package_for_sam(
    form: str, harm: Callable[[Path], None], code: str, words: str, durable: Durable, sam: Path
) -> None:
    folder = sam / (".aws-sam/build/ProcessOrder" if form == "built by sam" else "package")
    make_package(folder, sam / "src")
    arguments = () if form == "built by sam" else ("--package", "package")
    if form != "zip":
        assert durable("doctor", *arguments).out == "no mistakes found\n"
    harm(folder)
    if form == "zip":
        zipped(folder, sam / "package.zip")
        arguments = ("--package", "package.zip")
    output = durable("doctor", *arguments, "--json")
    line = (sam / "template.yaml").read_text().splitlines().index("    CodeUri: src/") + 1
    found = [
        (each["code"], each["line"], words in each["message"])
        for each in output.document["findings"]
    ]
    assert found == [(code, line, True)]


@pytest.mark.parametrize(("harm", "code", "words"), FAULTS, ids=_IDS)
def test_a_fault_of_an_asset_of_cdk(
    harm: Callable[[Path], None], code: str, words: str, durable: Durable, cdk: Path
) -> None:
    harm(cdk / "asset.orders")
    found = durable("doctor", "--json").document["findings"]
    assert [(each["code"], words in each["message"]) for each in found] == [(code, True)]
    text = (cdk / "orders.template.json").read_text().splitlines()
    assert '"Code": {' in text[found[0]["line"] - 1]


def test_an_extension_for_several_platforms_is_none_that_is_wrong(
    durable: Durable, cdk: Path
) -> None:
    (cdk / "asset.orders/msgspec/_core.cpython-312-x86_64-linux-gnu.so").write_bytes(b"")
    assert durable("doctor").out == "no mistakes found\n"


def test_the_code_of_libraries_in_a_package_is_no_workflow_code(
    durable: Durable, cdk: Path
) -> None:
    library = cdk / "asset.orders/durable_execution_sdk/__init__.py"
    library.write_text(
        "import time\nfrom durable_execution_sdk import DurableContext\n"
        "async def inner(ctx: DurableContext) -> float:\n    return time.time()\n"
    )
    assert durable("doctor").out == "no mistakes found\n"


@pytest.mark.parametrize("kind", ["makefile", "layer", "none", "own"])
def test_requirements_that_are_installed_otherwise(kind: str, durable: Durable, sam: Path) -> None:
    template, requirements = sam / "template.yaml", sam / "src/requirements.txt"
    text = template.read_text()
    requirements.write_text({"own": "./vendored/sdk.whl\n"}.get(kind, "boto3\n"))
    if kind == "none":
        requirements.unlink()
    if kind == "makefile":
        old = "    Type: AWS::Serverless::Function\n"
        text = text.replace(old, f"{old}    Metadata: {{BuildMethod: makefile}}\n")
    if kind == "layer":
        text = text.replace("    CodeUri: src/\n", "    CodeUri: src/\n    Layers: [arn]\n")
    template.write_text(text)
    codes = {each["code"] for each in durable("doctor", "--json").document["findings"]}
    assert codes == ({"DOC602"} if kind == "none" else set())


def test_a_zip_that_is_none(durable: Durable, sam: Path) -> None:
    (sam / "package.zip").write_text("no zip")
    output = durable("doctor", "--package", "package.zip")
    assert output.code == 2
    assert "package.zip" in output.err


def test_the_requirements_that_a_makefile_installs(durable: Durable, sam: Path) -> None:
    template = sam / "template.yaml"
    text = template.read_text()
    head = "Type: AWS::Serverless::Function\n"
    template.write_text(text.replace(head, f"{head}    Metadata: {{BuildMethod: makefile}}\n"))
    makefile = sam / "src" / "Makefile"
    makefile.write_text(
        "build-ProcessOrder:\n\tpip install -r requirements.txt -t $(ARTIFACTS_DIR)\n"
    )
    assert durable("doctor", "--json").document["findings"] == []
    (sam / "src" / "requirements.txt").write_text("boto3\n")
    output = durable("doctor", "--json")
    assert {each["code"] for each in output.document["findings"]} == {"DOC602"}
    makefile.write_text("build-ProcessOrder:\n\tcp -R wheels/* $(ARTIFACTS_DIR)\n")
    assert durable("doctor", "--json").document["findings"] == []


def test_a_folder_of_plain_cloudformation_with_requirements_is_built_by_sam(
    durable: Durable, place: Path
) -> None:
    (place / "src").mkdir()
    (place / "src" / "app.py").write_text(
        "from durable_execution_sdk import durable_execution\n\n@durable_execution\nasync def run(event, ctx):\n    pass\n"
    )
    (place / "src" / "requirements.txt").write_text("durable-execution-sdk\n")
    (place / "template.yaml").write_text(
        "Resources:\n  Run:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code: src\n      Handler: app.run\n"
        "      Runtime: python3.13\n      DurableConfig: {ExecutionTimeout: 60}\n"
    )
    codes = {each["code"] for each in durable("doctor", "--json").document["findings"]}
    assert not codes & {"DOC601", "DOC602"}
    (place / "src" / "requirements.txt").unlink()
    codes = {each["code"] for each in durable("doctor", "--json").document["findings"]}
    assert "DOC601" in codes


@pytest.mark.parametrize(
    ("requirements", "codes"),
    [
        ("durable-execution-sdk\n", {"DOC605"}),
        ("durable-execution-sdk[cli,pydantic-ai]>=0.2\n", set()),
        ("durable-execution-sdk[cli]\npydantic_ai-slim[openai]==2.68\n", set()),
        ("durable-execution-sdk\npydantic-ai-harness\n", {"DOC605"}),
        ("-r others.txt\n", set()),
    ],
)
def test_the_framework_of_an_adapter_is_required(
    requirements: str, codes: set[str], durable: Durable, sam: Path
) -> None:
    (sam / "src" / "requirements.txt").write_text(requirements)
    code = sam / "src" / "orders.py"
    line = "from durable_execution_sdk.agents.pydantic_ai import Durability\n"
    code.write_text(code.read_text().replace("import time\n", f"import time\n{line}", 1))
    found = durable("doctor", "--json").document["findings"]
    assert {each["code"] for each in found} == codes


def test_the_framework_of_an_adapter_is_in_the_package(durable: Durable, cdk: Path) -> None:
    code = cdk / "asset.orders/orders.py"
    line = "from durable_execution_sdk.agents.openai import DurableRunner\n"
    code.write_text(code.read_text().replace("import time\n", f"import time\n{line}", 1))
    found = durable("doctor", "--json").document["findings"]
    assert {each["code"] for each in found} == {"DOC605"}
    (cdk / "asset.orders/agents").mkdir()
    (cdk / "asset.orders/agents/__init__.py").touch()
    assert durable("doctor").out == "no mistakes found\n"
