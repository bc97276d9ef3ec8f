"""The status that code sets: in the list, in the header of an execution, and in its history."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.page_rig import address
from tests.dev.dev_server_rig import Client, tells

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


def told(client: Client, status: Any) -> str:
    client.server.functions.add_durable("tells", tells.bind)
    arn = client.start("tells", "t", status)
    client.until_waiting("t")
    return arn


def header(page: Page) -> Locator:
    return page.locator(".custom-status")


def test_progress_is_a_bar_that_grows_without_a_reload(page: Page, client: Client) -> None:
    arn = told(client, {"done": 1, "total": 4, "label": "answers"})
    page.goto(address(arn))
    expect(header(page)).to_contain_text("answers: 1 of 4 (25 %)")
    bar = page.get_by_role("progressbar", name="Progress that the code has reported")
    expect(bar).to_have_attribute("value", "0.25")
    client.answer(client.until_waiting("t"))
    expect(header(page)).to_contain_text("answers: 2 of 2 (100 %)")
    expect(bar).to_have_attribute("value", "1")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("reads the file", "reads the file"),
        ({"phase": 2}, '{"phase":2}'),
        ({"done": 3, "total": None}, "3 done"),
    ],
)
def test_another_status_is_a_text(page: Page, client: Client, status: Any, text: str) -> None:
    page.goto(address(told(client, status)))
    expect(header(page)).to_contain_text(f"Status {text} set ")
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_it_is_in_the_list_and_no_row_of_the_timeline(page: Page, client: Client) -> None:
    arn = told(client, {"done": 1, "total": 4, "label": "answers"})
    client.start("order", "silent")
    client.until_waiting("silent")
    page.goto("/executions")
    row = page.get_by_role("link").filter(has_text="tells")
    expect(row).to_contain_text("answers: 1 of 4 (25 %); approval")
    silent = page.get_by_role("link").filter(has_text="silent")
    expect(silent.locator(".waits b")).to_have_count(0)
    row.click()
    expect(page).to_have_url(f"{client.server.url}{address(arn)}")
    expect(page.locator(".tree-name a")).to_have_text(["✓ first", "● approval"])
    page.get_by_role("link", name="History").click()
    events = page.locator(".history-grid.row").filter(has_text="StatusSet")
    expect(events).to_have_count(2)


def test_a_status_is_text_and_no_markup(page: Page, client: Client) -> None:
    arn = told(client, HOSTILE)
    page.goto(address(arn))
    expect(header(page)).to_contain_text("<img src=x onerror=alert(1)>")
    expect(header(page)).not_to_contain_text("\u202e")
    expect(header(page).locator("img")).to_have_count(0)
    page.goto("/executions")
    expect(page.locator(".waits").first).to_contain_text("<img src=x onerror=alert(1)>")
