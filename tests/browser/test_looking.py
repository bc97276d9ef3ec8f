"""The card beside the pointer, copies, titles, icons, times, large payloads, and the first start."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.dev_server_rig import Client, execution

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.dev.server import DevServer, ServerOptions

LARGE = 200_000


@pytest.fixture
def arn(client: Client) -> str:
    started = client.start("order", "first", {"n": 1})
    client.until_waiting("first")
    return started


LISTEN = """(button) => {
    globalThis.said = [];
    new MutationObserver(() => said.push(button.textContent))
        .observe(button, {characterData: true, subtree: true, childList: true});
}"""


def until(ask: Callable[[], object], wanted: object) -> None:
    deadline = time.monotonic() + 30
    while (answer := ask()) != wanted:
        assert time.monotonic() < deadline, answer


def row(page: Page, name: str) -> Locator:
    return page.locator(".timeline-row, .operations-grid").filter(has_text=name)


@pytest.mark.parametrize("tab", ["timeline", "operations"])
def test_a_card_beside_the_pointer(page: Page, arn: str, tab: str) -> None:
    payloads: list[str] = []
    page.on("request", lambda each: payloads.append(each.url) if "/payload?" in each.url else None)
    page.goto(address(arn, tab))
    expect(page.locator(".tree-name a")).to_have_count(4)
    assert payloads == []
    card = page.get_by_role("tooltip")
    row(page, "one").hover()
    expect(card).to_contain_text("step, succeeded")
    expect(card).to_contain_text(re.compile(r"from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC"))
    expect(card.locator("pre")).to_have_text("1")
    assert len(payloads) == 1
    # The card can be pointed at, so that its text can be read at leisure.
    card.hover()
    expect(card).to_contain_text("step, succeeded")
    row(page, "charge").hover()
    expect(card).to_contain_text("DeclinedError: no money")
    row(page, "approval").hover()
    expect(card).to_contain_text("waits for an answer, without a limit")
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    row(page, "group").hover()
    expect(card).to_contain_text("context, succeeded")
    page.get_by_role("heading", name="first").hover()
    expect(card).to_have_count(0)


def test_copies(context: BrowserContext, page: Page, arn: str, client: Client) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address(arn))

    def copied(button: Locator) -> Any:
        # What the button says is kept, since it says it for a moment only.
        button.evaluate(LISTEN)
        name = button.text_content()
        button.click()
        until(lambda: page.evaluate("globalThis.said"), ["Copied", name])
        return page.evaluate("navigator.clipboard.readText()")

    assert copied(page.get_by_role("button", name="Copy ARN")) == arn
    page.locator(".tree-name a", has_text="one").click()
    panel = page.get_by_role("complementary", name="one")
    assert copied(page.get_by_role("button", name="Copy link")) == page.url
    assert "operation=" in page.url
    operation = next(
        each for each in client.get(execution("first"))["operations"] if each["name"] == "one"
    )
    assert copied(panel.locator(".facts").get_by_role("button", name="Copy")) == operation["id"]
    assert copied(panel.locator(".payload").get_by_role("button", name="Copy")) == "1"
    page.goto(address(arn, "payloads"))
    text = copied(page.locator(".payload").get_by_role("button", name="Copy"))
    assert json.loads(text) == {"n": 1}


def test_a_browser_that_copies_nothing(page: Page, arn: str) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(address(arn))
    page.get_by_role("button", name="Copy ARN").click()
    expect(page.get_by_role("alert")).to_contain_text("select the text instead")
    page.get_by_role("button", name="Close the message").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_title_and_the_icon_tell_the_status(page: Page, client: Client) -> None:
    icon = page.locator("link[rel=icon]")
    page.goto("/executions")
    expect(page).to_have_title("Executions · durable dev")
    expect(icon).to_have_attribute("href", "/page/icon.svg")
    arn = client.start("order", "first")
    client.until_waiting("first")
    expect(page).to_have_title("(1) Executions · durable dev")
    expect(icon).to_have_attribute("href", "/page/icon_open.svg")
    page.goto(address(arn))
    expect(page).to_have_title("● first, asking · durable dev")
    expect(icon).to_have_attribute("href", "/page/icon_open.svg")
    client.answer(client.until_waiting("first"))
    expect(page).to_have_title("✓ first, succeeded · durable dev")
    expect(icon).to_have_attribute("href", "/page/icon_good.svg")
    stopped = client.start("order", "second")
    client.until_waiting("second")
    page.goto(address(stopped))
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page).to_have_title("■ second, stopped · durable dev")
    expect(icon).to_have_attribute("href", "/page/icon_off.svg")


def test_times_are_local_with_utc_beside(browser: Browser, client: Client, arn: str) -> None:
    context = browser.new_context(
        base_url=client.server.url, locale="en-GB", timezone_id="Asia/Kolkata"
    )
    page = context.new_page()
    started = client.get(execution("first"))["execution"]["start_timestamp"]
    utc = f"{started.replace('T', ' ').removesuffix('Z')} UTC"
    hour, minute = (int(part) for part in started[11:16].split(":"))
    minutes = (hour * 60 + minute + 330) % 1_440
    local = f"{minutes // 60:02}:{minutes % 60:02}"
    page.goto("/executions")
    expect(page.get_by_title(utc)).to_contain_text(local)
    page.goto(address(arn))
    expect(page.locator("header").get_by_title(utc)).to_contain_text(local)
    for part in ("operations", "history", "invocations"):
        page.goto(address(arn, part))
        cell = page.locator(".row .number[title$=UTC]").first
        expect(cell).to_be_visible()
        shown, told = cell.text_content() or "", cell.get_attribute("title") or ""
        assert shown[2:8] != told[13:19] and shown[6:12] == told[17:23]
    context.close()


@durable_execution
async def large(event: Any, ctx: DurableContext) -> Any:
    await ctx.step(lambda: list(range(LARGE // 6)), name="numbers")
    return await ctx.step(lambda: 1, name="one")


@pytest.fixture
def large_client(tmp_path: Path) -> Iterator[Client]:
    with DevServer(ServerOptions(store=tmp_path / "large.db", port=0)) as server:
        server.functions.add_durable("large", large.bind)
        server.announce()
        yield Client(server)


def test_a_large_payload_is_cut_until_all_is_wanted(
    browser: Browser, large_client: Client, complaints: Complaints
) -> None:
    text = "x" * LARGE
    arn = large_client.start("large", "first", {"text": text})
    large_client.until_ended("first")
    url = large_client.server.url
    page = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800})
    complaints.watch(page, url)
    page.goto(address(arn, "payloads"))
    shown = page.locator(".payload").first.locator("pre")
    expect(shown).to_contain_text("xxx")
    assert len(shown.text_content() or "") == 65_536
    page.get_by_role("button", name=re.compile(r"^Show all 200,\d\d\d characters")).click()
    expect(page.get_by_role("button", name="Show all")).to_have_count(0)
    assert json.loads(shown.text_content() or "") == {"text": text}
    # A look does not fetch it.
    payloads: list[str] = []
    page.on("request", lambda each: payloads.append(each.url) if "/payload?" in each.url else None)
    page.get_by_role("link", name="Timeline").click()
    row(page, "numbers").hover()
    expect(page.get_by_role("tooltip")).to_contain_text("Too large for a look")
    assert payloads == []
    page.close()


def test_a_newcomer_starts_an_execution_from_the_empty_list(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("An execution is one run of a durable function")).to_be_visible()
    page.get_by_role("button", name="Start order…").click()
    page.get_by_role("dialog").get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_label("Waits for")).to_contain_text("approval")
