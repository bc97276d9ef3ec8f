"""Values that a deployment chooses: conditions, tables, parameters, references, loops, and templates within."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.doctor.findings import codes, found, write

FUNCTION = "Order: {{Type: AWS::Serverless::Function, Properties: {{{}}}}}"
DURABLE = "DurableConfig: {ExecutionTimeout: 86400}"


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ("DurableConfig: {ExecutionTimeout: !If [Prod, 86400, 0]}", "DOC104"),
        ("DurableConfig: {ExecutionTimeout: !FindInMap [Stages, dev, Seconds]}", "DOC104"),
        ("DurableConfig: {ExecutionTimeout: !FindInMap [Stages, !Ref Stage, Seconds]}", "DOC104"),
        (f"{DURABLE}, Timeout: !If [Prod, 2000, 60]", "DOC106"),
        (f"{DURABLE}, Runtime: !If [Prod, python3.13, python3.11]", "DOC101"),
        (f"{DURABLE}, Runtime: !FindInMap [Stages, prod, Runtime]", "DOC101"),
    ],
)
def test_a_mistake_that_one_deployment_has_is_found(
    properties: str, code: str, tmp_path: Path
) -> None:
    assert codes(write(tmp_path, FUNCTION.format(properties))) == [code]


@pytest.mark.parametrize(
    "properties",
    [
        "DurableConfig: {ExecutionTimeout: !If [Prod, 86400, 600]}",
        "DurableConfig: {ExecutionTimeout: !FindInMap [Stages, prod, Seconds]}",
        "DurableConfig: {ExecutionTimeout: !FindInMap [Stages, prod, Seconds, {DefaultValue: 5}]}",
        "DurableConfig: {ExecutionTimeout: 600, RetentionPeriodInDays: !If [A, 3, !Ref AWS::NoValue]}",
        "DurableConfig: {ExecutionTimeout: !FindInMap [!Ref X, {a: b}, Seconds]}",
        # The condition of both.
        "Runtime: !If [D, python3.13, python3.11], DurableConfig: !If [D, {ExecutionTimeout: 99}, !Ref AWS::NoValue]",
    ],
)
def test_right_values_of_all_deployments_are_none(properties: str, tmp_path: Path) -> None:
    assert codes(write(tmp_path, FUNCTION.format(properties))) == []


@pytest.mark.parametrize("value", ["!Ref Kept", "'{{resolve:ssm:/orders/kept}}'"])
def test_the_key_of_a_kept_parameter_is_not_taken_for_its_value(value: str, tmp_path: Path) -> None:
    properties = (
        f"DurableConfig: {{ExecutionTimeout: {value}, RetentionPeriodInDays: {value}}}, Timeout: {value},"
        f" Runtime: {value}, Handler: {value}, LoggingConfig: {{LogFormat: {value}}}"
    )
    assert codes(write(tmp_path, FUNCTION.format(properties))) == []


def test_the_functions_of_loops_are_examined_at_their_lines(tmp_path: Path) -> None:
    app = write(
        tmp_path,
        """
        Fn::ForEach::Shops:
          - Shop
          - !Ref Shops
          - Ship${Shop}:
              Type: AWS::Serverless::Function
              Properties:
                FunctionName: !Sub "ship-${Shop}"
                DurableConfig: {ExecutionTimeout: 0}
                Environment: {Variables: {SHOP: !Ref Shop}}
        Fn::ForEach::Outer:
          - A
          - [x, y]
          - Fn::ForEach::Inner:
              - B
              - ["1-a", "2"]
              - Deep&{A}&{B}: {Type: AWS::Serverless::Function, Properties: {DurableConfig: {ExecutionTimeout: 7}}}
        """,
    )
    functions = app.template.functions
    assert [*functions] == ["Shipnorth", "Shipsouth", "Deepx1a", "Deepx2", "Deepy1a", "Deepy2"]
    assert functions["Shipsouth"].properties["FunctionName"] == {"Fn::Sub": "ship-south"}
    assert functions["Shipsouth"].properties["Environment"] == {"Variables": {"SHOP": "south"}}
    wrong = [message for code, message in found(app) if code == "DOC104"]
    assert wrong == [f"{each} has the ExecutionTimeout 0" for each in ("Shipnorth", "Shipsouth")]
    lines = (tmp_path / "template.yaml").read_text().splitlines()
    place = functions["Shipsouth"].place("DurableConfig", "ExecutionTimeout")
    assert place.line is not None
    assert "ExecutionTimeout: 0" in lines[place.line - 1]


@pytest.mark.parametrize(
    "loop",
    [
        "[Name, !Ref Unknown, {'A${Name}': {}}]",
        "[Name, [a, !Ref Unknown], {'A${Name}': {}}]",
        "[Name, !Ref Missing, {}]",
        "[Name, [a]]",
        "[{Ref: Name}, [a], {}]",
        "Name",
        f"[Name, [{', '.join(map(str, range(501)))}], {{'A${{Name}}': {{}}}}]",
    ],
)
def test_a_loop_that_only_a_deployment_can_read_is_said_to_be_left_out(
    loop: str, tmp_path: Path
) -> None:
    app = write(tmp_path, f"Fn::ForEach::Shops: {loop}")
    assert codes(app) == []
    assert (
        "the resources of Fn::ForEach::Shops are not examined, as only a deployment knows its values"
    ) in app.notes[0]


def test_templates_within_are_said_to_be_left_out(tmp_path: Path) -> None:
    app = write(
        tmp_path,
        """
        Child: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: child.yaml}}
        Shared: {Type: AWS::Serverless::Application, Properties: {Location: {ApplicationId: a}}}
        """,
    )
    notes = [note.partition(": ")[2] for note in app.notes]
    assert notes[:2] == [
        "the template of Child is not examined: examine child.yaml by itself",
        "the template of Shared is not examined",
    ]


def test_names_that_yaml_takes_for_numbers_and_truths_are_names(tmp_path: Path) -> None:
    app = write(
        tmp_path,
        """
        7: {Type: AWS::SNS::Topic}
        Machine:
          Type: AWS::Serverless::StateMachine
          Properties:
            DefinitionSubstitutions: {1: a, on: b, null: c}
            Definition: {StartAt: "${1}"}
        Order:
          Type: AWS::Serverless::Function
          Properties:
            Environment: {Variables: {on: 1}}
            DurableConfig: {ExecutionTimeout: 0}
        """,
    )
    assert codes(app) == ["DOC104"]
    assert app.template.functions["Order"].place("Environment", "Variables", "on").line is not None
    assert "7" in app.template.resources
    assert not [note for note in app.notes if re.search(r"not examined", note)]
