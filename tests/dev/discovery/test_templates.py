from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from durable_execution_sdk.dev.discovery import cloudformation
from durable_execution_sdk.dev.discovery.cloudformation import compose, read_tree
from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.discovery.project_table import (
    ProjectTable,
    declared_functions,
    read_project_table,
)
from durable_execution_sdk.dev.discovery.templates import template_functions
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.errors import ConfigError

SAM = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
  Secret: {Type: String}
Globals:
  Function:
    Runtime: python3.13
    Timeout: 20
    MemorySize: 256
    Environment:
      Variables: {SHARED: yes, STAGE: !Ref Stage}
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "orders-${Stage}"
      CodeUri: src/
      Handler: app.handler
      AutoPublishAlias: live
      DurableConfig: {ExecutionTimeout: 3600, RetentionPeriodInDays: 7}
      Environment:
        Variables:
          TABLE: !Ref Table
          PAYMENTS: !GetAtt Payments.Arn
          SELF: !Ref Orders.Alias
          URL: !Sub ["https://${Host}/${AWS::Region}/${!Literal}", {Host: !Ref Stage}]
          PATHS: !Join [":", [a, !Ref Stage]]
          COUNT: 3
  Payments:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      Runtime: nodejs22.x
      Timeout: 5
  Native:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: provided.al2023
      Handler: any
      Code: build
  Java:
    Type: AWS::Lambda::Function
    Properties: {Runtime: java21, Handler: a.B, Code: build}
  Remote:
    Type: AWS::Lambda::Function
    Properties: {Runtime: python3.13, Handler: a.b, Code: {S3Bucket: x, S3Key: y}}
  Image:
    Type: AWS::Serverless::Function
    Metadata: {DockerContext: ./image}
    Properties:
      PackageType: Image
      ImageConfig: {EntryPoint: [/bin/runtime, --fast], Command: [app.handler]}
  ImageOfLambda:
    Type: AWS::Serverless::Function
    Metadata: {DockerContext: ./image}
    Properties: {PackageType: Image, ImageConfig: {Command: [app.handler]}}
  PaymentsAlias:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref Payments, Name: blue, FunctionVersion: !GetAtt V.Version}
  Table: {Type: AWS::DynamoDB::Table}
"""


@pytest.fixture
def found(tmp_path: Path) -> Found:
    (tmp_path / "template.yaml").write_text(SAM)
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "app.py").touch()
    return template_functions(tmp_path / "template.yaml")


def one(found: Found, name: str) -> Declaration:
    return next(each for each in found.declarations if each.name == name)


def test_a_sam_function_is_read_with_globals_and_references(found: Found, tmp_path: Path) -> None:
    orders = one(found, "orders-dev")
    assert (orders.runtime, orders.root, orders.handler) == (
        Runtime.PYTHON,
        str(tmp_path / "src"),
        "app.handler",
    )
    assert (orders.timeout, orders.memory_mb, orders.durable) == (20, 256, True)
    assert (orders.execution_timeout, orders.retention_days) == (3600, 7)
    assert orders.aliases == {"live": "$LATEST"}
    arn = "arn:aws:lambda:us-east-1:123456789012:function:"
    assert orders.environment == {
        "SHARED": "true",
        "STAGE": "dev",
        "TABLE": "Table",
        "PAYMENTS": f"{arn}Payments",
        "SELF": f"{arn}orders-dev:live",
        "URL": "https://dev/us-east-1/${Literal}",
        "PATHS": "a:dev",
        "COUNT": "3",
    }


def test_other_runtimes_images_and_aliases_are_read(found: Found, tmp_path: Path) -> None:
    payments = one(found, "Payments")
    assert (payments.runtime, payments.timeout, payments.durable) == (Runtime.NODE, 5, False)
    assert payments.aliases == {"blue": "$LATEST"}
    native = one(found, "Native")
    assert native.command == (str(tmp_path / "build" / "bootstrap"),)
    assert (native.timeout, native.memory_mb) == (3, None)
    image = one(found, "Image")
    assert image.command == ("/bin/runtime", "--fast", "app.handler")
    assert one(found, "ImageOfLambda").handler == "app.handler"
    assert one(found, "ImageOfLambda").runtime is Runtime.PYTHON


def test_a_function_that_cannot_run_here_is_told(found: Found) -> None:
    java, remote = found.notices
    assert "the function Java of" in java
    assert "java21" in java
    assert "the function Remote of" in remote
    assert "not in a local folder" in remote


@pytest.mark.parametrize("text", ["a: [", "a: 1", "- 1", "Resources: !Unknown {x", "\x00"])
def test_what_is_no_template_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=str(file)):
        template_functions(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        template_functions(tmp_path / "none.yaml")


CONDITIONAL = """
Parameters: {Stage: {Type: String, Default: dev}, Key: {Type: String, Default: ""}, Size: {Type: String}}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
  HasKey: !Not [!Equals [!Ref Key, ""]]
  Both: !And [!Condition Prod, !Condition HasKey, !Condition Unknown]
  Either: !Or [!Condition Prod, !Not [!Condition HasKey], !Condition Unknown]
  Open: !And [!Not [!Condition Prod], !Condition Unknown]
  Itself: !Not [!Condition Itself]
  Odd: !Equals [!ImportValue x, y]
Mappings:
  Stages:
    dev: {Seconds: 30, Memory: 256}
    prod: {Seconds: 60, Memory: 1024}
Globals: {Function: {Runtime: python3.13, AutoPublishAlias: live, Timeout: !FindInMap [Stages, !Ref Stage, Seconds]}}
Resources:
  A:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      CodeUri: .
      MemorySize: !FindInMap [Stages, test, Memory, {DefaultValue: 512}]
      DurableConfig:
        ExecutionTimeout: !If [Prod, 600, 60]
        RetentionPeriodInDays: !If [Prod, 30, !Ref AWS::NoValue]
      Environment:
        Variables:
          LIST: !Join [",", !If [Prod, [a], [b]]]
          GONE: !Ref AWS::NoValue
          BOTH: !If [Both, yes-, no-]
          EITHER: !If [Either, yes-, no-]
          OPEN: !If [Open, yes-, no-]
          ITSELF: !If [Itself, yes-, no-]
          ODD: !If [Odd, yes-, no-]
          NONE: !FindInMap [Stages, test, Memory]
          B: !Ref B.Alias
  B:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, CodeUri: ., AutoPublishAlias: !Ref AWS::NoValue, Timeout: !Ref AWS::NoValue}
"""


def test_conditions_and_tables_are_decided_by_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(CONDITIONAL)
    found = template_functions(file)
    assert found.notices == []
    first, second = found.declarations
    assert (first.timeout, first.memory_mb) == (30, 512)
    assert (first.execution_timeout, first.retention_days) == (60, 14)
    assert first.environment == {
        "LIST": "b",
        "BOTH": "no-",
        "EITHER": "yes-",
        "OPEN": "yes-",
        "ITSELF": "yes-",
        "ODD": "yes-",
        "B": "arn:aws:lambda:us-east-1:123456789012:function:B",
    }
    assert (second.timeout, second.aliases) == (3, {})
    file.write_text(CONDITIONAL.replace("Default: dev", "Default: prod"))
    first = template_functions(file).declarations[0]
    assert (first.timeout, first.execution_timeout, first.retention_days) == (60, 600, 30)


def test_the_functions_of_a_loop_run(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(
        """
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Resources:
  Fn::ForEach::Shops:
    - Shop
    - [north, south]
    - Ship${Shop}:
        Type: AWS::Serverless::Function
        Properties:
          FunctionName: !Sub "ship-${Shop}"
          Runtime: python3.13
          Handler: app.handler
          CodeUri: .
          Environment: {Variables: {SHOP: !Ref Shop}}
"""
    )
    found = template_functions(file)
    assert [(each.name, each.environment) for each in found.declarations] == [
        ("ship-north", {"SHOP": "north"}),
        ("ship-south", {"SHOP": "south"}),
    ]


def test_yaml_cannot_make_python_objects(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("Resources: {x: !!python/object/apply:os.system ['true']}")
    with pytest.raises(ConfigError, match="not YAML"):
        template_functions(file)


@pytest.mark.parametrize("has_libyaml", [True, False])
def test_the_error_of_a_broken_template_shows_its_line(
    has_libyaml: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_libyaml:
        monkeypatch.setattr(cloudformation, "_QUICK_LOADER", None)
    file = tmp_path / "template.yaml"
    file.write_text("Resources:\n  A:\n    Type: [x\n  B: y\n")
    with pytest.raises(ConfigError) as raised:
        read_tree(file)
    assert "expected ',' or ']', but got ':'" in str(raised.value)
    assert "line 4, column 4:\n      B: y\n       ^" in str(raised.value)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_both_loaders_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(__file__).parents[2] / "doctor" / "applications" / "sam" / "template.yaml"
    quick = read_tree(file), lines(compose(file))
    monkeypatch.setattr(cloudformation, "_QUICK_LOADER", None)
    assert (read_tree(file), lines(compose(file))) == quick


def lines(node: Any) -> list[Any]:
    """Return the text and the line of all scalars below a node."""
    if isinstance(node, yaml.ScalarNode):
        return [(node.value, node.tag, node.start_mark.line)]
    return [
        lines(part) for entry in node.value for part in (entry if type(entry) is tuple else [entry])
    ]


PROJECT = """
[tool.durable]
paths = ["flows"]
template = "template.yaml"
python = ".venv/bin/python"
environment = { STAGE = "local" }

[tool.durable.functions.order]
handler = "src/app.py:order"
timeout = 30
memory = 512
environment = { DEBUG = "1" }
aliases = { live = "1" }

[tool.durable.functions.native]
command = ["./run", "fast"]
durable = false
working-directory = "native"
"""


def read(tmp_path: Path, text: str) -> ProjectTable | None:
    (tmp_path / "pyproject.toml").write_text(text)
    return read_project_table(tmp_path / "pyproject.toml")


def test_the_table_of_a_project_is_read(tmp_path: Path) -> None:
    table = read(tmp_path, PROJECT)
    assert table is not None
    assert (table.paths, table.template) == (["flows"], "template.yaml")
    order, native = declared_functions(table, tmp_path)
    assert (order.root, order.handler) == (str(tmp_path / "src"), "app.order")
    assert order.interpreter == str(tmp_path / ".venv/bin/python")
    assert (order.timeout, order.memory_mb, order.aliases) == (30, 512, {"live": "1"})
    assert order.environment == {"STAGE": "local", "DEBUG": "1"}
    assert order.working_directory == str(tmp_path)
    assert native.command == ("./run", "fast")
    assert not native.durable
    assert native.working_directory == str(tmp_path / "native")


def test_a_project_without_the_table_has_none(tmp_path: Path) -> None:
    assert read_project_table(tmp_path / "pyproject.toml") is None
    assert read(tmp_path, "[project]\nname = 'x'\n") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.durable]\npath = 1", "unknown field `path`"),
        ("[tool.durable]\npaths = 'x'", "Expected `array`"),
        ("[tool.durable.functions.f]\ntimeouts = 1", "unknown field `timeouts`"),
        ("[tool.durable", "cannot be read"),
    ],
)
def test_a_wrong_table_is_refused_in_words(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("durable = true", "and not both"),
        ("handler = 'a.py:b'\ncommand = ['x']", "and not both"),
        ("handler = 'a.py'", "the handler is FILE:ATTRIBUTE"),
    ],
)
def test_a_function_needs_one_kind_of_code(tmp_path: Path, line: str, message: str) -> None:
    table = read(tmp_path, f"[tool.durable.functions.f]\n{line}\n")
    assert table is not None
    with pytest.raises(ConfigError, match=message):
        declared_functions(table, tmp_path)


@pytest.mark.parametrize("line", ["Timeout: soon", "MemorySize: [1]", "Timeout: .inf"])
def test_a_value_that_is_no_number_is_told_and_the_others_run(tmp_path: Path, line: str) -> None:
    file = tmp_path / "template.yaml"
    function = "Type: AWS::Serverless::Function\n    Properties:\n      Runtime: python3.13\n"
    function += "      Handler: app.handler\n"
    file.write_text(f"Resources:\n  Good:\n    {function}  Bad:\n    {function}      {line}\n")
    found = template_functions(file)
    assert [each.name for each in found.declarations] == ["Good"]
    assert f"its {line.partition(':')[0]} is a whole number" in found.notices[0]
