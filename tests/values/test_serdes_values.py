"""Values are written as plain JSON and read back equal by their type."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_execution_sdk.errors import ConfigError, SerDesError
from durable_execution_sdk.serdes import (
    CallbackSerDes,
    JsonSerDes,
    PassThroughSerDes,
    SerDes,
    SerDesContext,
)

CONTEXT = SerDesContext(operation_id="abc", operation_name="charge", durable_execution_arn="arn")
T = TypeVar("T")


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mode(StrEnum):
    FAST = "fast"


class Right(Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    label: str = "origin"


class Address(TypedDict):
    street: str
    zip: NotRequired[str]


class Struct(msgspec.Struct):
    id: int
    tags: list[str] = []


@dataclass(frozen=True)
class Item:
    sku: str
    price: Decimal


@dataclass
class Order:
    id: UUID
    items: list[Item]
    placed: datetime
    color: Color = Color.RED
    notes: dict[str, str | None] = field(default_factory=dict)
    parent: Order | None = None


@dataclass
class Page(Generic[T]):
    entries: list[T]
    next: T | None = None


class Skus(list[Item]):
    """A list with a name."""


class Name(str):
    __slots__ = ()


class Cents(int):
    pass


class Ratio(float):
    pass


class Blob(bytes):
    pass


def back(value: Any, kind: Any = Any) -> Any:
    """Write a value and read it back."""
    serdes: SerDes[Any] = JsonSerDes(kind)
    payload = serdes.serialize(value, CONTEXT)
    json.loads(payload, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    restored = serdes.deserialize(payload, CONTEXT)
    again = serdes.serialize(restored, CONTEXT)
    assert json.loads(again) == json.loads(payload) or isinstance(restored, set | frozenset)
    return restored


ORDER = Order(
    UUID(int=1),
    [Item("a", Decimal("1.10"))],
    datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    Color.BLUE,
    {"gift": None},
    Order(UUID(int=2), [], datetime(2030, 1, 1)),
)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Order, ORDER),
        (list[Order] | None, [ORDER]),
        (dict[UUID, Order], {UUID(int=3): ORDER}),
        (Page[Item], Page([Item("a", Decimal(1))], Item("b", Decimal(2)))),
        (Address, {"street": "Main", "zip": "1"}),
        (Point, Point(1, "a")),
        (Struct, Struct(1, ["a"])),
        (Color, Color.BLUE),
        (Level, Level.HIGH),
        (Mode, Mode.FAST),
        (Right, Right.READ | Right.WRITE),
        (datetime, datetime(2030, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)),
        (date, date(2030, 1, 1)),
        (time, time(12, 30)),
        (timedelta, timedelta(days=1, microseconds=1)),
        (Decimal, Decimal("0.10")),
        (UUID, UUID(int=7)),
        (bytes, b"\x00\xff"),
        (bytearray, bytearray(b"\x00")),
        (type(None), None),
        (None, None),
        (int, 2**80),
        (int, -(2**63) - 1),
        (float, 1.0),
        (float, -0.0),
        (str, "ünï\u2028\x00"),
        (dict[int, str], {1: "a", -2: "b"}),
        (dict[float, str], {1.5: "a"}),
        (dict[Color, int], {Color.RED: 1}),
        (dict[date, int], {date(2030, 1, 1): 1}),
        (set[int], {1, 2}),
        (frozenset[Item], frozenset([Item("a", Decimal(1))])),
        (tuple[int, str], (1, "a")),
        (tuple[Item, ...], (Item("a", Decimal(1)),)),
        (deque[Item], deque([Item("a", Decimal(1))])),
        (deque, deque([1])),
        (Sequence[Item], [Item("a", Decimal(1))]),
        (Mapping[str, Item], {"a": Item("a", Decimal(1))}),
        (OrderedDict[str, Item], OrderedDict(a=Item("a", Decimal(1)))),
        (defaultdict[str, int], defaultdict(None, {"a": 1})),
        (Counter[str], Counter("aab")),
        (Counter, Counter("aab")),
        (MappingProxyType[str, int], MappingProxyType({"a": 1})),
        (Skus, Skus([Item("a", Decimal(1))])),
        (Name, Name("a")),
        (Cents, Cents(5)),
        (Ratio, Ratio(0.5)),
        (Blob, Blob(b"a")),
        (list[deque[int]], [deque([1])]),
        (int | str | None, "5"),
    ],
)
def test_a_value_comes_back_as_its_type(kind: Any, value: Any) -> None:
    restored = back(value, kind)
    assert restored == value
    assert type(restored) is type(value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)
TYPES = (
    int,
    float,
    bool,
    str,
    bytes,
    Decimal,
    UUID,
    date,
    timedelta,
    Color,
    Item,
    Point,
    Address,
)


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw a type and a value of it."""
    strategies: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        str: st.text(st.characters(exclude_categories=["Cs"])),
        bytes: st.binary(),
        Decimal: st.decimals(allow_nan=False, allow_infinity=False),
        UUID: st.uuids(),
        date: st.dates(),
        timedelta: st.timedeltas(),
        Color: st.sampled_from(Color),
    }
    strategies[Item] = st.builds(Item, strategies[str], strategies[Decimal])
    strategies[Point] = st.builds(Point, strategies[int], strategies[str])
    strategies[Address] = st.fixed_dictionaries(
        {"street": strategies[str]}, optional={"zip": strategies[str]}
    )
    kind = draw(st.sampled_from(TYPES))
    values = strategies[kind]
    shape = draw(st.sampled_from(["plain", "list", "dict", "tuple", "optional", "deque", "page"]))
    match shape:
        case "list":
            return list[kind], draw(st.lists(values))  # type: ignore[valid-type]
        case "dict":
            return dict[int, kind], draw(st.dictionaries(st.integers(), values))  # type: ignore[valid-type]
        case "tuple":
            return tuple[kind, str], draw(st.tuples(values, strategies[str]))  # type: ignore[valid-type]
        case "optional":
            return kind | None, draw(st.none() | values)
        case "deque":
            return deque[kind], deque(draw(st.lists(values)))  # type: ignore[valid-type]
        case "page":
            return Page[kind], Page(draw(st.lists(values)), draw(st.none() | values))  # type: ignore[valid-type]
        case _:
            return kind, draw(values)


@given(typed_values())
def test_any_typed_value_comes_back_equal_and_is_a_fixed_point(typed: tuple[Any, Any]) -> None:
    kind, value = typed
    restored = back(value, kind)
    assert restored == value
    assert type(restored) is type(value)


@given(json_values)
def test_any_json_value_comes_back_equal_without_a_type(value: Any) -> None:
    assert back(value) == value
    assert back(value, object) == value


@given(json_values)
def test_a_payload_is_what_every_json_reader_reads(value: Any) -> None:
    assert json.loads(JsonSerDes().serialize(value, CONTEXT)) == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
        (Item("a", Decimal("1.10")), {"sku": "a", "price": "1.10"}),
        (date(2030, 1, 1), "2030-01-01"),
        (b"ab", "YWI="),
        (Color.RED, "red"),
        (deque([1]), [1]),
        (Point(1), [1, "origin"]),
    ],
)
def test_without_a_type_a_value_is_what_json_makes_of_it(value: object, plain: object) -> None:
    assert back(value) == plain


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"items": [1, 2, 3, {"handle": object()}]}, "$.items[3].handle", "object"),
        ([{"two words": {1j}}], "$[0]['two words'][0]", "complex"),
        (Page([object()]), "$.entries[0]", "object"),
        (Struct(1, [object()]), "$.tags[0]", "object"),  # type: ignore[list-item]
        (Point(1, object()), "$.label", "object"),  # type: ignore[arg-type]
        ((x for x in ()), "$", "generator"),
        ({"a": {(1, 2): 3}}, "the key (1, 2) of $.a", "tuple"),
        (["\ud800"], "$[0]", "str"),
        ([10**5000], "$[0]", "int"),
        ({"f": len}, "$.f", "builtin_function_or_method"),
    ],
)
def test_what_cannot_be_written_is_named_by_operation_path_and_type(
    value: object, path: str, found: str
) -> None:
    with pytest.raises(SerDesError) as caught:
        JsonSerDes().serialize(value, CONTEXT)
    message = str(caught.value)
    assert message.startswith(f"operation 'charge' (abc): {path} is of type {found} ")
    assert "Return plain data" in message


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, Ratio("nan")])
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda n: n, "$"),
        (lambda n: {"a": [None, n]}, "$.a[1]"),
        (lambda n: (0, (n,)), "$[1][0]"),
        (lambda n: Page([n]), "$.entries[0]"),
        (lambda n: deque([n]), "$[0]"),
    ],
)
def test_a_number_that_json_does_not_have_is_refused_instead_of_becoming_null(
    number: float, wrap: Any, path: str
) -> None:
    with pytest.raises(SerDesError, match=re.escape(f"{path} is {number!r}, and JSON has no")):
        JsonSerDes().serialize(wrap(number), CONTEXT)


def test_an_honest_null_is_no_lost_number() -> None:
    assert back([None, "null", 1.5, Page([None])]) == [
        None,
        "null",
        1.5,
        {"entries": [None], "next": None},
    ]


class Chain(msgspec.Struct):
    name: str
    next: Any = None


@dataclass
class Ring:
    name: str
    next: Any = None


def ring_of(kind: Any) -> Any:
    first = kind("a")
    first.next = [kind("b", {"x": first})]
    return first


def own_list() -> Any:
    value: list[Any] = [1, 2]
    value.append(value)
    return value


def own_mapping() -> Any:
    value: dict[str, Any] = {"items": [1, {"deep": []}]}
    value["items"][1]["deep"].append(value["items"])
    return value


@pytest.mark.parametrize(
    ("value", "type_", "told"),
    [
        (own_list(), Any, "$[2] is the same object as $"),
        (own_mapping(), Any, "$.items[1].deep[0] is the same object as $.items"),
        (own_mapping(), dict[str, Any], "$.items[1].deep[0] is the same object as $.items"),
        (ring_of(Ring), Any, "$.next[0].next.x is the same object as $"),
        (ring_of(Ring), Ring, "$.next[0].next.x is the same object as $"),
        (ring_of(Chain), Chain, "$.next[0].next.x is the same object as $"),
    ],
)
@pytest.mark.parametrize("outward", [False, True])
def test_a_value_that_contains_itself_is_refused_where_it_does(
    value: Any, type_: Any, told: str, outward: bool
) -> None:
    whose = SerDesContext(operation_id="1", operation_name="load", is_outward=outward)
    with pytest.raises(SerDesError) as caught:
        JsonSerDes(type_).serialize(value, whose)
    message = str(caught.value)
    assert message.startswith(f"operation 'load' (1): {told}, so the value contains itself.")
    assert message.endswith("or give the operation a serdes of its own")


@pytest.mark.parametrize("depth", [5_000, 200_000])
@pytest.mark.parametrize("around", [lambda v: [v], lambda v: {"key": v}])
def test_a_value_that_is_nested_too_deeply_is_refused_where_it_is(around: Any, depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = around(value)
    whose = SerDesContext(operation_id="1", operation_name="load")
    try:
        payload = JsonSerDes().serialize({"list": [value]}, whose)
    except SerDesError as error:
        message = str(error)
        assert message.startswith(
            f"operation 'load' (1): $.list[0]{'[0]' if around(1) == [1] else '.key'}"
        )
        assert "is nested more than 500 deep" in message
        assert "Return a flat list of its parts, or give the operation" in message
        assert len(message) < 400
    else:
        assert depth == 5_000 and len(payload) > depth, "a later Python reads and writes deeper"


def test_an_instance_of_a_subclass_is_refused_instead_of_losing_what_it_adds() -> None:
    @dataclass(frozen=True)
    class Perishable(Item):
        until: date

    with pytest.raises(SerDesError, match=r"expected exactly Item, .* subclass .*Perishable"):
        JsonSerDes(Item).serialize(Perishable("a", Decimal(1), date(2030, 1, 1)), CONTEXT)


def test_a_dict_is_no_object_though_json_from_outside_may_describe_one() -> None:
    with pytest.raises(SerDesError, match=r"\$ is a dict, but its JSON reads as a Item"):
        JsonSerDes(Item).serialize({"sku": "a", "price": "1"}, CONTEXT)  # type: ignore[arg-type]
    item = JsonSerDes(Item).deserialize('{"sku":"a","price":"1"}', CONTEXT)
    assert item == Item("a", Decimal(1))


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        (
            Item,
            '{"sku":1,"price":"1"}',
            "does not fit Item: Expected `str`, got `int` - at `$.sku`",
        ),
        (Item, "{}", "Object missing required field `sku`"),
        (list[Item], "[1]", "does not fit list["),
        (int, '"5"', "Expected `int`, got `str`"),
        (Cents, '"5"', "does not fit Cents: Expected `int`, got `str`"),
        (frozenset[list[int]], "[[1]]", "hashable"),  # the wording is that of msgspec's version
        (int, "nope", "the payload is not JSON (JSON is malformed"),
        (int, "", "the payload is not JSON"),
    ],
)
def test_a_payload_that_does_not_fit_says_where_and_why(
    kind: Any, payload: str, reason: str
) -> None:
    with pytest.raises(SerDesError) as caught:
        JsonSerDes(kind).deserialize(payload, CONTEXT)
    message = str(caught.value)
    assert message.startswith("operation 'charge' (abc): ")
    assert reason in message


def test_unknown_fields_are_tolerated() -> None:
    assert JsonSerDes(Struct).deserialize('{"id":1,"new":2}', CONTEXT) == Struct(1)


@pytest.mark.parametrize("kind", ["Order", 5, type(None) and ...])
def test_what_is_no_type_is_refused_when_the_serdes_is_made(kind: object) -> None:
    with pytest.raises(ConfigError, match="JsonSerDes cannot read"):
        JsonSerDes(kind)


def test_the_context_names_the_operation_with_and_without_a_name() -> None:
    assert CONTEXT.what == "operation 'charge' (abc)"
    assert SerDesContext(operation_id="abc").what == "operation abc"


def test_a_serdes_shows_its_type() -> None:
    assert repr(JsonSerDes(Item)) == "JsonSerDes(Item)"
    assert repr(JsonSerDes(list[int])) == "JsonSerDes(list[int])"
    assert repr(JsonSerDes()) == "JsonSerDes(Any)"


@pytest.mark.parametrize(
    ("kind", "payload", "value"),
    [
        (Any, '{"ok":true}', {"ok": True}),
        (Any, "approved", "approved"),
        (Any, '{"ok":', '{"ok":'),
        (Any, "", ""),
        (str, "approved", "approved"),
        (str, '"approved"', "approved"),
        (str, "42", "42"),
        (int, "42", 42),
        (str | None, "null", None),
        (date, "2030-01-01", date(2030, 1, 1)),
        (Color, "red", Color.RED),
        (Item, '{"sku":"a","price":1}', Item("a", Decimal(1))),
    ],
)
def test_a_callback_payload_is_json_for_the_type_or_else_raw_text(
    kind: Any, payload: str, value: object
) -> None:
    decoded = CallbackSerDes(kind).deserialize(payload, CONTEXT)
    assert decoded == value
    assert type(decoded) is type(value)


def test_a_callback_payload_that_is_neither_names_what_was_wrong_with_the_json() -> None:
    with pytest.raises(SerDesError, match="does not fit Item: Object missing"):
        CallbackSerDes(Item).deserialize("{}", CONTEXT)
    with pytest.raises(SerDesError, match="is not JSON"):
        CallbackSerDes(int).deserialize("forty-two", CONTEXT)


def test_a_callback_serdes_writes_json() -> None:
    assert CallbackSerDes(str).serialize("a", CONTEXT) == '"a"'


def test_pass_through_keeps_text_and_takes_nothing_else() -> None:
    serdes = PassThroughSerDes()
    assert serdes.deserialize(serdes.serialize("{not json", CONTEXT), CONTEXT) == "{not json"
    with pytest.raises(SerDesError, match="keeps text, but found a int"):
        serdes.serialize(5, CONTEXT)  # type: ignore[arg-type]
