"""A document is one operation, so the map of 40 documents has 41."""

from examples.map.index_documents.app import index_documents

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_a_document_is_one_operation(durable_runner):
    result = durable_runner(index_documents).run_sync(40)
    assert result.result == 10 * len("doc-1") + 30 * len("doc-10")
    assert len(result.operations) == 41


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(index_documents).run_sync(3), "index_documents")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(index_documents, 3).raise_if_failed()
