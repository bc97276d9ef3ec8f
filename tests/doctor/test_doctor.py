"""``durable doctor`` finds each planted mistake, at its line and nothing else, and none in good applications."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import CommandOutput, Durable
from tests.doctor.mistakes import CDK, IN_CDK, IN_INIT, IN_SAM, Mistake

from durable_execution_sdk.dev.discovery.cloudformation import Template
from durable_execution_sdk.doctor.registry import APPLICATION_CHECKS, DEPLOYMENT_CHECKS


def places(output: CommandOutput) -> list[tuple[Any, ...]]:
    return [(each["file"], each["line"], each["code"]) for each in output.document["findings"]]


def test_a_good_application_for_sam_has_no_findings(durable: Durable, sam: Path) -> None:
    output = durable("doctor")
    assert (output.code, output.out, output.err) == (0, "no mistakes found\n", "")


def test_the_application_of_durable_init_has_no_findings(durable: Durable, place: Path) -> None:
    assert durable("init", "shop").code == 0
    output = durable("doctor", "shop")
    assert (output.code, output.out, output.err) == (0, "no mistakes found\n", "")


def test_a_good_application_of_cdk_has_no_findings(durable: Durable, cdk: Path) -> None:
    for words in (), ("cdk.out",), (CDK,):
        output = durable("doctor", *words)
        assert (output.code, output.out, output.err) == (0, "no mistakes found\n", "")


@pytest.mark.parametrize("name", IN_SAM)
def test_a_mistake_in_an_application_for_sam(name: str, durable: Durable, sam: Path) -> None:
    check_found(IN_SAM[name], durable, sam)


@pytest.mark.parametrize("name", IN_CDK)
def test_a_mistake_in_an_application_of_cdk(name: str, durable: Durable, cdk: Path) -> None:
    check_found(IN_CDK[name], durable, cdk.parent)


@pytest.mark.parametrize("name", IN_INIT)
def test_a_mistake_in_the_application_of_durable_init(
    name: str, durable: Durable, place: Path
) -> None:
    assert durable("init").code == 0
    check_found(IN_INIT[name], durable, place)


def check_found(mistake: Mistake, durable: Durable, root: Path) -> None:
    """Plant a mistake, and expect it alone, with an exit code by its level."""
    expected = mistake.plant(root)
    output = durable("doctor", "--json")
    own = [each for each in output.document["findings"] if each["code"] == mistake.code]
    assert expected in places(output)
    assert {each["code"] for each in output.document["findings"]} == {mistake.code}
    assert all(each["reason"] and each["fix"] for each in own)
    is_error = own[0]["level"] == "error"
    assert output.code == (1 if is_error else 0)


def test_text_has_the_place_the_reason_and_the_fix(durable: Durable, sam: Path) -> None:
    file, line, code = IN_SAM["runtime"].plant(sam)
    output = durable("doctor")
    assert output.code == 1
    first = output.out.splitlines()[0]
    assert first.startswith(
        f"{file}:{line}: error {code} ProcessOrder has the runtime python3.12: "
    )
    assert first.endswith("; set Runtime to python3.13, and build the package with that Python")


def test_every_check_of_the_application_has_a_planted_mistake_somewhere_in_the_tests() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("*.py"))
    codes = [each.code for each in (*APPLICATION_CHECKS, *DEPLOYMENT_CHECKS)]
    assert len(codes) == len(set(codes))
    assert [code for code in codes if f'"{code}"' not in tests] == []


def test_the_page_describes_every_check() -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    described = re.findall(r"^\| (DOC\d+) \| (\w+) \|", page, re.MULTILINE)
    assert described == [
        (each.code, str(each.level)) for each in (*APPLICATION_CHECKS, *DEPLOYMENT_CHECKS)
    ]


def test_events_of_a_function_without_an_alias(durable: Durable, sam: Path) -> None:
    template = sam / "template.yaml"
    text = template.read_text()
    alias = "      AutoPublishAlias: live\n      AutoPublishAliasAllProperties: true\n"
    head, _, tail = text.partition("  Quick:")
    template.write_text(f"{head}  Quick:{tail.replace(alias, '', 1)}")
    output = durable("doctor", "--json")
    assert [each["code"] for each in output.document["findings"]] == ["DOC502", "DOC204"]
    assert "the event Ask invokes Quick without" in output.document["findings"][1]["message"]


def test_the_code_of_a_missing_folder_is_said_to_be_left_out(durable: Durable, sam: Path) -> None:
    (sam / "src").rename(sam / "elsewhere")
    output = durable("doctor")
    assert output.code == 0
    assert "template.yaml: no code of ProcessOrder is found" in output.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no template is here"),
        (("absent.yaml",), "absent.yaml: no such file or folder"),
        (("broken.yaml",), "is not YAML"),
        (("other.yaml",), "is not a template of CloudFormation or SAM"),
        (("latin.yaml",), "cannot be read"),
        (("deep.yaml",), "nested too deeply"),
        (("rather-deep.yaml",), "nested too deeply"),
        (("circle.yaml",), "has itself as a part"),
        (("empty",), "empty has no template"),
        (("fine.yaml", "--package", "absent"), "--package absent: no such file or folder"),
        (("fine.yaml", "--region", "eu-west-1"), "add --function NAME"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], message: str, durable: Durable, place: Path) -> None:
    (place / "broken.yaml").write_text("Resources: {")
    (place / "other.yaml").write_text("a: b")
    (place / "latin.yaml").write_bytes(b"Resources: \xe9")
    (place / "deep.yaml").write_text("Resources: " + "[" * 3_000 + "]" * 3_000)
    (place / "rather-deep.yaml").write_text("Resources: " + "[" * 900 + "]" * 900)
    circle = "Resources: {A: {Type: AWS::Lambda::Permission, Properties: {FunctionName: &a {Fn::Join: [x, [*a]]}}}}"
    (place / "circle.yaml").write_text(circle)
    (place / "fine.yaml").write_text("Resources: {}")
    (place / "empty").mkdir()
    output = durable("doctor", *words)
    assert output.code == 2
    assert message in output.err


def test_json_with_tabs_has_its_lines(durable: Durable, cdk: Path) -> None:
    template = cdk / "orders.template.json"
    text = template.read_text().replace("    ", "\t").replace('"python3.13"', '"python3.9"')
    template.write_text(text)
    wanted = [n for n, line in enumerate(text.splitlines(), 1) if '"python3.9"' in line]
    output = durable("doctor", "--json")
    # The third function is not durable.
    assert [line for _, line, code in places(output) if code == "DOC101"] == wanted[:2]


@pytest.mark.parametrize(
    "text",
    [
        "Resources: []",
        "Resources:\n  A: 5\n  B: {Type: AWS::Lambda::Function}",
        (
            "Resources:\n  A:\n    Type: AWS::Serverless::Function\n    Properties:\n      DurableConfig: 5\n"
            "      Policies: 5\n      Events: []\n      Environment: x\n      CodeUri: {Bucket: b}\n      Handler: 7\n"
            "      Architectures: arm64\n      Timeout: []\n      Role: 3\n      AutoPublishAlias: live\n"
        ),
        (
            "Resources:\n  A:\n    Type: AWS::Lambda::Version\n    DeletionPolicy: [1]\n    Properties: {FunctionName: !Ref B}\n"
            "  B:\n    Type: AWS::Serverless::Function\n    Properties:\n      DurableConfig: {ExecutionTimeout: 60}\n"
            "      Events: {C: {Type: [1]}}\n"
        ),
        "Resources:\n  A:\n    Type: AWS::Lambda::Permission\n    Properties:\n      FunctionName: !Select [0, x]\n",
        (
            "Resources:\n  A: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref A, Name: live}}\n"
            "  B: {Type: AWS::Lambda::Version, Properties: {FunctionName: !GetAtt C.FunctionArn}}\n"
            "  C: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Sub '${B}', Name: live}}\n"
            "  D: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref A}}\n"
            "  E: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref C}}\n"
        ),
        "Resources:\n  A: &a {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Q}}\n  B: *a\n  C: *a\n",
    ],
)
def test_odd_templates_break_nothing(text: str, durable: Durable, place: Path) -> None:
    (place / "template.yaml").write_text(text)
    assert durable("doctor", "--json").code in {0, 1}


def test_the_name_of_a_function_that_refers_to_itself_is_its_logical_id() -> None:
    tree = {
        name: {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": {"Ref": other}}}
        for name, other in {"A": "A", "B": "C", "C": "B"}.items()
    }
    template = Template({"Resources": tree}, region="eu-west-1", account="123456789012")
    assert [template.function_name(name) for name in "ABC"] == ["A", "B", "C"]


GOOD_CODE = {
    "a variable with a default": (
        'os.environ["SHIP_ORDER"]',
        'os.getenv("OTHER", "ship-order:live")',
    ),
    "a default that is not used": (
        'os.environ["SHIP_ORDER"]',
        'os.environ.get("SHIP_ORDER", "ship-order")',
    ),
    "a handler that is bound by a condition": (
        "quick = durable_execution(answer_quickly)",
        "if SHIP_ORDER:\n    quick = durable_execution(answer_quickly)",
    ),
    "a handler of another module": (
        "async def answer_quickly",
        "from handlers import quick\n\n\nasync def answer_quickly",
    ),
    "a map in batches": (
        "range(100), reserve",
        "range(9000), reserve, config=MapConfig(item_batcher=ItemBatcher(max_items=10))",
    ),
    "the decorator of AWS's SDK": (
        "    durable_execution,\n",
        "    durable_execution as ours,\n",
    ),
}


@pytest.mark.parametrize("name", GOOD_CODE)
def test_code_without_a_mistake(name: str, durable: Durable, sam: Path) -> None:
    code = sam / "src/orders.py"
    text = code.read_text()
    old, new = GOOD_CODE[name]
    assert old in text
    text = text.replace(old, new, 1)
    if name == "a handler of another module":
        text = text.replace("quick = durable_execution(answer_quickly)\n", "")
        source = "from durable_execution_sdk import durable_execution\n\n@durable_execution\nasync def quick(event, ctx): ...\n"
        (sam / "src/handlers.py").write_text(source)
    if name == "the decorator of AWS's SDK":
        text = f"from aws_durable_execution_sdk_python import durable_execution\n{text}"
    code.write_text(text)
    output = durable("doctor")
    assert (output.out, output.err) == ("no mistakes found\n", "")


_MANAGED = """ManagedPolicyArns:
        - arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy
"""

_RIGHT = """            - Effect: Allow
              Action: lambda:InvokeFunction
              Resource: !Ref ShipOrder.Alias
"""
_QUEUE = "  Parcels:\n    Type: AWS::SQS::Queue\n"

GOOD_TEMPLATES = {
    "rights by a policy that is attached to SAM's role": (
        f"{_RIGHT}      Events:\n        Nightly:",
        (
            "            - Effect: Allow\n              Action: sqs:SendMessage\n              Resource: '*'\n"
            "      Events:\n        Nightly:"
        ),
    ),
    "rights by a connector": (
        f"{_RIGHT}      Events:\n        Nightly:",
        (
            "            - Effect: Allow\n              Action: sqs:SendMessage\n              Resource: '*'\n"
            "      Events:\n        Nightly:"
        ),
    ),
    "rights on all functions of a name": (
        "              Resource: !Ref ShipOrder.Alias",
        "              Resource: !Sub arn:aws:lambda:*:${AWS::AccountId}:function:ship-*",
    ),
    "rights on a function of another stack": (
        "              Resource: !Ref ShipOrder.Alias",
        "              Resource: !ImportValue ship-order",
    ),
    "an alias of its own": (
        "SHIP_ORDER: !Ref ShipOrder.Alias",
        "SHIP_ORDER: !Sub ${ShipOrder.Arn}:live",
    ),
    "a published version": (
        "SHIP_ORDER: !Ref ShipOrder.Alias",
        "SHIP_ORDER: !Sub ${ShipOrder.Arn}:7",
    ),
    "an alias of the deployment": (
        "SHIP_ORDER: !Ref ShipOrder.Alias",
        "SHIP_ORDER: !Sub '${ShipOrder.Arn}:${Stage}'",
    ),
    "two forms of an ARN": (
        "Resource: !Sub ${ProcessOrder.Arn}:*",
        "Resource: [!GetAtt ProcessOrder.Arn, !Sub '${ProcessOrder.Arn}:*']",
    ),
    "a pattern of actions": (
        (
            "              - lambda:SendDurableExecutionCallbackFailure\n"
            "            Resource: !Sub ${ProcessOrder.Arn}:*"
        ),
        "              - lambda:Get*\n            Resource: [!GetAtt ProcessOrder.Arn, !Sub '${ProcessOrder.Arn}:*']",
    ),
    "a role of another stack": ("Role: !GetAtt ShipRole.Arn", "Role: !ImportValue ship-role"),
    "a policy of one's own": (
        "        - arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy",
        "        - arn:aws:iam::123456789012:policy/orders",
    ),
    "a parameter without a default": ("    Default: live\n", "    Description: any\n"),
    "a number of the deployment": (
        "ExecutionTimeout: 2678400",
        "ExecutionTimeout: !ImportValue limit",
    ),
    "a key whose policy names the role": (
        (
            "            - Effect: Allow\n              Action: [kms:Decrypt, kms:GenerateDataKey]\n"
            "              Resource: !GetAtt Key.Arn\n"
        ),
        "",
    ),
    "a name by a parameter": (
        "FunctionName: ship-order",
        'FunctionName: !Sub "ship-${Stage}"',
    ),
    "a statement by a condition": (
        "            - Effect: Allow\n              Action: lambda:InvokeFunction\n",
        (
            "            - !If [Prod, {Effect: Allow, Action: lambda:Invoke*, Resource: '*'}, !Ref AWS::NoValue]\n"
            "            - Effect: Allow\n              Action: lambda:GetFunction\n"
        ),
    ),
    "actions by a condition": (
        "Action: lambda:InvokeFunction\n",
        "Action: !If [Prod, lambda:InvokeFunction, lambda:GetFunction]\n",
    ),
    "an effect by a condition": (
        "            - Effect: Allow\n              Action: lambda:InvokeFunction\n",
        "            - Effect: !If [Prod, Allow, Deny]\n              Action: lambda:InvokeFunction\n",
    ),
    "a role's statement by a condition": (
        _MANAGED,
        (
            "Policies:\n        - PolicyName: checkpoints\n          PolicyDocument:\n            Statement:\n"
            "              - !If [Prod, {Effect: Allow, Action: lambda:*, Resource: '*'}, !Ref AWS::NoValue]\n"
        ),
    ),
    "a policy that may be attached to the role": (
        f"      {_MANAGED}",
        (
            "  Checkpoints:\n    Type: AWS::IAM::Policy\n    Properties:\n"
            "      Roles: [!If [Prod, !Ref ShipRole, !Ref Other]]\n"
            "      PolicyDocument: {Statement: {Effect: Allow, Action: lambda:*, Resource: '*'}}\n"
        ),
    ),
    "a DurableConfig by a condition": (
        "      DurableConfig:\n        ExecutionTimeout: 900\n",
        "      DurableConfig: !If [Prod, {ExecutionTimeout: 900}, {ExecutionTimeout: 60}]\n",
    ),
    "an environment by a condition": (
        "      Environment:\n        Variables:\n          SHIP_ORDER: !Ref ShipOrder.Alias\n",
        "      Environment: !If [Prod, {Variables: {SHIP_ORDER: !Ref ShipOrder.Alias}}, !Ref AWS::NoValue]\n",
    ),
    "variables by a condition": (
        "        Variables:\n          SHIP_ORDER: !Ref ShipOrder.Alias\n",
        "        Variables: !If [Prod, {SHIP_ORDER: !Ref ShipOrder.Alias}, {}]\n",
    ),
    "a key by a condition": (
        "KMSKeyArn: !GetAtt Key.Arn",
        "KMSKeyArn: !If [Prod, !GetAtt Other.Arn, !Ref AWS::NoValue]",
    ),
    "a key of a parameter that is empty": (
        "KMSKeyArn: !GetAtt Key.Arn",
        "KMSKeyArn: !Ref OtherKey",
    ),
    "no key by AWS::NoValue": ("KMSKeyArn: !GetAtt Key.Arn", "KMSKeyArn: !Ref AWS::NoValue"),
    "a key's statement by a condition": (
        '            Action: kms:*\n            Resource: "*"\n',
        (
            '            Action: kms:*\n            Resource: "*"\n'
            "          - !If [Prod, {Effect: Allow, Principal: {AWS: x}, Action: kms:*}, !Ref AWS::NoValue]\n"
        ),
    ),
    "a runtime of the deployment": ("Runtime: python3.13", "Runtime: !ImportValue python"),
    "a state machine that adds the alias": (
        "  Parcels:\n    Type: AWS::SQS::Queue\n",
        (
            "  Parcels:\n    Type: AWS::SQS::Queue\n  Steps:\n    Type: AWS::StepFunctions::StateMachine\n"
            '    Properties:\n      DefinitionString: \'{"Resource": "${Order}:live"}\'\n'
            "      DefinitionSubstitutions: {Order: !GetAtt ProcessOrder.Arn}\n"
        ),
    ),
    "versions that a condition deletes": (
        "      AutoPublishAlias: live\n",
        "      AutoPublishAlias: live\n      VersionDeletionPolicy: !If [Prod, Retain, Delete]\n",
    ),
    "logging by a condition": (
        "    LoggingConfig:\n      LogFormat: JSON\n",
        "    LoggingConfig: !If [Prod, {LogFormat: JSON}, !Ref AWS::NoValue]\n",
    ),
}
_OWN_KEY = """            - Effect: Allow
              Action: [kms:Decrypt, kms:GenerateDataKey]
              Resource: !GetAtt Key.Arn
"""


@pytest.mark.parametrize("name", GOOD_TEMPLATES)
def test_a_template_without_a_mistake(name: str, durable: Durable, sam: Path) -> None:
    template = sam / "template.yaml"
    text = template.read_text()
    old, new = GOOD_TEMPLATES[name]
    assert old in text
    text = text.replace(old, new, 1)
    if name.startswith("a key whose"):
        text = text.replace("${AWS::AccountId}:root", "${AWS::AccountId}:role/orders")
    elif "key" in name:
        text = text.replace(_OWN_KEY, "")
    text = text.replace("Parameters:\n", "Parameters:\n  OtherKey: {Type: String, Default: ''}\n")
    if "attached to SAM" in name:
        text = text.replace(
            _QUEUE,
            "  Right:\n    Type: AWS::IAM::RolePolicy\n    Properties:\n      RoleName: !Ref ProcessOrderRole\n"
            "      PolicyDocument:\n        Statement:\n"
            f"{_RIGHT}{_QUEUE}",
        )
    if "connector" in name:
        text = text.replace(
            _QUEUE,
            "  Right:\n    Type: AWS::Serverless::Connector\n    Properties: {Source: {Id: ProcessOrder},"
            f" Destination: {{Id: ShipOrder}}, Permissions: [Write]}}\n{_QUEUE}",
        )
    template.write_text(text)
    output = durable("doctor")
    assert (output.out, output.err) == ("no mistakes found\n", "")


@pytest.mark.parametrize(
    ("old", "new", "settings", "found"),
    [
        ('os.environ["SHIP_ORDER"]', "settings.SHIPPING", "SHIPPING = os.environ['S']", "DOC203"),
        ('os.environ["SHIP_ORDER"]', "settings.SHIPPING", "SHIPPING = 'ship-order'", "DOC201"),
        ('os.environ["SHIP_ORDER"]', "settings.SHIPPING", "SHIPPING = 'ship-order:live'", None),
        (
            "ctx.invoke(SHIP_ORDER",
            "ctx.invoke(settings.SHIPPING",
            "SHIPPING = 'ship-order'",
            "DOC201",
        ),
        ("Duration.from_hours(1)", "MONTH", "MONTH = Duration.from_days(31)", "DOC702"),
        ("Duration.from_hours(1)", "MONTH", "MONTH = Duration.from_days(30)", None),
        ("asyncio.timeout(30)", "asyncio.timeout(MONTH)", "MONTH: int = 60 * 60", "DOC701"),
        ("Duration.from_days(7)", "MONTH", "MONTH = timedelta(weeks=5)", "DOC703"),
    ],
)
def test_constants_of_another_module(
    old: str, new: str, settings: str, found: str | None, durable: Durable, sam: Path
) -> None:
    code = sam / "src/orders.py"
    text = code.read_text()
    assert old in text
    text = text.replace(old, new, 1).replace("import time\n", "import time\n\nimport settings\n")
    if "MONTH" in new:
        text = text.replace("import settings\n", "from settings import MONTH\n")
    code.write_text(text)
    (sam / "src/settings.py").write_text(f"import os\n{settings}\n")
    output = durable("doctor", "--json")
    findings = output.document["findings"]
    assert [(each["file"], each["code"]) for each in findings] == (
        [("src/orders.py", found)] if found else []
    )


PLAIN = """Resources:
  Order:
    Type: AWS::Lambda::Function
    Properties:
      Code: {S3Bucket: b, S3Key: k}
      Handler: app.handler
      Runtime: python3.13
      Timeout: 60
      Role: !ImportValue role
      LoggingConfig: {LogFormat: JSON}
      DurableConfig: {ExecutionTimeout: 3600}
  OrderVersionA:
    Type: AWS::Lambda::Version
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {FunctionName: !Ref Order}
  Live:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref Order, FunctionVersion: !GetAtt OrderVersionA.Version, Name: live}
"""
_VERSION = PLAIN[PLAIN.index("  OrderVersionA") : PLAIN.index("  Live:")]


@pytest.mark.parametrize(
    ("old", "new", "codes"),
    [
        ("", "", []),
        ("    UpdateReplacePolicy: Retain\n", "", ["DOC504"]),
        ("    DeletionPolicy: Retain\n", "", ["DOC501"]),
        ("!GetAtt OrderVersionA.Version", "$LATEST", []),
        (f"{_VERSION}", "", ["DOC502"]),
        ("OrderVersionA:\n", "OrderVersion0a1b2c3d4e:\n", []),
    ],
)
def test_versions_of_plain_cloudformation(
    old: str, new: str, codes: list[str], durable: Durable, place: Path
) -> None:
    text = PLAIN.replace(old, new, 1)
    if "OrderVersionA:" not in text:
        text = text.replace("!GetAtt OrderVersionA.Version", "$LATEST")
    if "OrderVersion0a1b2c3d4e" in text:  # as SAM writes it
        text = text.replace("    UpdateReplacePolicy: Retain\n", "")
    (place / "template.yaml").write_text(text)
    output = durable("doctor", "--json")
    assert [each["code"] for each in output.document["findings"]] == codes


def test_code_that_is_not_python_is_one_error(durable: Durable, sam: Path) -> None:
    (sam / "src/orders.py").write_text("def :")
    output = durable("doctor")
    assert output.out.startswith("src/orders.py:1: error DOC700 this is not read as Python 3.")
    assert (output.code, len(output.out.splitlines()), output.err) == (1, 1, "")


def test_several_templates_of_cdk_are_examined_together(durable: Durable, cdk: Path) -> None:
    template = cdk / "orders.template.json"
    stage = cdk / "assembly-production"
    stage.mkdir()
    text = template.read_text().replace("asset.orders", "../asset.orders")
    (stage / "orders.template.json").write_text(text.replace('"python3.13"', '"python3.12"'))
    output = durable("doctor", "cdk.out", "--json")
    assert {each["file"] for each in output.document["findings"]} == {
        "cdk.out/assembly-production/orders.template.json"
    }


@pytest.mark.parametrize(
    ("handler", "requirements"),
    [
        ("!ImportValue handler", ""),
        ("wrapper.handler\n      Layers: [!ImportValue wrapper]", ""),
        ("wrapper.handler", "wrapper-for-lambda>=2 ; python_version > '3'\n"),
        ("wrapper.handler", "-r others.txt\n"),
        ("wrapper.handler", "https://example.com/wrap.whl\n"),
    ],
)
def test_a_handler_that_may_be_elsewhere_is_left_out_in_words(
    handler: str, requirements: str, durable: Durable, sam: Path
) -> None:
    template, needed = sam / "template.yaml", sam / "src/requirements.txt"
    template.write_text(template.read_text().replace("orders.ship_order", handler))
    needed.write_text(needed.read_text() + requirements)
    output = durable("doctor")
    assert output.out == "no mistakes found in what could be examined\n"
    assert "no code of ShipOrder is found" in output.err


def test_no_value_is_no_setting(durable: Durable, sam: Path) -> None:
    template = sam / "template.yaml"
    text = template.read_text()
    template.write_text(
        text.replace(
            "Timeout: 20\n      AutoPublishAlias: live",
            "Timeout: 20\n      AutoPublishAlias: !Ref AWS::NoValue",
        )
    )
    output = durable("doctor", "--json")
    assert [each["code"] for each in output.document["findings"]] == ["DOC502", "DOC204"]


def test_a_template_without_durable_functions_is_said_to_have_none(
    durable: Durable, place: Path
) -> None:
    (place / "template.yaml").write_text("Resources: {}")
    output = durable("doctor")
    assert output.code == 0
    assert output.err == "template.yaml has no function with a DurableConfig\n"
