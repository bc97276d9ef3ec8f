"""A page of the development server in Chromium. A message of the console, or a request that fails, fails a test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright
from tests.dev.dev_server_rig import Client, dev_server

CHROMIUM = os.environ.get("DURABLE_CHROMIUM") or shutil.which("chromium-headless-shell")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium-headless-shell")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


class Complaints:
    """What a page complained of; ``are_allowed`` for a test that cuts the page off from its server."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.are_allowed = False

    def watch(self, page: Page, url: str) -> None:
        page.on("console", lambda message: self.all.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.all.append(str(error)))

        def asked(request: Request) -> None:
            if not request.url.startswith((url, "data:")):
                self.all.append(f"a request to {request.url}")

        page.on("request", asked)


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
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, client: Client, complaints: Complaints) -> Page:
    made = context.new_page()
    complaints.watch(made, client.server.url)
    return made
