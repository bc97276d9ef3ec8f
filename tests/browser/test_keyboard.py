"""The keyboard alone is enough, and what has the focus keeps it while events come."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.page_rig import address
from tests.dev.dev_server_rig import Client

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.dev.server import DevServer, ServerOptions

STEPS = 200
KEYS = ["/", "j and k", "Enter", "n", "f", "g e", "g c", "g f", "Escape", "?"]


@pytest.fixture
def arn(client: Client) -> str:
    client.start("order", "second")
    client.until_waiting("second")
    started = client.start("order", "first")
    client.until_waiting("first")
    return started


def selected(page: Page):
    return page.locator(".row.selected")


def test_the_help_names_all_keys(page: Page) -> None:
    page.goto("/executions")
    expect(page.get_by_text("● live")).to_be_visible()
    page.keyboard.press("?")
    help_dialog = page.get_by_role("dialog", name="Keys")
    # A further key belongs here and into the tests below.
    expect(help_dialog.locator("kbd")).to_have_text(KEYS)
    page.keyboard.press("Escape")
    expect(help_dialog).to_have_count(0)
    page.get_by_role("button", name="Keys").click()
    expect(help_dialog).to_be_visible()
    help_dialog.get_by_role("button", name="Close").click()
    expect(help_dialog).to_have_count(0)


def test_the_keys_of_the_list(page: Page, arn: str) -> None:
    page.goto("/executions")
    expect(page.get_by_text("2 executions")).to_be_visible()
    page.keyboard.press("j")
    expect(selected(page)).to_contain_text("first")
    page.keyboard.press("j")
    expect(selected(page)).to_contain_text("second")
    page.keyboard.press("k")
    expect(selected(page)).to_contain_text("first")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    # In a field, letters are letters.
    page.keyboard.type("jkg")
    expect(page.get_by_text("No execution fits")).to_be_visible()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    expect(page.get_by_text("2 executions")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    for key, title in (("f", "5 functions"), ("c", "2 callbacks wait"), ("e", "2 executions")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_text(title)).to_be_visible()


def test_the_keys_of_an_execution(page: Page, arn: str) -> None:
    page.goto(address(arn))
    expect(page.locator(".tree-name a")).to_have_count(4)
    page.keyboard.press("j")
    expect(selected(page)).to_contain_text("group")
    expect(page.get_by_role("complementary", name="group")).to_be_visible()
    page.keyboard.press("j")
    expect(selected(page)).to_contain_text("one")
    page.keyboard.press("k")
    expect(selected(page)).to_contain_text("group")
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)
    page.keyboard.press("n")
    expect(page.get_by_role("complementary", name="charge")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.locator(".tree-name a")).to_have_text(["✕ charge"])
    page.keyboard.press("f")
    expect(page.locator(".tree-name a")).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("appr")
    expect(page.locator(".tree-name a")).to_have_text(["● approval"])


def test_everything_is_reached_by_tab(page: Page, arn: str) -> None:
    page.goto(address(arn))
    expect(page.locator(".tree-name a")).to_have_count(4)
    wanted = page.locator("a[href]:visible, button:enabled:visible, select:visible, input:visible")
    count = wanted.count()
    for index in range(count):
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_count(1)
        if page.locator(":focus").get_attribute("role") == "region":
            page.keyboard.press("Tab")  # A list that can be scrolled has the focus too.
        assert wanted.nth(index).evaluate("(each) => each === document.activeElement"), index
    # The outline of the focus is seen.
    outline = page.locator(":focus").evaluate("(each) => getComputedStyle(each).outlineStyle")
    assert outline != "none"


go_on = threading.Semaphore(0)


@durable_execution
async def busy(event: Any, ctx: DurableContext) -> Any:
    callback = await ctx.create_callback(name="approval")

    def stage() -> int:
        go_on.acquire(timeout=30)
        return 1

    for number in range(STEPS):
        await ctx.step(stage, name=f"stage {number}")
    return await callback


@pytest.fixture
def busy_client(tmp_path: Path) -> Iterator[Client]:
    with DevServer(ServerOptions(store=tmp_path / "busy.db", port=0)) as server:
        server.functions.add_durable("busy", busy.bind)
        server.announce()
        yield Client(server)
        go_on.release(STEPS)


def test_the_focus_stays_in_a_panel_while_events_come(
    browser: Any, busy_client: Client, complaints: Any
) -> None:
    arn = busy_client.start("busy", "first")
    url = busy_client.server.url
    page = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800})
    complaints.watch(page, url)
    page.goto(address(arn))
    page.locator(".tree-name a", has_text="approval").click()
    field = page.get_by_label("Answer as JSON")
    field.fill("")
    field.evaluate("(each) => { globalThis.field = each; }")
    typed = "[" + ", ".join(str(number) for number in range(STEPS)) + "]"
    per_step = -(-len(typed) // STEPS)
    for number in range(STEPS):
        go_on.release()
        page.keyboard.type(typed[number * per_step : (number + 1) * per_step])
    expect(page.get_by_text(re.compile(rf"^{STEPS + 1} operations"))).to_be_visible()
    # The same element has the focus, the text and the caret.
    expect(field).to_have_value(typed)
    expect(field).to_be_focused()
    assert page.evaluate("globalThis.field === document.activeElement")
    assert field.evaluate("(each) => each.selectionStart") == len(typed)
    expect(page.locator(".row.selected")).to_contain_text("approval")
    page.get_by_role("button", name="Succeed").click()
    expect(page.locator("h1 + .status")).to_contain_text("succeeded")
    page.close()
