"""The screen of all executions."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.browser.page_rig import Complaints
from tests.dev.dev_server_rig import Client, dev_server


def row(page: Page, name: str):
    return page.get_by_role("link").filter(has=page.get_by_text(name, exact=True))


@pytest.mark.smoke
def test_without_executions_the_page_shows_how_to_start_one(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("No executions yet")).to_be_visible()
    expect(page.get_by_text("durable start order --input '{}'")).to_be_visible()


@pytest.mark.smoke
def test_an_execution_appears_and_changes_without_a_reload(page: Page, client: Client) -> None:
    page.goto("/executions")
    expect(page.get_by_text("No executions yet")).to_be_visible()
    client.start("order", "first")
    expect(row(page, "first")).to_contain_text("asking")
    expect(row(page, "first")).to_contain_text("approval: an answer, without a limit")
    expect(page.get_by_role("link", name="Callbacks 1")).to_be_visible()
    client.answer(client.until_waiting("first"))
    expect(row(page, "first")).to_contain_text("succeeded")
    expect(page.get_by_role("link", name="Callbacks 1")).to_have_count(0)


def test_a_filter_is_in_the_address_and_holds_for_what_comes(page: Page, client: Client) -> None:
    for name in ("apple", "apricot", "pear"):
        client.start("order", name)
        client.until_waiting(name)
    page.goto("/executions")
    page.keyboard.press("/")
    page.keyboard.type("ap")
    expect(row(page, "pear")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"\?text=ap$"))
    client.start("order", "grape")
    client.start("order", "plum")
    expect(row(page, "grape")).to_be_visible()
    expect(row(page, "plum")).to_have_count(0)
    page.get_by_label("status").select_option("SUCCEEDED")
    expect(page.get_by_text("No execution fits")).to_be_visible()
    page.go_back()
    expect(row(page, "apple")).to_be_visible()
    page.reload()
    expect(row(page, "pear")).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_have_value("ap")


@pytest.mark.smoke
def test_the_keyboard_selects_and_opens(page: Page, client: Client) -> None:
    for name in ("a", "b"):
        client.start("order", name)
        client.until_waiting(name)
    page.goto("/executions")
    expect(row(page, "a")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".row.selected")).to_contain_text("a")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="b", exact=True)).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_text("2 callbacks wait for an answer")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_focus_stays_while_rows_come(page: Page, client: Client) -> None:
    client.start("order", "first")
    page.goto("/executions")
    row(page, "first").focus()
    for number in range(3):
        client.start("order", f"later-{number}")
        expect(row(page, f"later-{number}")).to_be_visible()
    expect(row(page, "first")).to_be_focused()


def test_ten_tabs_are_live(context: BrowserContext, client: Client, complaints: Complaints) -> None:
    pages = [context.new_page() for _ in range(10)]
    for each in pages:
        complaints.watch(each, client.server.url)
        each.goto("/executions")
        expect(each.get_by_text("● live")).to_be_visible()
    client.start("order", "first")
    for each in pages:
        expect(row(each, "first")).to_contain_text("asking")
    # The tab that holds the feed is closed, and another one takes it.
    pages[0].close()
    client.answer(client.until_waiting("first"))
    for each in pages[1:]:
        expect(row(each, "first")).to_contain_text("succeeded")


def test_ten_tabs_of_ten_executions_are_live(
    context: BrowserContext, client: Client, complaints: Complaints
) -> None:
    pages = []
    for number in range(10):
        client.start("order", f"e{number}")
        client.until_waiting(f"e{number}")
        each = context.new_page()
        complaints.watch(each, client.server.url)
        each.goto(f"/executions/e{number}")
        expect(each.get_by_text("● live")).to_be_visible()
        pages.append(each)
    for number, each in enumerate(pages):
        client.answer(client.until_waiting(f"e{number}"))
        expect(each.locator("h1 + .status")).to_contain_text("succeeded")
        # The operation comes with the details, which the list does not have.
        expect(each.get_by_role("link", name="✓ approval")).to_be_visible()


def test_a_lost_feed_is_told_and_comes_back(
    page: Page, client: Client, complaints: Complaints
) -> None:
    complaints.are_allowed = True
    client.start("order", "first")
    page.goto("/executions")
    expect(row(page, "first")).to_contain_text("asking")
    store, port = client.server._options.store, int(client.server.url.rpartition(":")[2])
    client.server.close()
    expect(page.get_by_role("alert")).to_contain_text("The feed is lost")
    with dev_server(store, port=port) as server:
        again = Client(server)
        again.start("order", "second")
        expect(row(page, "second")).to_contain_text("asking")
        expect(page.get_by_role("alert")).to_have_count(0)
        again.answer(again.until_waiting("first"))
        expect(row(page, "first")).to_contain_text("succeeded")


def test_more_executions_than_one_page_come_as_they_are_scrolled_to(
    page: Page, client: Client
) -> None:
    for number in range(450):
        client.start("spread", f"e{number}")
    page.goto("/executions")
    expect(page.get_by_text("at least 200 executions")).to_be_visible()
    rows = page.get_by_role("region", name="Executions")
    rows.hover()
    for count in ("at least 400 executions", "450 executions"):
        page.mouse.wheel(0, 20_000)
        expect(page.get_by_text(count, exact=True)).to_be_visible()
    page.mouse.wheel(0, 20_000)
    expect(row(page, "e0")).to_be_visible()
    assert page.locator("*").count() <= 300
