"""Each name of ours in the tables for users of other SDKs exists, with the options that it is given."""

from __future__ import annotations

import inspect
import re

import pytest
from tests.docs.tables import DOCS

import durable_execution_sdk
import durable_execution_sdk.client
import durable_execution_sdk.middleware
import durable_execution_sdk.plugins
import durable_execution_sdk.testing

PAGES = sorted((DOCS / "coming-from").glob("*.md"))
FACES = (
    durable_execution_sdk,
    durable_execution_sdk.testing,
    durable_execution_sdk.client,
    durable_execution_sdk.middleware,
    durable_execution_sdk.plugins,
)
OTHERS = {
    "BatchCompletionError",  # a type of errors, and no class
    "CardDeclined",
    "DurableConfig",  # of a template, and so is the next
    "ExecutionTimeout",
    "MaxAttempts",
    "SendDurableExecutionCallbackSuccess",
    "SendTaskSuccess",
    "TaskGroup",
}


def ours(page: str) -> list[str]:
    """Return the code in the last columns of the page's tables."""
    text = (DOCS / "coming-from" / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\|$", text, re.MULTILINE)
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row.split(" | ")[-1])]


def test_there_are_pages() -> None:
    assert [page.stem for page in PAGES] == [
        "aws-python-sdk",
        "community-fork",
        "rust-crates",
        "rust-examples",
        "step-functions",
        "temporal",
    ]


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_the_names_of_ours_exist(page: str) -> None:
    codes = ours(page)
    assert codes
    for code in codes:
        for name in re.findall(r"\b[A-Z][a-z]+[A-Z]\w*|\bctx\.[a-z_0-9]+", code):
            if name.startswith("ctx."):
                assert hasattr(durable_execution_sdk.DurableContext, name[4:]), code
            elif name not in OTHERS:
                assert any(hasattr(face, name) for face in FACES), f"{name} in {code}"


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_the_options_of_ours_exist(page: str) -> None:
    for code in ours(page):
        for name, arguments in re.findall(r"\b(\w+)\(((?:\w+=(?:\.\.\.)?(?:, )?)+)\)", code):
            [face] = [face for face in FACES if hasattr(face, name)][:1] or [None]
            if face is not None:
                parameters = inspect.signature(getattr(face, name)).parameters
                for option in re.findall(r"(\w+)=", arguments):
                    assert option in parameters, f"{name}({option}=) in {page}"
