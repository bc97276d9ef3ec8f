"""The applications of the tests, each in a directory of its own, and the command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import durable, place, remote_shop
from tests.doctor.packages import make_package

__all__ = ["durable", "place", "remote_shop"]

_APPLICATIONS = Path(__file__).parent / "applications"


@pytest.fixture
def sam(place: Path) -> Path:
    """Copy the application for SAM into the working directory."""
    shutil.copytree(_APPLICATIONS / "sam", place, dirs_exist_ok=True)
    return place


@pytest.fixture
def cdk(place: Path) -> Path:
    """Copy what CDK made of a stack into cdk.out, with the package of its functions."""
    folder = place / "cdk.out"
    shutil.copytree(_APPLICATIONS / "cdk", folder)
    make_package(folder / "asset.orders", _APPLICATIONS / "sam" / "src")
    return folder
