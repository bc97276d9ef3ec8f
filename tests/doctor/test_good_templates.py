"""Templates as they are written, of many kinds, in which there is nothing to find."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doctor.findings import found

from durable_execution_sdk.doctor.application import Application

GOOD = sorted((Path(__file__).parent / "applications" / "good").glob("*.*"))


@pytest.mark.parametrize("template", GOOD, ids=[each.stem for each in GOOD])
def test_a_good_template_has_no_findings(template: Path) -> None:
    app = Application(template)
    assert found(app) == []
    assert any(app.durable)


def test_there_are_good_templates() -> None:
    assert len(GOOD) >= 6
