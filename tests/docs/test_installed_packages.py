"""A page says how the packages are installed that its examples import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

import pytest
from tests.docs.tables import DOCS

PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
# The name of a package, or of an extra of this one, where it is not that of the module.
PACKAGES = {
    "agents": "openai-agents",
    "aws_cdk": "aws-cdk-lib",
    "aws_lambda_powertools": "aws-lambda-powertools",
    "langchain_core": "langchain",
    "langgraph": "langchain",
    "openai": "openai-agents",
    "opentelemetry": "otel",
    "pydantic_ai": "pydantic-ai",
}
# msgspec comes with this package; the last two are left behind by the reader of the page.
KNOWN = {
    *sys.stdlib_module_names,
    "durable_execution_sdk",
    "msgspec",
    "async_durable_execution",
    "aws_durable_execution_sdk_python",
}


def modules_of(text: str) -> Iterator[str]:
    """Yield the modules that the examples import, but those that the page itself has as files."""
    blocks = re.findall(r"^ *```python([^\n]*)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    own = {name.strip().removesuffix(".py") for name, _ in blocks}
    for _, block in blocks:
        for node in ast.walk(ast.parse(block)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                if top not in KNOWN | own:
                    yield top


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_the_packages_of_its_examples(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    installed = " ".join(re.findall(r"pip install ([^`\n]*)", text))
    missing = {
        PACKAGES.get(module, module)
        for module in modules_of(text)
        if not re.search(rf"(?<![\w-]){PACKAGES.get(module, module)}(?![\w-])", installed)
    }
    assert not missing, f"say on {page}: pip install {' '.join(sorted(missing))}"
