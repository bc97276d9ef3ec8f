"""The invocations of an execution with their work, and the lines of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.session_rig import SessionClient, declared, session_of

APP = """
from durable_execution_sdk import DurableContext, ReplayLogging, durable_execution

def say(text: str) -> str:
    print("saying", text)
    return text

@durable_execution(replay_logging=ReplayLogging.ALL)
async def asks(event: object, ctx: DurableContext) -> object:
    ctx.logger.info("begun")
    await ctx.step(say, "<i>first</i>", name="greeting")
    await (await ctx.create_callback(name="approval"))
    ctx.logger.info("answered")
    return await ctx.step(say, "last", name="farewell")
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SessionClient]:
    (tmp_path / "app.py").write_text(APP)
    with session_of(tmp_path / "x.db", declared(tmp_path, ["asks"])) as made:
        yield made


@pytest.fixture
def page(browser: Browser, client: SessionClient, complaints: Complaints) -> Iterator[Page]:
    url = client.session.server.url
    made = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800})
    complaints.watch(made, url)
    yield made
    made.close()


def test_what_each_invocation_replayed_and_ran_and_wrote(page: Page, client: SessionClient) -> None:
    arn = client.start("asks", "a")
    client.answer(client.until_waiting("a"))
    client.until_ended("a")
    page.goto(address(arn, "invocations"))
    rows = page.locator(".invocations-grid.row")
    expect(rows).to_have_count(2)
    first, second = rows.first, rows.last
    expect(first).to_contain_text("2 operations, 1 attempt: greeting, approval")
    expect(second.locator(":scope > :nth-child(5)")).to_have_text("2")
    expect(second).to_contain_text("1 operation, 1 attempt: farewell")
    expect(second).to_contain_text("MB")
    second.get_by_role("link", name="farewell").click()
    expect(page.get_by_role("complementary", name="farewell")).to_be_visible()
    page.get_by_role("link", name="logs", exact=True).click()
    expect(page.locator(".logs-head")).to_have_count(2)
    expect(page.locator(".logs-head").first).to_contain_text("Invocation 1")
    lines = page.locator(".logs-grid.row")
    expect(lines).to_have_count(5)
    # Written by both invocations; the second one replayed it.
    expect(lines.filter(has_text="begun")).to_have_count(2)
    replayed = page.locator(".logs-grid.replayed")
    expect(replayed).to_have_count(1)
    expect(replayed).to_contain_text("begun")
    page.locator(".logs-head").last.get_by_role("button", name="Its lines alone").click()
    expect(lines).to_have_count(3)
