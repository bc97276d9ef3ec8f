"""Axe finds nothing serious on any screen, in light and dark, wide and narrow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.page_rig import address
from tests.dev.dev_server_rig import Client
from tests.dev.viewer.viewer_rig import saved, viewed

from durable_execution_sdk.dev.viewer.saved_history import SavedHistory

AXE = os.environ.get("DURABLE_AXE")
WIDTHS = (1280, 700, 390)

pytestmark = pytest.mark.skipif(AXE is None, reason="DURABLE_AXE does not name axe.min.js")


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def page(browser: Browser, client: Client, scheme: str) -> Iterator[Page]:
    context = browser.new_context(
        base_url=client.server.url, color_scheme="dark" if scheme == "dark" else "light"
    )
    yield context.new_page()
    context.close()


def check(page: Page) -> None:
    assert AXE is not None
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(Path(AXE).read_text(encoding="utf-8"))
        found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
        assert [
            (each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]
        ] == [], width


def test_every_screen(page: Page, client: Client) -> None:
    page.goto("/executions")
    expect(page.get_by_text("No executions yet")).to_be_visible()
    check(page)
    arn = client.start("order", "first", {"n": 1})
    row = client.until_waiting("first")
    client.start("retries", "r")
    client.start("spread", "s")
    client.until_waiting("s")
    page.goto("/executions")
    expect(page.get_by_text("suspended")).to_be_visible()
    check(page)
    page.goto("/callbacks")
    page.get_by_role("button", name="Answer").first.click()
    expect(page.get_by_label("Answer as JSON")).to_be_visible()
    check(page)
    page.goto("/functions")
    expect(page.get_by_text("5 functions")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Start…").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    page.goto(address(arn))
    page.locator(".timeline-row").first.hover()
    expect(page.get_by_role("tooltip")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Fork…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    for tab in ("timeline", "operations", "history", "payloads", "logs", "invocations"):
        page.goto(address(arn, tab))
        expect(page.locator("h1 + .status")).to_be_visible()
        check(page)
    page.goto(address(arn, query=f"?operation={row['waiting'][0]['id']}"))
    expect(page.get_by_role("complementary", name="approval")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Close the panel").click()
    expect(page.get_by_role("link", name="✕ charge")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("complementary", name="charge")).to_be_visible()
    check(page)
    page.goto(address(arn, "history"))
    page.locator(".history-grid.row").first.click()
    expect(page.get_by_role("complementary", name="Event 1")).to_be_visible()
    check(page)
    page.goto("/executions/nothing")
    expect(page.get_by_text("This execution is not there")).to_be_visible()
    check(page)
    page.goto("/executions?text=nothing")
    expect(page.get_by_text("No execution fits")).to_be_visible()
    check(page)
    client.server.close()
    expect(page.get_by_role("alert")).to_contain_text("The feed is lost")
    check(page)


def test_a_page_that_only_reads(page: Page, client: Client, tmp_path: Path) -> None:
    arn = client.start("order", "first", {"n": 1})
    client.until_waiting("first")
    with viewed(SavedHistory(saved(client, arn, tmp_path / "h.json"))) as viewer:
        for path in ("/executions", address(arn), address(arn, "invocations"), "/callbacks"):
            page.goto(viewer.server.url + path)
            expect(page.locator(".source")).to_be_visible()
            check(page)
