"""Circles between the resources of a template are found, and references that close none are let be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.command import Durable

# An execution that mails links to a site, which may answer its callbacks.
APPROVALS = """Transform: AWS::Serverless-2016-10-31
Resources:
  Approve:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          SITE: {site}
  Answer:
    Type: AWS::Serverless::Function
    Properties:
      FunctionUrlConfig: {{AuthType: NONE}}
      Policies:
        - Statement:
            Effect: Allow
            Action: lambda:SendDurableExecutionCallbackSuccess
            Resource: !Sub {workflow}:*
"""
BY_NAME = "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-approve"

_FUNCTION = "Resources:\n  A:\n    Type: AWS::Serverless::Function\n    Properties:\n"
_QUEUES = "Resources:\n  A: {Type: AWS::SQS::Queue, %s}\n  B: {Type: AWS::SQS::Queue, %s}\n"


def circles(durable: Durable, text: str) -> list[tuple[int, str]]:
    """Write the template, and return the lines of circles and their resources."""
    Path("template.yaml").write_text(text)
    found = durable("doctor", "--json").document["findings"]
    return [
        (each["line"], each["message"].partition(": ")[2])
        for each in found
        if each["code"] == "DOC209"
    ]


@pytest.mark.usefixtures("place")
def test_a_link_and_a_right_to_answer_close_a_circle(durable: Durable) -> None:
    text = APPROVALS.format(site="!GetAtt AnswerUrl.FunctionUrl", workflow="${Approve.Arn}")
    assert circles(durable, text) == [(8, "Approve, AnswerUrl, Answer, AnswerRole, Approve")]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("site", "workflow"),
    [("!GetAtt AnswerUrl.FunctionUrl", BY_NAME), ("https://example.com", "${Approve.Arn}")],
)
def test_a_name_in_place_of_one_reference_opens_it(
    site: str, workflow: str, durable: Durable
) -> None:
    assert circles(durable, APPROVALS.format(site=site, workflow=workflow)) == []


CLOSED = {
    "itself": (_QUEUES % ("Properties: {Tags: !Ref A}", "Properties: {}"), 2, "A, A"),
    "attribute": (_QUEUES % ("Properties: {P: !GetAtt B.Arn}", "DependsOn: A"), 2, "A, B, A"),
    "list of DependsOn": (_QUEUES % ("DependsOn: [B]", "DependsOn: [A, X]"), 2, "A, B, A"),
    "variable of Sub": (
        _QUEUES % ("Properties: {P: !Sub ['${x}', {x: !Ref B}]}", "DependsOn: A"),
        2,
        "A, B, A",
    ),
    "both branches": (
        _QUEUES % ("Properties: {P: !If [C, !Ref B, !Sub 'x${B}']}", "DependsOn: A"),
        2,
        "A, B, A",
    ),
    "own policy": (
        f"{_FUNCTION}      Policies:\n        - Resource: !GetAtt A.Arn\n",
        6,
        "ARole, A, ARole",
    ),
    "own alias": (
        f"{_FUNCTION}      AutoPublishAlias: live\n      Description: !Ref A.Alias\n",
        6,
        "A, AAliaslive, AVersion, A",
    ),
    "bucket of an event": (
        (
            f"{_FUNCTION}      Policies:\n        - S3ReadPolicy: {{BucketName: !Ref B}}\n"
            "      Events:\n        New: {Type: S3, Properties: {Bucket: !Ref B}}\n"
            "  B: {Type: AWS::S3::Bucket}\n"
        ),
        6,
        "ARole, B, A, ARole",
    ),
    "address of its own API": (
        (
            f"{_FUNCTION}      Description: !Sub https://${{ServerlessHttpApi}}.example\n"
            "      Events:\n        Ask: {Type: HttpApi, Properties: {Path: /a}}\n"
        ),
        5,
        "A, ServerlessHttpApi, A",
    ),
}


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", CLOSED)
def test_a_circle(name: str, durable: Durable) -> None:
    text, line, resources = CLOSED[name]
    assert circles(durable, text) == [(line, resources)]


OPEN = {
    "a line": _QUEUES % ("DependsOn: B", "Properties: {P: !Ref Parameter}"),
    "one branch": _QUEUES % ("Properties: {P: !If [C, !Ref B, x]}", "DependsOn: A"),
    "a variable with the name of a resource": _QUEUES
    % ("Properties: {P: !Sub ['${B}', {B: x}]}", "DependsOn: A"),
    "a text that looks like a variable": _QUEUES
    % ("Properties: {P: !Sub '${!B}'}", "DependsOn: A"),
    "policies that a role of one's own makes void": (
        f"{_FUNCTION}      Role: !ImportValue role\n      Policies: [!GetAtt A.Arn]\n"
    ),
    "an API with a document of its own": (
        f"{_FUNCTION}      Description: !Ref Gate\n"
        "      Events:\n        Ask: {Type: HttpApi, Properties: {Path: /a, Method: get, ApiId: !Ref Gate}}\n"
        "  Gate: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionUri: api.yaml}}\n"
    ),
    "a queue of an event": (
        f"{_FUNCTION}      Policies: [!GetAtt Q.Arn]\n"
        "      Events:\n        New: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}\n"
        "  Q: {Type: AWS::SQS::Queue}\n"
    ),
}


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", OPEN)
def test_no_circle(name: str, durable: Durable) -> None:
    assert circles(durable, OPEN[name]) == []


@pytest.mark.usefixtures("place")
def test_each_circle_is_told_once(durable: Durable) -> None:
    text = _QUEUES % ("DependsOn: [A, B]", "DependsOn: A")
    assert sorted(names for _, names in circles(durable, text)) == ["A, A", "A, B, A"]


PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_templates_of_the_page_about_deployment_have_no_mistakes(
    text: str, durable: Durable
) -> None:
    Path("template.yaml").write_text(text)
    assert durable("doctor", "--json").document["findings"] == []


@pytest.mark.usefixtures("place")
def test_the_reference_that_the_page_warns_of_closes_a_circle(durable: Durable) -> None:
    [text] = [each for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "SITE" in each]
    text = re.sub("!Sub arn:.*", "!Sub ${Approve.Arn}:*", text)
    assert [names for _, names in circles(durable, text)] == [
        "Approve, AnswerUrl, Answer, AnswerRole, Approve"
    ]
