"""The built site, served from this computer, in Chromium. A request to another server fails a test."""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SITE = Path(__file__).parents[2] / "site"
CHROMIUM = os.environ.get("DURABLE_CHROMIUM") or shutil.which("chromium-headless-shell")
PATIENCE_MILLISECONDS = 30_000

# The environment of the group browser has it; what cannot be imported cannot be collected.
collect_ignore = [] if importlib.util.find_spec("playwright") else ["test_in_browser.py"]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and writes no lines about it."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    assert (SITE / "index.html").exists(), "make docs builds the site"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


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
def page(browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context(
        base_url=site, viewport={"width": 1280, "height": 900}, locale="en-GB"
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    made = context.new_page()
    complaints: list[str] = []
    made.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((site, "data:", "blob:"))
            else complaints.append(f"asked {request.url}")
        ),
    )
    made.on(
        "console",
        lambda message: (
            complaints.append(f"{message.type}: {message.text}")
            if message.type in {"warning", "error"}
            else None
        ),
    )
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on(
        "response",
        lambda response: (
            complaints.append(f"{response.status}: {response.url}")
            if response.status >= 400
            else None
        ),
    )
    yield made
    context.close()
    assert complaints == []
