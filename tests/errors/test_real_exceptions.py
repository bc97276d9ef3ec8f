"""Exceptions of real libraries are the same on the first run and on replay, here and in a new process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import msgspec
import pytest
from tests.errors import catalog
from tests.errors.catalog import RAISERS
from tests.errors.facts import facts, shown
from tests.errors.play import handler_of, run
from tests.memory_service import MemoryService
from tests.sampling import thinned

from durable_execution_sdk import OperationError, StepError

NAMES = list(RAISERS)


class Played:
    """One execution with all exceptions: the originals, and their facts in each invocation."""

    def __init__(self) -> None:
        self.originals: dict[str, BaseException] = {}
        self.kept = catalog.modelled()
        self.errors: dict[str, Exception] = {}
        self.service = MemoryService()
        bodies = {name: self._heard(name) for name in NAMES}
        handler = handler_of(bodies, self._see)
        with catalog.served():
            self.first = run(self.service, handler, NAMES)
        self.again = run(self.service, handler, NAMES)
        self.elsewhere = replayed(self.service, ["tests.errors.catalog"])
        self.nothing_loaded = replayed(self.service, [])

    def _heard(self, name: str) -> Any:
        async def body() -> Any:
            try:
                made = RAISERS[name]()
                if made is not None:
                    await made
            except BaseException as error:
                self.originals.setdefault(name, error)
                error.add_note(f"a note on {name}")
                raise

        return body

    def _see(self, name: str, error: Exception) -> Any:
        self.errors[name] = error
        return facts(error)


def replayed(service: MemoryService, modules: list[str]) -> Any:
    request = {
        "modules": modules,
        "names": NAMES,
        "operations": msgspec.to_builtins(service.operations),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.errors.play"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    yield Played()


def test_there_are_enough_of_them() -> None:
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_it_is_what_was_raised(played: Played, name: str) -> None:
    original, caught = played.originals[name], played.errors[name]
    assert isinstance(caught, StepError)
    for kind in type(original).__mro__:
        assert isinstance(caught, kind)
    assert type(caught).__name__ == type(original).__name__
    assert str(caught) == str(original)
    assert caught.__notes__ == [f"a note on {name}"]
    recorded = played.service.operations[caught.operation_id or ""].step_details.error
    omitted = json.loads(recorded.error_data).get("omitted", {})
    if "args" not in str(omitted) and not isinstance(original, BaseExceptionGroup):
        assert repr(caught) == repr(original)
        assert len(caught.args) == len(original.args)
    for attribute, value in vars(original).items():
        if attribute in omitted:
            with pytest.raises(AttributeError, match="is not in the log"):
                getattr(caught, attribute)
        else:
            assert shown(vars(caught)[attribute]) == shown(value)
    for line in caught.stack_trace:
        for machinery in ("durable_execution_sdk/src", "/asyncio/", "/concurrent/", "threading.py"):
            assert machinery not in line


@pytest.mark.parametrize("name", NAMES)
def test_replay_raises_the_same(played: Played, name: str) -> None:
    assert played.again[name] == played.first[name]


@pytest.mark.parametrize("name", thinned(NAMES))
def test_replay_in_a_new_process_raises_the_same(played: Played, name: str) -> None:
    assert played.elsewhere[name] == played.first[name]


@pytest.mark.parametrize("name", thinned(NAMES, first=1))
def test_where_its_class_is_not_loaded_its_nearest_loaded_base_matches(
    played: Played, name: str
) -> None:
    """An ``except`` clause can only name a class that is loaded, so the nearest base suffices."""
    first, there = played.first[name], played.nothing_loaded[name]
    for fact in ("name", "module", "qualname", "str", "repr", "notes", "wire"):
        assert there[fact] == first[fact], fact
    builtin = {kind for kind in first["matches"] if kind.startswith("builtins.")}
    assert builtin <= set(there["matches"])


def test_is_a_tells_classes_that_are_not_loaded(played: Played) -> None:
    caught = played.errors["httpx_refused"]
    assert isinstance(caught, OperationError)
    for name in ("httpx.ConnectError", "ConnectError", "httpx.TransportError", "StepError"):
        assert caught.is_a(name)
    assert not caught.is_a("httpx.ReadTimeout")


def test_modelled_exceptions_of_botocore_match_as_their_own_class(played: Played) -> None:
    condition, resource, queue = played.kept
    assert isinstance(played.errors["botocore_condition"], condition)
    assert isinstance(played.errors["botocore_queue"], queue)
    assert not isinstance(played.errors["botocore_queue"], condition)
    caught: Any = played.errors["botocore_condition"]
    assert isinstance(caught, botocore.exceptions.ClientError)
    assert caught.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert caught.response["Item"] == {"id": {"S": "1"}}
    assert caught.operation_name == "UpdateItem"


def test_the_errors_of_pydantic_are_kept(played: Played) -> None:
    caught: Any = played.errors["pydantic_invalid"]
    original: Any = played.originals["pydantic_invalid"]
    assert caught.title == original.title
    assert [e["loc"] for e in caught.errors()] == [e["loc"] for e in original.errors()]
    assert caught.error_count() == 2


def test_an_error_of_a_type_that_pydantic_does_not_know_is_kept(played: Played) -> None:
    caught: Any = played.errors["pydantic_custom"]
    original: Any = played.originals["pydantic_custom"]
    details = [{**error, "input": None} for error in original.errors(include_url=False)]
    assert [{**error, "input": None} for error in caught.errors(include_url=False)] == details
    assert details[0]["msg"] == "3 is no amount { }"
