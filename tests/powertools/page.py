"""The examples of the page as one module."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

from tests.docs.tables import DOCS


def module_of_the_page() -> Any:
    """Run the page's blocks of Python as one module, with the line numbers of the page."""
    text = (DOCS / "powertools.md").read_text(encoding="utf-8")
    source = re.sub(r"(?:^|```\n).*?(?:```python\n|\Z)", _blank, text, flags=re.DOTALL)
    module = sys.modules["docs_powertools"] = ModuleType("docs_powertools")
    exec(compile(source, "powertools.md", "exec"), module.__dict__)
    return module


def _blank(prose: re.Match[str]) -> str:
    return "\n" * prose.group().count("\n")
