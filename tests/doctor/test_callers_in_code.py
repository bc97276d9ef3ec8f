"""Callers of durable functions: starts in plain functions, rights by patterns of names, machines and documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doctor.findings import codes, found, write

ORDER = """
Order:
  Type: AWS::Serverless::Function
  Properties: {FunctionName: shop-order, DurableConfig: {ExecutionTimeout: 86400}}
"""
STARTER = f"""{ORDER}
Starter:
  Type: AWS::Serverless::Function
  Properties:
    CodeUri: starter
    Environment: {{Variables: {{ORDER: %s}}}}
    Policies: [{{LambdaInvokePolicy: {{FunctionName: !Ref Order}}}}]
"""
IMPORTS = """\
import os
import boto3
from durable_execution_sdk.client import DurableClient, FunctionRef, SyncDurableClient

"""
STARTS = {
    "client": """
client = SyncDurableClient()
def handler(event, context):
    client.start(os.environ["ORDER"], event)
""",
    "with": """
def handler(event, context):
    name = os.environ["ORDER"]
    with SyncDurableClient() as client:
        client.start(name, event, name="a")
""",
    "at once": """
def handler(event, context):
    SyncDurableClient("http://127.0.0.1:9014").start(function=os.environ["ORDER"], event=event)
""",
    "reference": """
ORDER = FunctionRef(os.environ["ORDER"], output=int)
async def start(client: DurableClient, event: dict) -> None:
    await client.start(ORDER, event)
def handler(event, context):
    start(DurableClient(), event)
""",
    "function": """
def client() -> SyncDurableClient:
    return CLIENT
def handler(event, context):
    client().start(os.environ["ORDER"], event)
""",
    "function without a type": """
def client():
    return SyncDurableClient()
def handler(event, context):
    client().start(os.environ["ORDER"], event)
""",
    "boto3": """
service = boto3.client("lambda")
def handler(event, context):
    service.invoke(FunctionName=os.getenv("ORDER"), InvocationType="Event")
""",
}


def starter(code: str) -> dict[str, str]:
    return {"starter/app.py": IMPORTS + code, "starter/requirements.txt": "durable-execution-sdk"}


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("value", ["!Ref Order", "!GetAtt Order.Arn", "!Sub '${Order}'"])
def test_a_start_of_an_unqualified_function_is_found(name: str, value: str, tmp_path: Path) -> None:
    app = write(tmp_path, STARTER % value, starter(STARTS[name]))
    assert codes(app) == ["DOC202"]


@pytest.mark.parametrize("name", STARTS)
def test_a_start_by_an_alias_is_right_and_takes_a_right(name: str, tmp_path: Path) -> None:
    template = STARTER % "!Ref Order.Alias"
    code = starter(STARTS[name])
    assert codes(write(tmp_path, template, code)) == []
    without = template.replace("    Policies: [{Lambda", "    Tags: [{Lambda")
    assert codes(write(tmp_path, without, code)) == ["DOC302"]
    unset = template.replace("ORDER:", "OTHER:")
    assert codes(write(tmp_path, unset, code)) == ["DOC203"]


@pytest.mark.parametrize(
    "code",
    [
        'boto3.client("lambda").invoke(FunctionName=os.environ["ORDER"], Qualifier="live")',
        'boto3.client("lambda").invoke(FunctionName=os.environ["ORDER"], **event)',
        'boto3.client("lambda", aws_access_key_id="a").invoke(FunctionName=os.environ["ORDER"])',
        'name = os.environ["ORDER"]; name += ":live"; SyncDurableClient().start(name, event)',
        'name = os.environ["ORDER"]\n    name = f"{name}:live"\n    SyncDurableClient().start(name, event)',
        'Thread(target=os.environ["ORDER"]).start(os.environ["ORDER"])',
    ],
)
def test_calls_that_may_be_right_are_left_alone(code: str, tmp_path: Path) -> None:
    code = f"def handler(event, context):\n    {code}\n"
    assert codes(write(tmp_path, STARTER % "!Ref Order", starter(code))) == []


def test_a_parameter_is_not_the_constant_of_its_name(tmp_path: Path) -> None:
    code = """
name = os.environ["ORDER"]
def handler(event, context):
    start(f"{name}:live")
def start(name: str) -> None:
    SyncDurableClient().start(name, {})
"""
    assert codes(write(tmp_path, STARTER % "!Ref Order", starter(code))) == []


@pytest.mark.parametrize("target", ["ORDER", "ORDER.name"])
def test_the_name_of_a_reference_is_its_function(target: str, tmp_path: Path) -> None:
    code = f"""
from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.client import FunctionRef
ORDER = FunctionRef(os.environ["ORDER"], output=int)
@durable_execution
async def handler(event: dict, ctx: DurableContext) -> int:
    return await ctx.invoke({target}, event)
"""
    template = (STARTER % "!Ref Order").replace(
        "    CodeUri: starter", "    CodeUri: starter\n    DurableConfig: {ExecutionTimeout: 86400}"
    )
    assert codes(write(tmp_path, template, starter(code))) == ["DOC202"]


def test_a_literal_target_of_a_start(tmp_path: Path) -> None:
    code = "def handler(event, context):\n    SyncDurableClient().start('{}', event)\n"
    template = STARTER % "a"
    assert codes(write(tmp_path, template, starter(code.format("shop-order")))) == ["DOC201"]
    assert codes(write(tmp_path, template, starter(code.format("shop-order:live")))) == []
    assert codes(write(tmp_path, template, starter(code.format("shop-order:next")))) == ["DOC208"]


def test_an_answer_to_a_callback_with_a_name(tmp_path: Path) -> None:
    code = """
def handler(event, context):
    callback = SyncDurableClient().callback(event["id"])
    if event["ok"]:
        callback.succeed(1)
    else:
        callback.fail()
    event.fail()
"""
    assert [message for code, message in found(write(tmp_path, STARTER % "a", starter(code)))] == [
        "Starter answers a callback, but its role does not allow lambda:SendDurableExecutionCallbackSuccess",
        "Starter answers a callback, but its role does not allow lambda:SendDurableExecutionCallbackFailure",
    ]


CALLER = f"""{ORDER}
Caller:
  Type: AWS::Serverless::Function
  Properties:
    CodeUri: starter
    DurableConfig: {{ExecutionTimeout: 86400}}
    Policies:
      - Statement:
          - Effect: Allow
            Action: lambda:InvokeFunction
            Resource: !Sub arn:aws:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:%s
"""


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("shop-*", []),
        ("shop-*:*", []),
        ("shop-order:*", []),
        ("shop-orde?:live", []),
        ("*", []),
        ("${AWS::StackName}-order:*", []),
        ("${Order}:*", []),
        ("store-*", ["DOC302"]),
        ("shop-orders:*", ["DOC302"]),
        ("${Caller}:*", ["DOC302"]),
    ],
)
def test_rights_by_patterns_of_names(resource: str, expected: list[str], tmp_path: Path) -> None:
    code = """
from durable_execution_sdk import DurableContext, durable_execution

@durable_execution
async def handler(event: dict, ctx: DurableContext) -> int:
    return await ctx.invoke("shop-order:live", event)
"""
    app = write(tmp_path, CALLER % resource, starter(code))
    assert [each for each in codes(app) if each != "DOC209"] == expected


ROLE = """
Order:
  Type: AWS::Serverless::Function
  Properties: {FunctionName: shop-order, DurableConfig: {ExecutionTimeout: 99}, Role: !GetAtt Role.Arn}
Other:
  Type: AWS::Serverless::Function
  Properties: {FunctionName: shop-other, DurableConfig: {ExecutionTimeout: 99}}
Role:
  Type: AWS::IAM::Role
  Properties:
    Policies:
      - PolicyDocument:
          Statement:
            - Effect: Allow
              Action: [lambda:CheckpointDurableExecution, lambda:GetDurableExecutionState]
              Resource: !Sub arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:%s
"""


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("shop-order:*", []),
        ("shop-*", []),
        ("${AWS::StackName}-*", []),
        ("shop-other:*", ["DOC301"]),
        ("store-*:*", ["DOC301"]),
    ],
)
def test_rights_to_checkpoint_are_those_on_the_function_itself(
    resource: str, expected: list[str], tmp_path: Path
) -> None:
    assert codes(write(tmp_path, ROLE % resource)) == expected


ARN, ALIAS = "!GetAtt Order.Arn", "!Ref Order.Alias"
CALLERS: dict[str, tuple[str, str, str]] = {
    "the definition of a machine": (
        "AWS::Serverless::StateMachine",
        "Definition: {States: {A: {Type: Task, Resource: %s, End: true}}}",
        ARN,
    ),
    "a branch of a machine": (
        "AWS::Serverless::StateMachine",
        "Definition: {States: {P: {Branches: [{States: {A: {Parameters: {FunctionName: %s}}}}]}}}",
        ARN,
    ),
    "a text with references": (
        "AWS::StepFunctions::StateMachine",
        """DefinitionString: !Sub '{"States": {"A": {"Type": "Task", "Resource": "%s"}}}'""",
        "${Order.Arn}",
    ),
    "a text as CDK writes it": (
        "AWS::StepFunctions::StateMachine",
        (
            """DefinitionString: !Join ["", ['{"A":{"Resource":"arn:', !Ref AWS::Partition, ':states:::lambda:invoke",'"""
            """, '"Parameters":{"FunctionName":"', %s, '"}}}']]"""
        ),
        ARN,
    ),
    "a custom resource": ("Custom::Stock", "ServiceToken: %s", ARN),
    "a document of OpenAPI": (
        "AWS::Serverless::Api",
        (
            "DefinitionBody: {paths: {/a: {post: {x-amazon-apigateway-integration: {uri: !Sub"
            " 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/%s/invocations'}}}}}"
        ),
        "${Order.Arn}",
    ),
    "the body of an API": (
        "AWS::ApiGatewayV2::Api",
        "Body: {paths: {/a: {post: {x-amazon-apigateway-integration: {uri: %s}}}}}",
        ARN,
    ),
}


@pytest.mark.parametrize("kind", CALLERS)
def test_an_unqualified_target(kind: str, tmp_path: Path) -> None:
    of_type, properties, unqualified = CALLERS[kind]
    qualified = ALIAS if unqualified == ARN else f"{unqualified}:live"
    for target, expected in ((unqualified, ["DOC204"]), (qualified, [])):
        caller = f"Caller: {{Type: '{of_type}', Properties: {{{properties % target}}}}}"
        assert codes(write(tmp_path, f"{ORDER}{caller}")) == expected


def test_a_qualifier_beside_the_name_of_a_state_is_right(tmp_path: Path) -> None:
    state = "{FunctionName: !GetAtt Order.Arn, Qualifier: live}"
    definition = f"{{States: {{A: {{Parameters: {state}}}}}}}"
    machine = (
        f"\nM: {{Type: AWS::Serverless::StateMachine, Properties: {{Definition: {definition}}}}}\n"
    )
    assert codes(write(tmp_path, ORDER + machine)) == []
