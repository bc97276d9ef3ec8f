"""Functions of a table and of a template, whose code is not imported to find them."""

from pathlib import Path

import pytest

from durable_execution_sdk.dev.discovery.project_table import FunctionTable, ProjectTable
from durable_execution_sdk.dev.project import Sources, project_functions

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Order:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.13, CodeUri: ., Handler: app.order}
  Other:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.13, CodeUri: ., Handler: other.run}
"""
TABLE = ProjectTable(
    functions={
        "Order": FunctionTable(handler="app.py:order"),
        "Other": FunctionTable(handler="other.py:run"),
    }
)


@pytest.mark.parametrize("is_template", [True, False])
def test_a_syntax_error_is_told_and_leaves_out_the_functions_of_the_file(
    tmp_path: Path, is_template: bool
) -> None:
    app, template = tmp_path / "app.py", tmp_path / "template.yaml"
    template.write_text(TEMPLATE)
    (tmp_path / "other.py").write_text("def run(event, context):\n    pass\n")
    app.write_text("import os\n\ndef order(:\n")
    sources = Sources(template=template if is_template else None)
    table = ProjectTable() if is_template else TABLE

    found = project_functions(sources, table, tmp_path)
    assert [each.name for each in found.declarations] == ["Other"]
    assert found.broken == [str(app)]
    assert [each for each in found.notices if f'File "{app}", line 3\nSyntaxError: ' in each]

    app.write_text("def order(event, context):\n    pass\n")
    found = project_functions(sources, table, tmp_path)
    assert sorted(each.name for each in found.declarations) == ["Order", "Other"]
    assert found.broken == []


def test_the_syntax_of_another_python_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def order(:\n")
    table = ProjectTable(
        python="python9.9", functions={"Order": FunctionTable(handler="app.py:order")}
    )
    assert project_functions(Sources(), table, tmp_path).broken == []
