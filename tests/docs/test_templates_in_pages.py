"""The templates on the page about deployment are such as SAM, CloudFormation and CDK take."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.docs.tables import DOCS

from durable_execution_sdk.dev.discovery.cloudformation import read_tree

pytestmark = pytest.mark.aws

PAGE = (DOCS / "deploy.md").read_text(encoding="utf-8")
YAML, LINKED, NIGHTLY = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
(CDK,) = re.findall(r"```python\n(from aws_cdk .*?)```", PAGE, re.DOTALL)

DURABLE = {"ExecutionTimeout": 2678400, "RetentionPeriodInDays": 14}


def transformed(text: str, file: Path) -> dict[str, Any]:
    """Return what SAM's translator makes of a template."""
    from samtranslator.translator.transform import transform

    class Policies:
        def load(self) -> dict[str, str]:
            return {}

    file.write_text(text, encoding="utf-8")
    template = read_tree(file)
    # A local folder is uploaded by `sam package`, which puts its address in place of it.
    for resource in template["Resources"].values():
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
    resources: dict[str, Any] = transform(template, {}, Policies())["Resources"]
    return resources


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    [resource] = [part for part in resources.values() if part["Type"] == kind]
    return dict(resource)


def test_sam_gives_the_template_what_a_durable_function_needs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    resources = transformed(YAML, tmp_path / "template.yaml")
    assert of_type(resources, "AWS::Lambda::Function")["Properties"]["DurableConfig"] == DURABLE
    assert of_type(resources, "AWS::Lambda::Version")["DeletionPolicy"] == "Retain"
    assert of_type(resources, "AWS::Lambda::Alias")["Properties"]["Name"] == "live"
    role = json.dumps(of_type(resources, "AWS::IAM::Role"))
    assert "AWSLambdaBasicDurableExecutionRolePolicy" in role


def test_sam_names_the_address_and_the_role_as_durable_doctor_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    resources = transformed(LINKED, tmp_path / "template.yaml")
    assert resources["AnswerUrl"]["Type"] == "AWS::Lambda::Url"
    assert {"Approve", "ApproveAliaslive", "Answer", "AnswerRole"} <= resources.keys()


def test_sam_lets_the_schedule_call_the_small_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    resources = transformed(NIGHTLY, tmp_path / "template.yaml")
    target = of_type(resources, "AWS::Scheduler::Schedule")["Properties"]["Target"]
    assert target["Arn"] == {"Fn::GetAtt": ["StartEtl", "Arn"]}
    alone = NIGHTLY.replace(
        "    Properties:\n      Handler: app.start_etl\n",
        "    Properties:\n      Handler: app.start_etl\n      AutoPublishAlias: live\n",
    )
    assert alone != NIGHTLY
    resources = transformed(alone, tmp_path / "template.yaml")
    target = of_type(resources, "AWS::Scheduler::Schedule")["Properties"]["Target"]
    assert target["Arn"] == {"Ref": "StartEtlAliaslive"}


@pytest.mark.parametrize("text", [YAML, LINKED, NIGHTLY], ids=["order", "linked", "nightly"])
def test_cfn_lint_has_nothing_to_say(text: str, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "app.py").touch()
    program = Path(sys.executable).with_name("cfn-lint")
    command = [program, "--regions", "eu-west-1", "--", "template.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


# Not imported: it starts a process of node, and a thread that outlives the test.
@pytest.mark.skipif(
    importlib.util.find_spec("aws_cdk") is None or shutil.which("node") is None,
    reason="there is no aws-cdk-lib, or no node",
)
def test_cdk_keeps_the_versions(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "app.py").touch()
    script = CDK.replace("app = App()", f"app = App(outdir={str(tmp_path / 'out')!r})")
    assert script != CDK
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "out" / "shop.template.json").read_text())
    resources = template["Resources"]
    assert of_type(resources, "AWS::Lambda::Function")["Properties"]["DurableConfig"] == DURABLE
    assert of_type(resources, "AWS::Lambda::Version")["DeletionPolicy"] == "Retain"
    assert of_type(resources, "AWS::Lambda::Alias")["Properties"]["Name"] == "live"
