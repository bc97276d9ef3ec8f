"""Make the pictures of docs/images: the page of durable dev, in Chromium, with executions that really ran."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from tests.browser.page_rig import address
from tests.dev.reload.reload_rig import ReloadRig
from tools.page.small_png import shrink

HERE = Path(__file__).parent
IMAGES = HERE.parent.parent / "docs" / "images"
WIDE: ViewportSize = {"width": 1280, "height": 560}
LOW: ViewportSize = {"width": 1280, "height": 330}


def main() -> None:
    chromium = shutil.which("chromium-headless-shell")
    if chromium is None:
        raise SystemExit(
            "there is no chromium-headless-shell (apt-get install chromium-headless-shell)"
        )
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        shutil.copy(HERE / "screenshots_app.py", folder / "app.py")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with ReloadRig(folder, "app.py") as rig:
            take(browser, rig)
        browser.close()
    for image in IMAGES.glob("*.png"):
        image.write_bytes(shrink(image.read_bytes()))


def take(browser: Browser, rig: ReloadRig) -> None:
    url = rig.session.server.url

    def opened(path: str, scheme: str = "light") -> Page:
        is_dark = scheme == "dark"
        page = browser.new_page(
            base_url=url, viewport=WIDE, color_scheme="dark" if is_dark else "light", locale="en-GB"
        )
        page.goto(path)
        expect(page.get_by_text("● live")).to_be_visible()
        return page

    # The first one waits for its process.
    rig.finish(rig.start("trip-to-oslo", "trip"))
    trip, order = rig.start("trip-to-rome", "trip"), rig.start("order-7")
    rig.start("order-8")
    rig.start("trip-to-lima", "trip")
    page = opened(address(order))
    expect(page.get_by_label("Waits for")).to_contain_text("approval", timeout=60_000)
    page.screenshot(path=IMAGES / "timeline.png")
    page.get_by_role("link", name="Answer").click()
    page.get_by_label("Answer as JSON").fill('{"by": "Ada"}')
    page.screenshot(path=IMAGES / "callback.png")
    page.close()
    page = opened(address(trip), "dark")
    expect(page.get_by_role("link", name="✓ cancel hotel")).to_be_visible(timeout=60_000)
    page.keyboard.press("n")
    expect(page.get_by_label("Frames of your code")).to_be_visible()
    page.screenshot(path=IMAGES / "error.png")
    page.close()
    page = opened("/executions")
    page.set_viewport_size(LOW)
    expect(page.get_by_text("asking")).to_have_count(2)
    page.screenshot(path=IMAGES / "executions.png")
    page.close()
    page = opened(address(trip, "history"), "dark")
    expect(page.get_by_text("StepFailed").first).to_be_visible()
    page.screenshot(path=IMAGES / "history.png")
    page.close()
    file = rig.folder / "app.py"
    file.write_text(file.read_text(encoding="utf-8").replace('name="reserve"', 'name="pick"'))
    page = opened(address(order))
    expect(page.get_by_role("region", name="Held")).to_be_visible(timeout=60_000)
    page.screenshot(path=IMAGES / "held.png")
    page.close()


if __name__ == "__main__":
    main()
