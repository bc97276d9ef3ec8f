"""Ready functions for ``summary_generator``: the text that the log shows for a result that is too large to be stored.

Each of them takes any result, also one that JSON does not have, because an exception of a summary generator
fails the operation. The text is JSON, except that of ``shortened``. That of a batch begins with its counts
and its reason, as the text without a generator does, so that replay can compare the reason of a
``should_complete`` with the recorded one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Any, TypeGuard, cast

import msgspec
from msgspec import Raw

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.operations.fan_out.batch_result import BatchItem, BatchResult
from durable_execution_sdk.operations.fan_out.batch_serdes import totals

__all__ = ["counts", "first_failures", "first_items", "shortened"]

# In characters: an entry of a list of items, and a text as a whole.
_ENTRY = 200
_TEXT = 500


def counts(result: BatchResult[Any] | object) -> str:
    """Write the counts of a batch by status and its reason; for another collection the number of its entries."""
    return _json(_counts(result))


def first_items(most: int = 10, *, characters: int = _ENTRY) -> Callable[[object], str]:
    """Make a generator that writes the counts, and the first results of a batch or entries of a collection.

    Args:
        most: the number of entries, 1 or more.
        characters: the longest entry, as JSON; a longer one is cut.
    """
    _check("most", most)
    _check("characters", characters)

    def summarize(result: object) -> str:
        return _json({**_counts(result), "first": _first(result, most, characters)})

    return summarize


def first_failures(most: int = 10, *, characters: int = _ENTRY) -> Callable[[object], str]:
    """Make a generator that writes the counts of a batch, and index, name, type and message of its first failures.

    Args:
        most: the number of failures, 1 or more.
        characters: the longest message; a longer one is cut.
    """
    _check("most", most)
    _check("characters", characters)

    def summarize(result: object) -> str:
        failed = result.failed()[:most] if _is_batch(result) else []
        failures = [_failure(item, characters) for item in failed]
        return _json({**_counts(result), "failures": failures})

    return summarize


def shortened(characters: int = _TEXT) -> Callable[[object], str]:
    """Make a generator that writes the beginning of any result: of a text, or of a value as JSON."""
    _check("characters", characters)

    def summarize(result: object) -> str:
        return _cut(result if isinstance(result, str) else _text_of(result), characters)

    return summarize


def _is_batch(result: object) -> TypeGuard[BatchResult[Any]]:
    return isinstance(result, BatchResult)


def _collection(result: object) -> Collection[object] | None:
    return cast("Collection[object]", result) if isinstance(result, Collection) else None


def _counts(result: object) -> dict[str, object]:
    if _is_batch(result):
        return totals((item.status for item in result.items), result.completion_reason)
    collection = _collection(result)
    return {} if collection is None else {"totalCount": len(collection)}


def _first(result: object, most: int, characters: int) -> object:
    if _is_batch(result):
        return _entries((item.result for item in result.succeeded()[:most]), characters)
    collection = _collection(result)
    if collection is None or isinstance(result, (str, bytes, bytearray)):
        return _entry(result, characters)
    if isinstance(collection, Mapping):
        members = cast("Mapping[object, object]", collection)
        some = dict(islice(members.items(), most))
        return {_key(key): _entry(value, characters) for key, value in some.items()}
    return _entries(islice(collection, most), characters)


def _entries(values: Iterable[object], characters: int) -> list[object]:
    return [_entry(value, characters) for value in values]


def _entry(value: object, characters: int) -> object:
    """Return a value as a part of the summary: as JSON, or as the beginning of its JSON if it is long."""
    text = _text_of(value)
    return Raw(text.encode()) if len(text) <= characters else _cut(text, characters)


def _failure(item: BatchItem[Any], characters: int) -> dict[str, object]:
    failure = item.failure
    return {
        "index": item.index,
        **({} if item.name is None else {"name": item.name}),
        "errorType": failure and failure.error_type,
        "errorMessage": _cut((failure and failure.error_message) or "", characters),
    }


def _key(key: object) -> str:
    return key if type(key) is str else _text_of(key)


def _cut(text: str, characters: int) -> str:
    """Return the beginning of a text, as UTF-8 has it."""
    beginning = text if len(text) <= characters else f"{text[:characters]}…"
    return beginning.encode(errors="backslashreplace").decode()


def _text_of(value: object) -> str:
    """Write any value as JSON; what JSON does not have as its class's name."""
    try:
        return msgspec.json.encode(value, enc_hook=_unknown).decode()
    except (Exception, RecursionError):  # keys that are no text, circles, halves of surrogate pairs
        return json.dumps(_unknown(value))


def _unknown(value: object) -> str:
    return f"<{type(value).__qualname__}>"


def _json(summary: Mapping[str, object]) -> str:
    return msgspec.json.encode(summary).decode()


def _check(option: str, number: object) -> None:
    if type(number) is not int or number < 1:
        raise ConfigError(f"{option} is a whole number, 1 or more, not {number!r}")


for _maker in (first_items, first_failures, shortened):
    _maker.__dict__["makes"] = f"summary_generators.{_maker.__name__}()"
