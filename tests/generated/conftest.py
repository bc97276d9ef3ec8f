"""Fixtures of the generated programs."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def objects_of_other_tests_aside() -> Iterator[None]:
    """Keep the objects of other tests out of the many collections that the programs are run with."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
