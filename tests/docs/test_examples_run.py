"""The examples of these pages run unchanged, and their assertions hold."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    "page",
    [
        "batches.md",
        "budget.md",
        "callbacks.md",
        "client.md",
        "concurrency.md",
        "errors.md",
        "metrics.md",
        "middleware.md",
        "observability.md",
        "resources.md",
        "status.md",
        "steps.md",
        "time-limits.md",
    ],
)
def test_the_examples_run(page, monkeypatch):
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert any("assert" in block for block in blocks)
    # All blocks of a page form one module, with the line numbers of the page.
    source = re.sub(r"(?:^|```\n).*?(?:```python\n|\Z)", _blank, text, flags=re.DOTALL)
    module = ModuleType(f"docs_{page.removesuffix('.md')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, page, "exec"), module.__dict__)


def _blank(prose):
    return "\n" * prose.group().count("\n")
