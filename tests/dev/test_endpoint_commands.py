"""The commands at an endpoint: at `durable dev`, over HTTP and without a look at its store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.endpoint_suite import CODE, EndpointSuite, InvokedEndpoint
from tests.cli.process import running

pytestmark = pytest.mark.dev


class Dev(InvokedEndpoint):
    """`durable dev` as a process."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    folder = tmp_path_factory.mktemp("served")
    with running(folder, "dev", str(CODE), "--port", "0") as process:
        dev = Dev()
        dev.url = process.until("listens at").split("listens at ")[1].split()[0]
        process.until("start one with")
        yield dev


class TestDev(EndpointSuite):
    """The suite at `durable dev`."""
