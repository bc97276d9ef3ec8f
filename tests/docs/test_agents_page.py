"""The snippets of the page about agents run, as one module; they need the frameworks."""

import re
import sys
from types import ModuleType

import pytest
from tests.docs.tables import DOCS
from tests.docs.test_examples_run import _blank

pytestmark = pytest.mark.agents


def test_the_snippets_run(monkeypatch):
    pytest.importorskip("pydantic_ai")
    text = (DOCS / "agents.md").read_text(encoding="utf-8")
    source = re.sub(r"(?:^|```\n).*?(?:```python\n|\Z)", _blank, text, flags=re.DOTALL)
    module = ModuleType("docs_agents")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, "agents.md", "exec"), module.__dict__)
