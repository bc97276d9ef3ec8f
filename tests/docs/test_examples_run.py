"""The examples of these pages run unchanged, and their assertions hold."""

from __future__ import annotations

import re

import pytest
from tests.docs.page_modules import module_of
from tests.docs.tables import DOCS


@pytest.mark.parametrize(
    "page",
    [
        "batches.md",
        "budget.md",
        "callbacks.md",
        "client.md",
        "coming-from/aws-python-sdk.md",
        "coming-from/community-fork.md",
        "coming-from/step-functions.md",
        "coming-from/temporal.md",
        "concurrency.md",
        "errors.md",
        "how-replay-works.md",
        "index.md",
        "logging-and-tracing.md",
        "long-running.md",
        "metrics.md",
        "middleware.md",
        "observability.md",
        "resources.md",
        "status.md",
        "steps.md",
        "time-limits.md",
    ],
)
def test_the_examples_run(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert any("assert" in block for block in blocks)
    module_of(page, monkeypatch)
