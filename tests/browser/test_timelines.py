"""The timeline of each shape of execution: names on bars, counts of groups, idle time, attempts, and what is awaited."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.gallery import ITEMS, Gallery, gallery
from tests.browser.page_rig import address
from tests.dev.dev_server_rig import Client

MOST_ELEMENTS = 300


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    with gallery(tmp_path_factory.mktemp("gallery") / "x.db") as made:
        yield made


@pytest.fixture
def client(shown: Gallery) -> Client:
    return shown.client


def names(page: Page) -> Locator:
    return page.locator(".tree-name a")


def bar_text(page: Page, name: str) -> Locator:
    return page.locator(".bar-text").filter(has_text=re.compile(f"^{re.escape(name)}"))


def parts(page: Page, kind: str) -> int:
    """Count the segments of a kind that are drawn, each of which begins with a move."""
    path = page.locator(f".plot path.bar-{kind}")
    return (path.get_attribute("d") or "").count("M") if path.count() else 0


def test_an_order_in_its_order(page: Page, shown: Gallery) -> None:
    page.goto(address(shown.arns["order"]))
    expected = [
        "reserve stock",
        "charge card",
        "print label",
        "cooling-off",
        "hand over to carrier",
        "delivery",
        "ask for a review",
    ]
    expect(names(page)).to_have_text([f"✓ {name}" for name in expected])
    texts = page.locator(".bar-text")
    expect(texts).to_have_count(len(expected))
    for name, text in zip(expected, texts.all_text_contents(), strict=True):
        assert text.startswith(name)
    expect(bar_text(page, "delivery")).to_contain_text("3 d")
    # Almost four days in which nothing happened take little room, and say how long they were.
    expect(page.locator(".gap-text")).to_have_text(["20 h", "3 d"])
    widths = [gap.bounding_box() for gap in page.locator(".axis .gap").all()]
    assert all(box is not None and box["width"] < 100 for box in widths)
    assert page.locator("*").count() <= MOST_ELEMENTS


def test_a_map_of_many_items_with_failures_and_retries(page: Page, shown: Gallery) -> None:
    page.goto(address(shown.arns["prices"]))
    failed = len(range(4, ITEMS, 97))
    expect(bar_text(page, "prices")).to_contain_text(f"({ITEMS:,})")
    expect(page.locator(".tree-name small").first).to_have_text(f"{ITEMS:,} · {failed} ✕")
    assert page.locator("*").count() <= MOST_ELEMENTS
    # An item that was tried three times: two failures, two delays, one success.
    page.get_by_role("searchbox").fill("price of 1002")
    expect(names(page)).to_have_text(["✓ prices", "✓ price of 1002"])
    expect(bar_text(page, "price of 1002")).to_contain_text("3 attempts")
    assert [parts(page, kind) for kind in ("bad", "backoff", "good")] == [2, 2, 1]
    page.get_by_role("searchbox").fill("price of 974")
    expect(names(page)).to_have_text(["✓ prices", "✕ price of 974"])
    assert [parts(page, kind) for kind in ("bad", "backoff", "good")] == [1, 0, 0]
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(names(page).filter(has_text="✕").first).to_have_text("✕ price of 4")
    page.keyboard.press("n")
    expect(page.get_by_role("complementary", name="price of 2")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("complementary", name="price of 4")).to_contain_text("has no price")


def test_a_hundred_branches_of_twenty_steps(page: Page, shown: Gallery) -> None:
    page.goto(address(shown.arns["branches"]))
    expect(bar_text(page, "regions")).to_contain_text("(2,100)")
    expect(page.locator(".tree-name small").first).to_have_text("100/100")
    expect(bar_text(page, "region 1 ")).to_contain_text("(20)")
    # Branches are closed at first, and one is opened.
    expect(names(page).nth(2)).to_have_text("✓ region 2")
    page.get_by_role("button", name="Open region 1", exact=True).click()
    expect(names(page).nth(2)).to_have_text("✓ stage 1")
    expect(bar_text(page, "stage 20")).to_be_visible()
    page.get_by_role("button", name="Open all").click()
    assert page.locator("*").count() <= MOST_ELEMENTS
    page.get_by_role("region", name="Operations over time").hover()
    page.mouse.wheel(0, 100_000)
    expect(names(page).last).to_have_text("✓ stage 20")
    assert page.locator("*").count() <= MOST_ELEMENTS


def test_contexts_nested_three_hundred_deep(page: Page, shown: Gallery) -> None:
    page.goto(address(shown.arns["nested"]))
    expect(bar_text(page, "level 1 ")).to_contain_text("(300)")
    expect(bar_text(page, "level 2 ")).to_contain_text("(299)")
    page.get_by_role("region", name="Operations over time").hover()
    page.mouse.wheel(0, 100_000)
    last = names(page).last
    expect(last).to_have_text("✓ the innermost step")
    # Where indents have ended, a number tells the depth, and the name is still in its column.
    expect(page.locator(".tree-name").last).to_have_attribute("data-depth", "301")
    box, axis = last.bounding_box(), page.locator(".axis svg").bounding_box()
    assert box is not None and axis is not None
    assert box["width"] > 60 and box["x"] + box["width"] <= axis["x"]
    assert page.locator("*").count() <= MOST_ELEMENTS
    page.get_by_role("button", name="Close all").click()
    expect(names(page)).to_have_text(["✓ level 1"])


def test_an_approval_of_thirty_days(page: Page, shown: Gallery) -> None:
    page.goto(address(shown.arns["leave"]))
    waits = page.get_by_label("Waits for")
    expect(waits).to_contain_text("approval of the manager waits for an answer, 29 d 23 h left")
    expect(bar_text(page, "approval of the manager")).to_contain_text("waits for an answer, 29 d")
    assert parts(page, "waiting") == 1
    waits.get_by_role("link", name="Answer").click()
    expect(page.get_by_label("Answer as JSON")).to_be_visible()


def test_a_race(page: Page, shown: Gallery) -> None:
    page.goto(address(shown.arns["race"]))
    # Both that run against each other are seen at once, with what each waits for.
    expect(page.get_by_label("Waits for").get_by_role("listitem")).to_have_count(2)
    expect(bar_text(page, "answer of the customer")).to_contain_text("an answer, without a limit")
    # The executions of all these tests began together, some minutes ago.
    expect(bar_text(page, "a day")).to_contain_text(re.compile(r"waits, 23 h 5\d min left"))
    # Nothing runs, so nothing is drawn as if it ran.
    assert parts(page, "running") == 0
    assert parts(page, "waiting") >= 2


def test_a_saga_that_compensated(page: Page, shown: Gallery) -> None:
    page.goto(address(shown.arns["trip"]))
    expect(names(page)).to_have_text(
        ["✓ book hotel", "✓ book flight", "✕ charge card", "✓ cancel flight", "✓ cancel hotel"]
    )
    expect(bar_text(page, "charge card")).to_contain_text("3 attempts")
    assert [parts(page, kind) for kind in ("bad", "backoff", "good")] == [3, 2, 4]
    expect(page.locator("header .message")).to_have_text(
        "CardDeclinedError: The card was declined for 480 EUR"
    )


def test_a_fork_with_its_origin(page: Page, shown: Gallery) -> None:
    page.goto(address(shown.arns["fork"]))
    expect(page.locator("header .title")).to_contain_text("Fork of trip-1 before charge card")
    expect(names(page)).to_have_count(5)
    page.get_by_role("link", name="Fork of trip-1").click()
    expect(page.get_by_role("heading", name="trip-1")).to_be_visible()


def test_timers_invokes_and_callbacks_are_rows(page: Page, shown: Gallery) -> None:
    arn = shown.client.start("timers", "timers-1")
    shown.client.until_waiting("timers-1")
    page.goto(address(arn))
    expect(names(page)).to_have_text(
        ["✓ asyncio timer", "● the order", "● answer", "● asyncio timer"]
    )
    expect(bar_text(page, "asyncio timer").first).to_contain_text("1 h")


def test_the_cause_of_an_error_stands_below_it(page: Page, shown: Gallery) -> None:
    arn = shown.client.start("shipping", "shipping-1")
    shown.client.until_ended("shipping-1")
    page.goto(address(arn))
    names(page).first.click()
    error = page.get_by_role("complementary", name="ship").locator(".error")
    expect(error.get_by_role("heading")).to_have_text("RuntimeError")
    expect(error.get_by_label("Frames of your code")).to_contain_text("in ship")
    expect(error.locator(".cause")).to_have_text(
        "caused by CardDeclinedError: The card was declined for 7 EUR"
    )
