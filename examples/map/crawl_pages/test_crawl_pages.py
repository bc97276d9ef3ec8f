"""All addresses of all pages are archived, and a page is fetched when it is needed."""

from examples.map.crawl_pages.app import crawl

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_all_addresses_are_archived(durable_runner):
    result = durable_runner(crawl).run_sync("docs")
    assert result.result == ["docs/a.html", "docs/b.html", "docs/c.html"]


def test_the_second_page_is_fetched_when_the_first_is_done(durable_runner):
    result = durable_runner(crawl).run_sync("docs")
    second = result.operation("list_page", index=1)
    first_address = result.children("pages")[0]
    assert second.started_at >= first_address.ended_at


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(crawl).run_sync("docs"), "crawl_pages")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(crawl, "docs", max_points=20).raise_if_failed()
