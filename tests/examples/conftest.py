"""Examples are loaded as their users load them: from their own directory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def example_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example's directory, on ``sys.path``; what was loaded from it is forgotten afterwards."""
    path = EXAMPLES / request.module.EXAMPLE
    monkeypatch.syspath_prepend(str(path))
    # Another test may have loaded an app.py of its own.
    monkeypatch.delitem(sys.modules, "app", raising=False)
    before = set(sys.modules)
    yield path
    for name, module in list(sys.modules.items()):
        if name not in before and str(getattr(module, "__file__", None)).startswith(str(path)):
            del sys.modules[name]
