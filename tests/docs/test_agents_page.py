"""The snippets of the pages about agents run; each page needs its frameworks."""

import pytest
from tests.docs.page_modules import module_of

pytestmark = pytest.mark.agents

PAGES = {
    "agents.md": ("pydantic_ai", "agents"),
    "agents-langchain.md": ("langchain",),
    "agents-strands.md": ("strands",),
}


@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_run(page, monkeypatch):
    for framework in PAGES[page]:
        pytest.importorskip(framework)
    module_of(page, monkeypatch)
