"""All pages are translated, in their order, and a page that fails fails the document."""

from examples.map.translate_pages import app
from examples.map.translate_pages.app import translate_document

from durable_execution_sdk import NoRetry, durable_step
from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_pages_come_back_in_order(durable_runner):
    result = durable_runner(translate_document).run_sync(["one", "two", "three"])
    assert result.result == ["Eno", "Owt", "Eerht"]
    assert [page.name for page in result.children("pages")] == ["page 1", "page 2", "page 3"]


def test_a_page_that_fails_fails_the_document(durable_runner, monkeypatch):
    @durable_step(retry_strategy=NoRetry())
    def fail(text):
        raise ValueError(f"{text} is no text")

    monkeypatch.setattr(app, "translate", fail)
    result = durable_runner(translate_document).run_sync(["one"])
    assert isinstance(result.error, ValueError)


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(translate_document).run_sync(["one", "two"])
    assert_history(result, "translate_pages")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(translate_document, ["one", "two"]).raise_if_failed()
