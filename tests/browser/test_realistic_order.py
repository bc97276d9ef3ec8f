"""An order of many items in a process: the page is read at a glance, and says what came of each action."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.session_rig import SessionClient, declared, session_of

from durable_execution_sdk.rendering.log_lines import log_text

LONG = "a review by a person with a name that is much longer than the column of the list can be"

APP = f"""
import time
from dataclasses import dataclass
from durable_execution_sdk import CallbackConfig, DurableContext, Duration, durable_execution

@dataclass
class Approval:
    approved: bool

def price(sku: int) -> int:
    time.sleep(0.03)
    return sku

async def price_one(ctx: DurableContext, sku: int, index: int) -> int:
    return await ctx.step(price, sku, name="price")

@durable_execution
async def order(event: object, ctx: DurableContext) -> object:
    ctx.log_info("an order came", customer="Ada Lovelace", items=24)
    await ctx.map(list(range(24)), price_one, name="prices")
    config = CallbackConfig(timeout=Duration.from_days(3), result_type=Approval)
    await (await ctx.create_callback(name="approval", config=config))
    await ctx.step(price, 1, name="charge")
    await ctx.wait(Duration.from_days(30), name="cooling-off")

@durable_execution
async def race(event: object, ctx: DurableContext) -> object:
    deadline = ctx.wait(Duration.from_hours(3), name="deadline")
    review = await ctx.create_callback(name="{LONG}")
    return await ctx.race(deadline, review)
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SessionClient]:
    (tmp_path / "app.py").write_text(APP)
    with session_of(tmp_path / "x.db", declared(tmp_path, ["order", "race"])) as made:
        yield made


@pytest.fixture
def page(browser: Browser, client: SessionClient, complaints: Complaints) -> Iterator[Page]:
    url = client.session.server.url
    made = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800})
    complaints.watch(made, url)
    yield made
    made.close()


@pytest.fixture
def arn(client: SessionClient) -> str:
    started = client.start("order", "o")
    client.until_activity("o", "asking")
    return started


def test_a_group_begins_no_later_than_what_is_inside(page: Page, arn: str) -> None:
    page.goto(address(arn, "operations"))
    began = page.locator(".operations-grid.row > :nth-child(5)")
    expect(began.nth(4)).to_be_visible()
    # The map, its first item, and the step in it.
    times = began.all_inner_texts()[:3]
    assert times == sorted(times)
    page.locator(".tree-name a", has_text="price").nth(1).click()
    panel = page.get_by_role("complementary", name="price")
    first = panel.locator(".attempts li").first
    expect(first).to_contain_text(re.compile(r"\d ms"))
    # The attempt began when the operation did.
    start = panel.locator(".facts dd").first.inner_text()
    expect(first).to_contain_text(start)


def test_the_operation_of_an_address_is_scrolled_to(page: Page, arn: str) -> None:
    page.goto(address(arn))
    page.get_by_label("Waits for").get_by_role("link", name="Answer").click()
    row = page.locator(".timeline-row.selected")
    expect(row).to_contain_text("approval")
    expect(row).to_be_in_viewport()
    page.reload()
    expect(row).to_be_in_viewport()
    # In a group that was closed, too.
    page.get_by_role("button", name="Open all").click()
    page.locator(".tree-name a", has_text="price").last.click()
    expect(page.get_by_role("complementary", name="price")).to_be_visible()
    link = page.url
    page.get_by_role("button", name="Close all").click()
    page.goto(link)
    expect(row).to_contain_text("price")
    expect(row).to_be_in_viewport()


def test_no_card_lies_over_the_panel_of_its_operation(page: Page, arn: str) -> None:
    page.goto(address(arn))
    name = page.locator(".timeline-row .tree-name a", has_text="prices")
    name.hover()
    expect(page.get_by_role("tooltip")).to_be_visible()
    name.click()
    expect(page.get_by_role("complementary", name="prices")).to_be_visible()
    page.mouse.move(700, 40)
    name.hover()
    expect(page.get_by_role("tooltip")).to_have_count(0)
    page.locator(".timeline-row .tree-name a", has_text="map-item-1").first.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("map-item-1")


def test_lines_have_their_fields_as_the_command_has_them(
    page: Page, arn: str, client: SessionClient
) -> None:
    page.goto(address(arn, "logs"))
    line = page.locator(".logs-grid.row code").first
    expect(line).to_have_text('INFO an order came customer="Ada Lovelace" items=24')
    [written] = client.get(f"/_durable/executions/{arn.replace('/', '%2F')}/logs")["lines"]
    assert line.inner_text() == log_text(written["text"])
    expect(page.get_by_text("1 line", exact=True)).to_be_visible()


def test_a_timeout_is_named_and_a_wrong_answer_by_its_field(
    page: Page, arn: str, complaints: Complaints
) -> None:
    complaints.are_allowed = True  # A refusal is an error of the console, too.
    page.goto(address(arn))
    page.get_by_role("link", name="Answer").click()
    panel = page.get_by_role("complementary", name="approval")
    expect(panel.get_by_role("button", name="Let it time out now")).to_be_visible()
    panel.get_by_role("button", name="JSON").click()
    panel.get_by_role("textbox", name="Answer as JSON").fill('{"approved": "yes"}')
    panel.get_by_role("button", name="Succeed").click()
    expect(panel.get_by_role("status")).to_have_text('approved: expected true or false, not "yes"')


def test_each_action_says_its_outcome_on_its_own_screen(
    page: Page, arn: str, client: SessionClient
) -> None:
    client.answer(client.until_activity("o", "asking"), json.dumps({"approved": True}))
    client.until_activity("o", "suspended")
    page.goto(address(arn))
    expect(page.get_by_label("Waits for")).to_contain_text("cooling-off waits, 29 d 23 h left")
    page.get_by_role("button", name="Crash…").click()
    dialog = page.get_by_role("dialog")
    # What a fault at a checkpoint asks for is asked with it alone.
    expect(dialog.get_by_label("Checkpoint")).to_have_count(0)
    dialog.get_by_label("Fault").select_option("crash_after")
    expect(dialog.get_by_label("Checkpoint")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Advance…").click()
    dialog.get_by_label("By", exact=True).fill("10d")
    dialog.get_by_role("button", name="Advance").click()
    expect(page.get_by_text("Time goes on by 10d.")).to_be_visible()
    page.get_by_role("button", name="Stop…").click()
    dialog.get_by_role("button", name="Stop").click()
    message = page.locator(".messages")
    expect(message).to_contain_text("Stopped.")
    # No reason was given, and there is no error without words.
    expect(page.locator(".execution-head .message")).to_have_count(0)
    page.get_by_role("link", name="Executions").click()
    expect(page.get_by_text("1 execution", exact=True)).to_be_visible()
    expect(message).to_have_count(0)


def test_a_fork_offers_what_it_has(page: Page, arn: str, client: SessionClient) -> None:
    client.answer(client.until_activity("o", "asking"), json.dumps({"approved": True}))
    client.until_activity("o", "suspended")
    page.goto(address(arn))
    page.get_by_role("button", name="Fork…").click()
    offered = page.get_by_label("Another result of").locator("option")
    expect(offered.filter(has_text="prices / map-item-3 / price")).to_have_count(1)
    expect(offered.filter(has_text="charge")).to_have_count(1)
    expect(page.get_by_label("That result")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_label("Find an operation").fill("approval")
    page.locator(".tree-name a", has_text="approval").click()
    page.get_by_role("button", name="Fork before this…").click()
    expect(offered.filter(has_text="prices / map-item-3 / price")).to_have_count(1)
    # It comes after the cut.
    expect(offered.filter(has_text="charge")).to_have_count(0)


def test_a_long_name_does_not_hide_the_wait(page: Page, client: SessionClient) -> None:
    client.start("race", "r")
    client.until_activity("r", "asking")
    page.goto("/executions")
    waits = page.locator(".row .waits")
    expect(waits).to_have_text(re.compile(r"^a review .*…: an answer, without a limit \+1$"))
    expect(waits).to_have_attribute("title", f"{LONG}: an answer, without a limit +1")
    assert waits.evaluate("(each) => each.scrollWidth <= each.clientWidth")
    right = page.locator(".executions-grid.row > .number").last
    assert right.evaluate("(each) => getComputedStyle(each).textAlign") == "right"


def test_a_narrow_screen_is_filled_and_shows_the_chosen_tab(page: Page, arn: str) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(address(arn, "invocations"))
    expect(page.locator(".tabs [aria-current]")).to_be_in_viewport()
    page.goto(address(arn))
    expect(page.locator(".timeline-row").first).to_be_visible()
    box = page.locator(".rows").bounding_box()
    assert box is not None and box["y"] + box["height"] >= 899
