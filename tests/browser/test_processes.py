"""The page of functions in processes: their lines, the positions of their code, crashes, and time that passes idly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.session_rig import SessionClient, declared, session_of

APP = """
import time
from durable_execution_sdk import CallbackConfig, DurableContext, Duration, durable_execution

def say(text: str) -> str:
    print(f"saying <b>{text}</b> \\u202e")
    return text

def endless() -> None:
    print("the step has begun")
    time.sleep(600)

@durable_execution
async def month(event: object, ctx: DurableContext) -> object:
    await ctx.step(say, "first", name="greeting")
    approval = await ctx.create_callback(
        name="approval", config=CallbackConfig(timeout=Duration.from_days(30))
    )
    await approval
    return await ctx.step(say, "last", name="farewell")

@durable_execution
async def stuck(event: object, ctx: DurableContext) -> object:
    return await ctx.step(endless, name="endless")
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SessionClient]:
    (tmp_path / "app.py").write_text(APP)
    functions = declared(tmp_path, ["month", "stuck"])
    with session_of(tmp_path / "x.db", functions) as made:
        yield made


@pytest.fixture
def page(browser: Browser, client: SessionClient, complaints: Complaints) -> Iterator[Page]:
    url = client.session.server.url
    made = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800})
    complaints.watch(made, url)
    yield made
    made.close()


def test_lines_and_positions_of_code(page: Page, client: SessionClient) -> None:
    arn = client.start("month", "m")
    client.until_activity("m", "asking")
    page.goto(address(arn, "logs"))
    line = page.locator(".logs-grid.row")
    expect(line).to_contain_text("saying <b>first</b> \\u202e")
    line.click()
    expect(page.get_by_role("complementary", name="Line")).to_contain_text("stdout")
    page.goto(address(arn))
    page.get_by_role("link", name="✓ greeting").click()
    expect(page.get_by_role("complementary", name="greeting")).to_contain_text(
        "app.py:15, in month"
    )
    client.answer(client.until_activity("m", "asking"))
    expect(page.get_by_role("link", name="✓ farewell")).to_be_visible()
    page.get_by_role("link", name="logs", exact=True).click()
    expect(page.locator(".logs-grid.row")).to_have_count(2)


def test_a_month_is_cut_short_and_shown_whole(page: Page, client: SessionClient) -> None:
    arn = client.start("month", "m")
    client.until_activity("m", "asking")
    page.goto(address(arn))
    expect(page.get_by_label("Waits for")).to_contain_text("an answer, 29 d 23 h left")
    page.get_by_role("button", name="Advance…").click()
    page.get_by_label("By", exact=True).fill("20d")
    page.get_by_role("button", name="Advance", exact=True).click()
    expect(page.get_by_label("Waits for")).to_contain_text("9 d 23 h left")
    expect(page.locator(".gap-text")).to_have_text("20 d")
    narrow = page.locator(".axis .gap").bounding_box()
    assert narrow is not None and narrow["width"] < 100
    page.get_by_role("button", name="Cut idle time").click()
    expect(page.locator(".gap")).to_have_count(0)
    expect(page.locator(".tick").last).to_contain_text("d")


def test_a_part_of_the_time_is_enlarged(page: Page, client: SessionClient) -> None:
    arn = client.start("month", "m")
    client.answer(client.until_activity("m", "asking"))
    client.until_ended("m")
    page.goto(address(arn))
    expect(page.get_by_role("link", name="✓ farewell")).to_be_visible()
    axis = page.get_by_role("img", name="Time axis")
    box = axis.bounding_box()
    assert box is not None
    before = page.locator(".axis .invocation").first.get_attribute("d")
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 10)
    page.mouse.up()
    expect(page.get_by_role("button", name="Whole time")).to_be_visible()
    expect(page.locator(".axis .invocation").first).not_to_have_attribute("d", before or "")
    axis.dblclick()
    expect(page.get_by_role("button", name="Whole time")).to_have_count(0)
    expect(page.locator(".axis .invocation").first).to_have_attribute("d", before or "")


def test_a_crash_is_survived(page: Page, client: SessionClient) -> None:
    arn = client.start("stuck", "s")
    page.goto(address(arn, "logs"))
    expect(page.locator(".logs-grid.row")).to_have_count(1)
    page.get_by_role("button", name="Crash…").click()
    page.get_by_role("button", name="Crash", exact=True).click()
    expect(page.get_by_text("The process was killed.")).to_be_visible()
    expect(page.locator(".logs-grid.row")).to_have_count(2)
    page.get_by_role("link", name="Invocations").click()
    expect(page.locator(".invocations-grid.row").first).to_contain_text("Runtime.ExitError")
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("h1 + .status")).to_contain_text("stopped")
    client.session.hurry()
