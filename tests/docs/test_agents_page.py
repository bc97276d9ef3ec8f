"""The snippets of the page about agents run, as one module; they need the frameworks."""

import pytest
from tests.docs.page_modules import module_of

pytestmark = pytest.mark.agents


def test_the_snippets_run(monkeypatch):
    for framework in ("pydantic_ai", "agents"):
        pytest.importorskip(framework)
    module_of("agents.md", monkeypatch)
