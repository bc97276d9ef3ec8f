"""A held execution: the recorded and the asked operation side by side, and the choices."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.page_rig import address
from tests.dev.reload.reload_rig import ReloadRig

BEFORE = """
from durable_execution_sdk import DurableContext, durable_execution

def one() -> int:
    return 1

@durable_execution
async def order(event: object, ctx: DurableContext) -> object:
    await ctx.step(one, name="{name}")
    return await (await ctx.create_callback(name="approval"))
"""


@pytest.fixture
def held(tmp_path: Path):
    file = tmp_path / "app.py"
    file.write_text(BEFORE.format(name="charge"))
    with ReloadRig(tmp_path, "app.py") as rig:
        arn = rig.start("first")
        rig.until(arn, lambda: bool(list(rig.emulator.operations(arn))[2:]))
        file.write_text(BEFORE.format(name="pay"))
        rig.news.until(lambda: "first" in rig.news.findings)
        yield rig, arn


def opened(browser: Browser, rig: ReloadRig, arn: str) -> Page:
    page = browser.new_page(base_url=rig.session.server.url)
    page.goto(address(arn))
    return page


@pytest.mark.smoke
def test_the_sides_and_the_choices(browser: Browser, held) -> None:
    rig, arn = held
    page = opened(browser, rig, arn)
    notice = page.get_by_role("region", name="Held")
    expect(notice.locator(".side").first).to_contain_text("charge")
    expect(notice.locator(".side").last).to_contain_text("pay")
    expect(notice.locator(".side").last).to_contain_text("app.py:9, in order")
    expect(notice.locator(".side").last).to_contain_text('await ctx.step(one, name="pay")')
    notice.get_by_role("button", name="Fork before this operation…").click()
    dialog = page.get_by_role("dialog", name="Fork before charge")
    dialog.get_by_label("Name of the new execution").fill("second")
    dialog.get_by_role("button", name="Fork").click()
    expect(page.get_by_role("heading", name="second")).to_be_visible()
    expect(page.locator("h1 + .status")).to_contain_text("asking")
    expect(page.get_by_role("link", name="✓ pay")).to_be_visible()
    page.close()


def test_a_further_edit_that_fits_lets_it_go_on(browser: Browser, held) -> None:
    rig, arn = held
    page = opened(browser, rig, arn)
    expect(page.get_by_role("region", name="Held")).to_be_visible()
    (rig.folder / "app.py").write_text(BEFORE.format(name="charge"))
    expect(page.get_by_role("region", name="Held")).to_have_count(0)
    expect(page.locator("h1 + .status")).to_contain_text("asking")
    page.close()


def test_it_runs_on_and_fails_as_the_rehearsal_said(browser: Browser, held) -> None:
    rig, arn = held
    page = opened(browser, rig, arn)
    page.get_by_role("link", name="approval").first.click()
    page.get_by_role("button", name="Succeed").click()
    page.get_by_role("button", name="Run on anyway…").click()
    page.get_by_role("button", name="Run on", exact=True).click()
    expect(page.locator("h1 + .status")).to_contain_text("failed")
    expect(page.get_by_text("DeterminismError").first).to_be_visible()
    page.close()


def test_the_functions_screen_tells_the_last_load_and_its_rehearsals(
    browser: Browser, held
) -> None:
    rig, _ = held
    page = browser.new_page(base_url=rig.session.server.url)
    page.goto("/functions")
    function = page.get_by_role("article").filter(has_text="order")
    expect(function).to_contain_text("1 open execution rehearsed with it: 0 fine, 1 held")
    rehearsals = page.get_by_role("list", name="Rehearsals of order")
    expect(rehearsals).to_contain_text("! held first the log has: step 'charge'")
    rehearsals.get_by_role("link", name="first").click()
    expect(page.get_by_role("heading", name="first", exact=True)).to_be_visible()
    page.close()
