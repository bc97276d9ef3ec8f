"""A page of the development server in Chromium. A message of its console fails a test."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.page_rig import Complaints
from tests.dev.dev_server_rig import Client, dev_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = os.environ.get("DURABLE_CHROMIUM") or shutil.which("chromium-headless-shell")
PATIENCE_MILLISECONDS = 30_000

# The environment of the group browser has it; what cannot be imported cannot be collected.
collect_ignore_glob = [] if importlib.util.find_spec("playwright") else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = f"{Path(__file__).parent}{os.sep}"
    for item in items:  # all of the run's: paths take too long to compare
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    if CHROMIUM is None:
        pytest.skip("there is no chromium-headless-shell")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    made = Complaints()
    yield made
    assert made.are_allowed or made.all == []


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with dev_server(tmp_path / "x.db") as server:
        yield Client(server)


@pytest.fixture
def context(browser: Browser, client: Client) -> Iterator[BrowserContext]:
    made = browser.new_context(
        base_url=client.server.url, viewport={"width": 1280, "height": 800}, locale="en-GB"
    )
    made.set_default_timeout(PATIENCE_MILLISECONDS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, client: Client, complaints: Complaints) -> Page:
    made = context.new_page()
    complaints.watch(made, client.server.url)
    return made
