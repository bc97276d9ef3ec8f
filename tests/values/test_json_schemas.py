"""A JSON schema of a type says what the code reads, and an answer that does not fit is told by its places."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.values.test_serdes_kept_or_refused import KEPT, typed_values

from durable_execution_sdk.dev.schemas import type_schemas
from durable_execution_sdk.dev.schemas.misspellings import find_misspellings
from durable_execution_sdk.dev.schemas.type_schemas import type_schema
from durable_execution_sdk.dev.schemas.validation import MOST_MISTAKES, find_mistakes
from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.serdes import CallbackSerDes, JsonSerDes, SerDesContext

CONTEXT = SerDesContext(operation_id="abc", operation_name="approval")


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Sure(Enum):
    YES = True


@dataclass
class Approved:
    by: str
    amount: Annotated[int, msgspec.Meta(ge=1)] = 1
    levels: list[Level] = field(default_factory=list)
    parent: Approved | None = None


@dataclass
class Declined:
    reason: str


class Card(msgspec.Struct, tag="card", forbid_unknown_fields=True):
    number: str


class Cash(msgspec.Struct, tag="cash"):
    coins: int


class Guest(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=1)
    age: int | None = None
    friends: list[Guest] = []


class Aliased(pydantic.BaseModel):
    name: str = pydantic.Field(alias="theName")


@dataclass
class Party:
    host: Guest
    guests: dict[str, Guest]
    place: Approved | Declined | None = None


def schema(kind: Any) -> Any:
    text = type_schema(kind)
    return None if text is None else json.loads(text)


def told(kind: Any, payload: str | None) -> list[str]:
    text = type_schema(kind)
    assert text is not None
    return [str(mistake) for mistake in find_mistakes(text, payload)]


def is_read(kind: Any, payload: str) -> bool:
    try:
        CallbackSerDes(kind).deserialize(payload, CONTEXT)
    except SerDesError:
        return False
    return True


@pytest.mark.parametrize(("kind", "value"), KEPT, ids=lambda each: str(each)[:40])
def test_what_is_written_fits(kind: Any, value: Any) -> None:
    text = type_schema(kind)
    if text is not None:
        assert find_mistakes(text, JsonSerDes(kind).serialize(value, CONTEXT)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "low", "1", "2030-01-31"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["by", "amount", "reason", "type", "host"]), inner)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(typed_values(), JSON)
def test_what_the_code_reads_is_never_refused(typed: tuple[Any, Any], data: Any) -> None:
    kind, value = typed
    text = type_schema(kind)
    for payload in (json.dumps(data), msgspec.json.encode(value, enc_hook=str).decode()):
        if text is not None and is_read(kind, payload):
            assert find_mistakes(text, payload) == []


PLAIN = st.sampled_from(
    (
        *(bool, int, float, str, Decimal, date, UUID, bytes, Level, Literal["a", 1]),
        *(Approved, Approved | Declined, Card | Cash, list[Approved] | None, Declined | None),
        *(tuple[int, str], dict[str, int], int | str | None, set[int], Approved | bool),
    )
)


@settings(max_examples=300, deadline=None)
@given(PLAIN, JSON)
def test_each_kind_refuses_what_the_code_does_not_read(kind: Any, data: Any) -> None:
    payload = json.dumps(data)
    text = type_schema(kind)
    assert text is not None
    assert is_read(kind, payload) == (find_mistakes(text, payload) == [])


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        (bool, '"yes"', ['$: expected true or false, not "yes"']),
        (bool, None, ["$: expected true or false, not null"]),
        (bool | None, None, []),
        (str, "without quotes", []),
        (date, "2030-01-31", []),
        (date, '"soon"', ['$: expected a date such as 2030-01-31, not "soon"']),
        (int, "{", ["$: expected JSON: Input data was truncated"]),
        (Sure, "1", []),
        (Sure, "2", ["$: expected true or 1, not 2"]),
        (Level, '"mid"', ['$: expected "low" or "high", not "mid"']),
        (Approved, "{}", ["$.by: it is missing"]),
        (
            Approved,
            '{"by": "x", "levels": ["low", 3], "amount": 0}',
            [
                "$.amount: expected at least 1, not 0",
                '$.levels[1]: expected "low" or "high", not 3',
            ],
        ),
        (Approved, '{"by": "x", "parent": {"by": 1}}', ["$.parent.by: expected text, not 1"]),
        (Approved | None, "3", ["$: expected an object or null, not 3"]),
        (Approved | None, '{"by": 1}', ["$.by: expected text, not 1"]),
        (
            Card | Cash,
            '{"type": "card", "number": "1", "x": 1}',
            ['$.x: it is not known; expected "type" or "number"'],
        ),
        (
            Card | Cash,
            '{"type": "cash", "coins": "1"}',
            ['$.coins: expected a whole number, not "1"'],
        ),
        (Guest, '{"name": ""}', ['$.name: expected at least 1 characters, not ""']),
        (Guest, '{"name": "a", "friends": [{}]}', ["$.friends[0].name: it is missing"]),
    ],
)
def test_mistakes_have_their_place_and_what_is_expected(
    kind: Any, payload: str | None, expected: list[str]
) -> None:
    assert told(kind, payload) == expected


def test_models_of_pydantic_within_other_classes_share_the_definitions() -> None:
    written = schema(Party)
    assert sorted(written["$defs"]) == ["Approved", "Declined", "Guest", "Party"]
    party = '{"host": {"name": "a"}, "guests": {"b": {"name": "b", "friends": [{"name": 1}]}}}'
    assert told(Party, party) == ["$.guests.b.friends[0].name: expected text, not 1"]


def test_a_model_with_aliases_takes_the_names_too() -> None:
    class Seat(pydantic.BaseModel, extra="forbid"):
        row_number: int = pydantic.Field(alias="rowNumber")
        inner: Aliased | None = None

    assert told(Seat, '{"rowNumber": 1}') == told(Seat, '{"row_number": 1}') == []
    assert told(Seat, "{}") == ["$.rowNumber: it is missing"]
    assert told(Seat, '{"rowNumber": 1, "inner": {"theName": 1}}') == [
        "$.inner.theName: expected text, not 1"
    ]
    assert told(Seat, '{"rowNumber": 1, "inner": {"name": "a"}}') == []


def test_a_model_of_pydantic_and_a_class_of_the_same_name_are_told_apart() -> None:
    @dataclass
    class Guest:
        seat: int

    own = Guest

    @dataclass
    class Table:
        guest: own
        model: Any

    Table.__annotations__ = {"guest": own, "model": globals()["Guest"]}
    table = dataclass(type("Table", (), {"__annotations__": Table.__annotations__}))
    assert told(table, '{"guest": {"seat": 1}, "model": {"name": "a"}}') == []
    assert told(table, '{"guest": {"seat": "1"}, "model": {}}') == [
        '$.guest.seat: expected a whole number, not "1"',
        "$.model.name: it is missing",
    ]


@pytest.mark.parametrize("kind", [Any, object, list[Any] | Any])
def test_a_type_that_reads_anything_has_no_schema(kind: Any) -> None:
    assert type_schema(kind) is None


def test_a_schema_that_is_too_large_is_not_sent() -> None:
    assert type_schema(Literal[tuple("x" * n for n in range(1, 400))]) is None  # type: ignore[misc]
    assert type_schema(Literal["x" * type_schemas.MOST_BYTES]) is None  # type: ignore[valid-type]


def test_a_type_whose_schema_fails_has_none() -> None:
    class Broken(pydantic.BaseModel):
        @classmethod
        def __get_pydantic_json_schema__(cls, *_: Any) -> Any:
            raise RuntimeError("no schema")

    assert type_schema(Broken) is None


def test_the_schema_of_a_type_is_written_once() -> None:
    calls: list[None] = []

    class Counted(pydantic.BaseModel):
        @classmethod
        def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> Any:
            calls.append(None)
            return handler(core)

    assert type_schema(Counted) == type_schema(Counted) is not None
    assert len(calls) == 2  # once by alias, once by name


@dataclass
class Order:
    lines: list[Approved]
    note: str = ""
    choice: Approved | Declined | None = None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"by": "Ada", "amuont": 3}, []),
        ({"lines": [], "nota": "x"}, ['$.nota: it is not known; "note" may be meant']),
        ({"lines": [], "note": "x", "nota": "x"}, []),
        ({"lines": [], "another": "x"}, []),
        (
            {"lines": [{"by": "Ada"}, {"by": "Bob", "amuont": 3}]},
            ['$.lines[1].amuont: it is not known; "amount" may be meant'],
        ),
        ({"lines": [], "choice": {"raeson": "no"}}, ['$.choice.raeson: it is not known; "reason" may be meant']),
        ({"lines": [{"by": "Ada", "parent": {"by": "Bob", "level": []}}]}, ['$.lines[0].parent.level: it is not known; "levels" may be meant']),
        (None, []),
        ([1], []),
    ],
)  # fmt: skip
def test_a_name_that_is_like_a_missing_one_is_a_misspelling(data: Any, told: list[str]) -> None:
    schema = type_schema(Order)
    assert schema is not None
    assert list(map(str, find_misspellings(schema, json.dumps(data)))) == told


@pytest.mark.parametrize(("kind", "value"), KEPT, ids=lambda each: str(each)[:40])
def test_what_is_written_has_no_misspelling(kind: Any, value: Any) -> None:
    schema = type_schema(kind)
    if schema is not None:
        assert find_misspellings(schema, JsonSerDes(kind).serialize(value, CONTEXT)) == []


def test_a_schema_that_cannot_be_walked_through_has_no_misspellings() -> None:
    assert find_misspellings('{"$ref": "#/$defs/Away"}', "{}") == []
    assert find_misspellings("[", "{}") == []
    assert find_misspellings('{"type": "object"}', "no JSON") == []


def test_what_a_schema_refers_to_is_not_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = "http://127.0.0.1:{}/schema".format(listener.getsockname()[1])
        assert find_mistakes(json.dumps({"$ref": address}), "1") == []
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_number_of_mistakes_is_bounded() -> None:
    assert len(told(list[int], json.dumps(["x"] * 1_000))) == MOST_MISTAKES
