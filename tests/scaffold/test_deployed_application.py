"""The application of ``durable init``, from the built wheel in an empty environment to its templates."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.process import Running, running

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.registry import examine

pytestmark = pytest.mark.aws

TOOLS = ["sam", "cdk"]
MANAGED = "service-role/AWSLambdaBasicDurableExecutionRolePolicy"


@pytest.fixture(scope="module")
def wheel() -> Path:
    if "DURABLE_WHEEL" not in os.environ:
        pytest.skip("DURABLE_WHEEL names no wheel: tools/groups/aws builds it")
    return Path(os.environ["DURABLE_WHEEL"])


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make an environment that holds nothing but pip, and let pip find the wheel as if it were published."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    constraint = folder / "constraint.txt"
    constraint.write_text(f"durable-execution-sdk=={wheel.name.split('-')[1]}\n")
    # Makefile and infra/package.py ask for the Python of the function; any can build a package.
    python = folder / "bin" / "python3.13"
    if not python.exists():
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
        patch.setenv("PIP_CONSTRAINT", str(constraint))
        patch.setenv("PIP_FIND_LINKS", str(wheel.parent))
        patch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        patch.setenv("VIRTUAL_ENV", str(folder))
        patch.delenv("PYTHONPATH", raising=False)
        sh(folder, "pip install --quiet 'durable-execution-sdk[cli]'")
        yield folder / "bin"


@pytest.fixture(scope="module")
def applications(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Let the installed command write the applications."""
    folder = tmp_path_factory.mktemp("work")
    for tool in TOOLS:
        sh(folder, f"durable init {tool} --name my-shop --with {tool}")
    return {tool: folder / tool for tool in TOOLS}


@pytest.fixture(scope="module")
def sam(applications: dict[str, Path]) -> Path:
    """Return the application with its packages installed, as its README has it."""
    [install] = [line for line in shell_lines(applications["sam"]) if line.startswith("pip ")]
    sh(applications["sam"], install)
    return applications["sam"]


@pytest.fixture(params=TOOLS)
def application(request: pytest.FixtureRequest, sam: Path, applications: dict[str, Path]) -> Path:
    """Return each application. Their code is the same, so the packages are those of the first."""
    return sam if request.param == "sam" else applications[request.param]


def sh(folder: Path, line: str) -> str:
    """Run a line of a shell, and return what it wrote to standard output."""
    ran = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


def shell_lines(application: Path) -> list[str]:
    """List the commands of the README."""
    text = (application / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return "".join(blocks).replace("\\\n", "").splitlines()


def test_the_application_passes_every_step_of_its_ci(application: Path) -> None:
    workflow = yaml.safe_load((application / ".github/workflows/tests.yml").read_text("utf-8"))
    lines = [step["run"] for step in workflow["jobs"]["tests"]["steps"] if "run" in step]
    assert [shlex.split(line)[0] for line in lines] == [
        *("pip", "ruff", "mypy", "durable", "pytest", "durable"),
    ]
    if application.name == "cdk":
        del lines[0]  # Its packages are there, and the first application's own has to stay.
    for line in lines:
        sh(application, line)


@pytest.fixture
def served(
    application: Path, programs: Path
) -> Iterator[Callable[..., AbstractContextManager[Running]]]:
    """Run `durable dev` for the application, and give other commands beside it."""
    command = partial(running, application, python=str(programs / "python"))
    with command("dev", "--port", "0") as server:
        server.until("durable dev listens at")
        yield command
        server.interrupt()
        assert server.end() == 0


def test_an_order_is_approved_as_the_readme_tells(
    application: Path, served: Callable[..., AbstractContextManager[Running]]
) -> None:
    dev, start, listing, answer, show = [
        line for line in shell_lines(application) if line.startswith("durable ")
    ][:5]
    assert dev == "durable dev"
    with served(*shlex.split(start)[1:], "--follow") as order:
        order.until("approval")
        assert "order-2041/approval" in sh(application, listing)
        sh(application, answer)
        assert "SUCCEEDED" in sh(application, show)
        assert order.end() == 0
        readme = " ".join((application / "README.md").read_text("utf-8").split())
        [replay] = re.findall(r"`(SHIP_ORDER=[^`]*)`", readme)
        (application / "tests/dev").mkdir()
        sh(application, "durable history order-2041 --json > tests/dev/order-2041.json")
        sh(application, replay)


def test_an_order_is_declined_by_the_function_behind_the_url(
    application: Path, served: Callable[..., AbstractContextManager[Running]]
) -> None:
    event = ("--input", "@events/large-order.json")
    with served("start", "ProcessOrder:live", *event, "--name", "two", "--follow") as order:
        order.until("approval")
        [callback] = json.loads(sh(application, "durable callback list --json"))
        body = {"callback_id": callback["callback_id"], "approved": False, "by": "Ada"}
        request = shlex.quote(json.dumps({"body": json.dumps(body)}))
        answer = f"durable start AnswerApproval --input {request}"
        assert json.loads(sh(application, answer))["statusCode"] == 200
        assert order.end() == 0
        assert (
            json.loads(sh(application, "durable show two --json"))["result"]["status"] == "declined"
        )
        assert json.loads(sh(application, answer))["statusCode"] == 409


def test_the_template_passes_cfn_lint(applications: dict[str, Path]) -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    assert sh(applications["sam"], f"{program} template.yaml") == ""


def transformed(application: Path, **properties: object) -> dict[str, Any]:
    """Transform the template as CloudFormation does, with other properties of all functions."""
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.yaml_helper import yaml_parse

    tree = yaml_parse((application / "template.yaml").read_text("utf-8"))
    # The place of the package after `sam deploy` has sent it there.
    tree["Globals"]["Function"] |= {"CodeUri": "s3://bucket/package", **properties}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        stack: dict[str, Any] = Translator({}, Parser()).translate(tree, {})
    return stack


def test_the_template_becomes_what_open_executions_need(applications: dict[str, Path]) -> None:
    check_stack(transformed(applications["sam"]))


@pytest.mark.parametrize("changes", [{"CodeUri": "s3://bucket/other"}, {"MemorySize": 1024}])
def test_a_change_of_code_or_properties_publishes_new_versions(
    applications: dict[str, Path], changes: dict[str, object]
) -> None:
    def versions(**changes: object) -> set[str]:
        resources = transformed(applications["sam"], **changes)["Resources"]
        return {name for name, each in resources.items() if each["Type"] == "AWS::Lambda::Version"}

    assert len(versions()) == len(versions(**changes)) == 2
    assert versions() == versions()
    assert not versions() & versions(**changes)


def test_the_makefile_packs_wheels_of_the_platform_and_their_bytecode(
    applications: dict[str, Path], tmp_path: Path
) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make")
    for name in ("ProcessOrder", "ShipOrder", "AnswerApproval"):
        target = tmp_path / name
        target.mkdir()
        sh(applications["sam"] / "src", f"make build-{name} ARTIFACTS_DIR={target}")
        check_package(target)


def test_cdk_makes_the_same_stack(applications: dict[str, Path], programs: Path) -> None:
    if "DURABLE_CDK" not in os.environ:
        pytest.skip("DURABLE_CDK names no command: tools/groups/aws gets it")
    folder = applications["cdk"]
    # The command of cdk.json is python3, in whose environment the constructs are.
    python = Path(sys.executable).parent
    command = shlex.quote(os.environ["DURABLE_CDK"])
    sh(folder, f"PATH={python}:$PATH node {command} synth --quiet --no-notices")
    stack = json.loads((folder / "cdk.out/my-shop.template.json").read_text("utf-8"))
    check_stack(stack)
    [package] = [path for path in (folder / "cdk.out").glob("asset.*") if path.is_dir()]
    check_package(package)
    found = examine(Application(folder / "cdk.out/my-shop.template.json"))
    # The package is for the Python that runs the tests, which may be none that Lambda runs.
    assert [each for each in found if not each.code.startswith("DOC6")] == []


def check_package(folder: Path) -> None:
    """Check for the code, wheels of arm64, and bytecode that stays valid."""
    assert (folder / "orders/app.py").exists()
    [binary] = (folder / "msgspec").glob("*.so")
    assert "aarch64" in binary.name
    sources = [path for path in folder.rglob("*.py") if "node_modules" not in path.parts]
    for source in sources:
        compiled = list((source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc"))
        assert len(compiled) == 1, source
        # PEP 552: 1 in the second word says that a hash is in the file, without 2 it is not checked.
        assert compiled[0].read_bytes()[4:8] == b"\1\0\0\0", source


def check_stack(template: dict[str, Any]) -> None:
    """Check the resources for all that open executions and their callers need."""
    resources: dict[str, dict[str, Any]] = template["Resources"]

    def of(kind: str) -> dict[str, dict[str, Any]]:
        return {name: each for name, each in resources.items() if each["Type"] == kind}

    functions = {
        each["Properties"]["Handler"].rpartition(".")[2]: (name, each["Properties"])
        for name, each in of("AWS::Lambda::Function").items()
    }
    assert functions.keys() == {"process_order", "ship_order", "answer_approval"}
    for _, properties in functions.values():
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["arm64"]
        assert properties["TracingConfig"] == {"Mode": "Active"}
        assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    check_durable(of, functions)
    check_permissions(of, functions)
    process_order = functions["process_order"][0]
    [group] = of("AWS::Logs::LogGroup").values()
    assert group["Properties"]["RetentionInDays"] == 30
    [url] = of("AWS::Lambda::Url").values()
    assert url["Properties"]["AuthType"] == "AWS_IAM"
    assert functions["answer_approval"][0] in json.dumps(url["Properties"]["TargetFunctionArn"])
    alarms = [each["Properties"] for each in of("AWS::CloudWatch::Alarm").values()]
    assert {each["MetricName"] for each in alarms} == {
        *("DurableExecutionFailed", "DurableExecutionTimedOut"),
    }
    [topic] = of("AWS::SNS::Topic")
    for alarm in alarms:
        assert alarm["Namespace"] == "AWS/Lambda"
        assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": process_order}}]
        assert alarm["AlarmActions"] == [{"Ref": topic}]


def check_durable(of: Any, functions: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Check that durable functions, and no others, have a configuration and retained versions."""
    for attribute in ("process_order", "ship_order"):
        name, properties = functions[attribute]
        config = properties["DurableConfig"]
        assert 1 <= config["ExecutionTimeout"] <= 31_622_400
        assert 1 <= config["RetentionPeriodInDays"] <= 90
        [version] = [
            (logical_id, each)
            for logical_id, each in of("AWS::Lambda::Version").items()
            if each["Properties"]["FunctionName"] == {"Ref": name}
        ]
        assert version[1]["DeletionPolicy"] == "Retain"
        [alias] = [
            each["Properties"]
            for each in of("AWS::Lambda::Alias").values()
            if each["Properties"]["FunctionName"] == {"Ref": name}
        ]
        assert alias["Name"] == "live"
        assert alias["FunctionVersion"] == {"Fn::GetAtt": [version[0], "Version"]}
    assert "DurableConfig" not in functions["answer_approval"][1]


def check_permissions(of: Any, functions: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Check what each role may do, beside traces: neither less nor more than the code asks for."""
    allowed: dict[str, list[tuple[str, str]]] = {}
    for attribute, (_, properties) in functions.items():
        role_name = properties["Role"]["Fn::GetAtt"][0]
        role = of("AWS::IAM::Role")[role_name]["Properties"]
        managed = json.dumps(role["ManagedPolicyArns"])
        assert (MANAGED in managed) is (attribute != "answer_approval")
        documents = [policy["PolicyDocument"] for policy in role.get("Policies", [])] + [
            policy["Properties"]["PolicyDocument"]
            for policy in of("AWS::IAM::Policy").values()
            if {"Ref": role_name} in policy["Properties"]["Roles"]
        ]
        allowed[attribute] = [
            (statement["Action"], json.dumps(statement["Resource"]))
            for document in documents
            for statement in document["Statement"]
            if "xray:PutTraceSegments" not in statement["Action"]
        ]
    [alias] = [
        name
        for name, each in of("AWS::Lambda::Alias").items()
        if each["Properties"]["FunctionName"] == {"Ref": functions["ship_order"][0]}
    ]
    target = {"Ref": alias}
    assert allowed["process_order"] == [("lambda:InvokeFunction", json.dumps(target))]
    variables = functions["process_order"][1]["Environment"]["Variables"]
    assert variables == {"SHIP_ORDER": target}
    assert allowed["ship_order"] == []
    [(action, resource)] = allowed["answer_approval"]
    assert action == "lambda:SendDurableExecutionCallbackSuccess"
    assert functions["process_order"][0] in resource
    assert ":*" in resource
