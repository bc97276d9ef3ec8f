from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dev.dev_rig import DevRig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DevRig]:
    with DevRig(tmp_path) as made:
        yield made
