"""Run the Python of a page as one module."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
from tests.docs.tables import DOCS


def module_of(page: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run all Python blocks of a page as one module, with the line numbers of the page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    source = re.sub(r"(?:^|```\n).*?(?:```python\n|\Z)", _blank, text, flags=re.DOTALL)
    name = "docs_" + re.sub(r"\W", "_", page.removesuffix(".md"))
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, page, "exec", dont_inherit=True), module.__dict__)
    return module


def _blank(prose: re.Match[str]) -> str:
    return "\n" * prose.group().count("\n")
