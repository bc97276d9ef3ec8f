"""The site in Chromium: its navigation, its search, its two modes, on a desktop and on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "site"
ALL = sorted(page.relative_to(SITE).as_posix() for page in SITE.rglob("*.html"))
PAGES = [
    "index.html",
    "steps.html",
    "page.html",
    "reference/context.html",
    "reference/command.html",
]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

# Luminance of the page's background, from 0 to 255.
BRIGHTNESS = """() => {
    const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
    return 0.3 * r + 0.6 * g + 0.1 * b;
}"""

# The search is in a closed shadow tree, which tests cannot see.
OPEN_SHADOWS = """(() => {
    const attach = Element.prototype.attachShadow;
    Element.prototype.attachShadow = function (options) {
        return attach.call(this, {...options, mode: "open"});
    };
})()"""


def test_no_page_asks_another_server_or_complains(page: Page) -> None:
    """Load each page: the fixture looks at its requests and at its console."""
    assert len(ALL) > 50
    for address in ALL:
        page.goto(f"/{address}", wait_until="load")
        expect(page.locator("h1").first).to_be_visible()
    page.wait_for_load_state("networkidle")


def test_the_navigation_leads_from_section_to_page(page: Page) -> None:
    page.goto("/index.html")
    tabs = page.get_by_role("navigation", name="Tabs")
    for title in ("Start", "Guides", "Reference", "Coming from", "Examples"):
        expect(tabs.get_by_role("link", name=title, exact=True)).to_be_visible()
    tabs.get_by_role("link", name="Reference", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Reference")
    page.get_by_role("navigation", name="Navigation").get_by_role(
        "link", name="Errors", exact=True
    ).click()
    expect(page).to_have_url(re.compile(r"/reference/errors\.html$"))
    link = 'nav a[href="#durable_execution_sdk.StepTimeoutError"]'
    page.locator(link).filter(visible=True).click()
    expect(page).to_have_url(re.compile(r"#durable_execution_sdk\.StepTimeoutError$"))


def test_the_search_finds_a_name_of_the_reference(page: Page) -> None:
    page.add_init_script(OPEN_SHADOWS)
    page.goto("/index.html")
    page.get_by_role("button", name=re.compile("Search Ctrl")).click()
    page.get_by_role("combobox", name="Search").fill("StepInterruptedError")
    first = page.get_by_role("option", name="StepInterruptedError").first
    expect(first).to_contain_text("Errors")
    first.click()
    expect(page).to_have_url(re.compile(r"/reference/errors\.html.*StepInterruptedError"))


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_a_page_follows_the_mode_of_the_system(page: Page, scheme: str, is_dark: bool) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/steps.html")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert (page.evaluate(BRIGHTNESS) < 128) is is_dark


def test_a_reader_chooses_the_mode_and_it_stays(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/steps.html")
    page.get_by_title("Switch to light mode").click()
    page.get_by_title("Switch to dark mode").click()
    page.wait_for_function(f"({BRIGHTNESS})() < 128")
    page.goto("/errors.html")
    assert page.evaluate(BRIGHTNESS) < 128


@pytest.mark.parametrize("address", PAGES)
def test_nothing_is_wider_than_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(f"/{address}")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
