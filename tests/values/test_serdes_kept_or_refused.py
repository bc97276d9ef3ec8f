"""A value is read back equal and of the same types, or refused with operation, path and remedy."""

from __future__ import annotations

import enum
import functools
import math
import re
import subprocess
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    LiteralString,
    NamedTuple,
    NewType,
    NotRequired,
    Self,
    TypedDict,
    TypeVar,
)
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PrivateAttr, SecretStr
from typing_extensions import TypeAliasType
from typing_extensions import TypedDict as AnyTypedDict

from durable_execution_sdk.errors import ConfigError, SerDesError
from durable_execution_sdk.serdes import JsonSerDes, SerDes, SerDesContext
from durable_execution_sdk.serdes.round_trip.fidelity import difference

CONTEXT = SerDesContext(operation_id="abc", operation_name="load")
T = TypeVar("T")


@dataclass
class Pay:
    amount: int


@dataclass
class Card(Pay):
    number: str = "4111"


@dataclass
class Box:
    pay: Pay


@dataclass
class Crate(Generic[T]):
    content: T
    others: list[T] = field(default_factory=list)


@dataclass
class PayCrate(Crate[Pay]):
    label: str = ""


@dataclass
class Nested(Crate[list[T]], Generic[T]):
    last: T | None = None


@dataclass
class Loose(Crate):  # type: ignore[type-arg]
    last: int = 0


@dataclass(frozen=True)
class Hashed:
    keys: dict[Any, Any]

    def __hash__(self) -> int:
        return 1


class FiledAny(TypedDict, Generic[T]):
    item: T


class FiledPay(FiledAny[Pay]):
    note: str


class PairOf(NamedTuple, Generic[T]):
    item: T


class PairOfPay(PairOf[Pay]):
    pass


class Pair(NamedTuple):
    first: Pay
    second: Pay | None = None


class Filed(TypedDict):
    pay: Pay


class Coin(msgspec.Struct):
    value: int


class Partial(msgspec.Struct):
    pay: Pay | msgspec.UnsetType | None = msgspec.UNSET
    count: float | msgspec.UnsetType | None = msgspec.UNSET


class Rare(Coin):
    year: int


class Purse(
    msgspec.Struct, tag="purse", rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    main_coin: Coin
    others: list[Coin] = []


class Line(BaseModel):
    sku: str
    note: str | None = None
    tags: list[str] = []


class AnyKeys(BaseModel):
    content: Any
    more: dict[Any, Any] = {}


class Special(Line):
    extra: int = 1


class Invoice(BaseModel):
    main: Line
    lines: list[Line] = []
    by_place: dict[int, Line] = {}


class Text(str):
    __slots__ = ()


class Told(str):  # noqa: SLOT000 - its attributes are what is tested
    pass


class Whole(int):
    pass


class Real(float):
    pass


class Rows(list[int]):
    pass


class Table(dict[str, int]):
    pass


class Stamp(datetime):
    pass


class Money(Decimal):
    pass


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.StrEnum):
    FAST = "fast"


class Share(enum.Enum):
    LOW = 0.1
    HIGH = 0.9


class Span(enum.Enum):
    DAY = (1, 2)
    NIGHT = (3, 4)


class Mixed(enum.Enum):
    NOTHING = None
    YES = True
    RAW = b"x"
    COUNT = 7
    NAME = "name"
    HALF = 0.5


class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Twin(enum.Enum):
    ONE = (1, 2)
    OTHER = [1, 2]


class Opaque(enum.Enum):
    IT = object()


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Node:
    value: int
    next: Self | None = None


@dataclass
class Chosen:
    color: Literal[Color.RED]
    other: Literal["a", 1, None, True, b"x"] = "a"
    word: LiteralString = "w"
    shares: dict[Share, int] = field(default_factory=dict)


Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Trees = TypeAliasType("Trees", "dict[str, Trees] | list[Trees] | Pay | str | None")
OrderId = NewType("OrderId", int)


@dataclass
class Parsed:
    raw: Json
    trees: Trees = None


@dataclass
class Twice:
    amount: int

    def __post_init__(self) -> None:
        self.amount *= 2


@dataclass
class Seeded:
    amount: int
    seed: InitVar[int]


@dataclass
class Lazy:
    amount: int
    total: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._doubled = self.amount * 2

    @functools.cached_property
    def tripled(self) -> int:
        return self.amount * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    amount: int
    due: date | None = None


class Secret(BaseModel):
    secret: SecretStr


class Hidden(BaseModel):
    shown: int
    hidden: int = Field(default=1, exclude=True)


class Keeper(BaseModel):
    shown: int = 1
    _kept: int = PrivateAttr(default=1)


class Rising(BaseModel):
    amount: int

    @pydantic.field_validator("amount")
    @classmethod
    def raised(cls, amount: int) -> int:
        return amount + 1


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    name: str = Field(alias="theName")


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    age: int


class Zoo(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]


class Unreadable:
    pass


def read_back(kind: Any, value: Any) -> Any:
    serdes: SerDes[Any] = JsonSerDes(kind)
    return serdes.deserialize(serdes.serialize(value, CONTEXT), CONTEXT)


def with_attribute(value: Any, name: str, attribute: Any) -> Any:
    setattr(value, name, attribute)
    return value


def with_private(keeper: Keeper) -> Keeper:
    keeper._kept = 7
    return keeper


def looked_at(lazy: Lazy) -> Lazy:
    assert lazy.tripled == lazy.amount * 3
    return lazy


KEPT: list[tuple[Any, Any]] = [
    (Pay | None, Pay(1)),
    (Pay | Card, Card(1, "n")),
    (Crate[Card], Crate(Card(1, "n"), [Card(2, "m")])),
    (Pair, Pair(Pay(1))),
    (Purse, Purse(Coin(1))),
    (Purse, Purse(Coin(1), [Coin(2)])),
    (
        Invoice,
        Invoice(main=Line(sku="a", note=None), lines=[Line(sku="b")], by_place={3: Line(sku="c")}),
    ),
    (Zoo, Zoo(pets=[Cat(theName="a"), Dog(age=1)])),
    (Keeper, Keeper()),
    (Text, Text("a")),
    (Told, Told("a")),
    (Whole, Whole(1)),
    (Real, Real(0.5)),
    (Rows, Rows([1])),
    (Table, Table(a=1)),
    (Level, Level.LOW),
    (Mode, Mode.FAST),
    (Share, Share.LOW),
    (Span, Span.NIGHT),
    *[(Mixed, each) for each in Mixed],
    (Mixed | None, Mixed.NOTHING),
    (Right, Right.READ | Right.WRITE),
    (list[Share], [Share.LOW, Share.HIGH]),
    (Share | None, None),
    (Share | str, "x"),
    (Node, Node(1, Node(2))),
    (Chosen, Chosen(Color.RED, b"x", "w", {Share.HIGH: 1})),
    (Chosen, Chosen(Color.RED, True)),
    (Parsed, Parsed({"a": [1, {"b": None, "c": 1.5}]}, {"x": [Pay(1), {"amount": None}]})),
    (Trees, [{"a": Pay(2)}, None]),
    (OrderId, 5),
    (Annotated[int, "doc"], 5),
    (LiteralString, "x"),
    (Literal[Color.RED, "x"], Color.RED),
    (Literal[Color.RED, "x"], "x"),
    (Fraction, Fraction(1, 3)),
    (list[Path], [Path("a")]),
    (dict[IPv4Address, int], {IPv4Address("1.2.3.4"): 1}),
    (re.Pattern, re.compile("a+")),
    (Iterable[int], [1]),
    (Lazy, looked_at(Lazy(2))),
    (Frozen, Frozen(amount=1, due=date(2030, 1, 1))),
    (float, 5),
    (float, 2**60 + 1),
    (list[float], [1, 2.5]),
    (Crate[float], Crate(1, [2.0])),
    (PayCrate, PayCrate(Pay(1), [Pay(2)], "a")),
    (list[Nested[int]], [Nested([1], [[2]], 3)]),
    (Loose, Loose(1, ["a"], 2)),
    (FiledPay, {"item": Pay(1), "note": "a"}),
    (PairOfPay, PairOfPay(Pay(1))),
    (float | None, 5),
    (float | str, 5),
    (int | float, 5.0),
    (int | str | float, 5.0),
    (dict[str, Any], {"a": [1, {"b": None}]}),
    (Decimal, Decimal("Infinity")),
    (datetime, datetime(2030, 1, 1, tzinfo=UTC)),
    (datetime, datetime(2030, 1, 1, tzinfo=ZoneInfo("UTC"))),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (Counter[str], Counter("aab")),
    (frozenset[Frozen], frozenset([Frozen(amount=1)])),
    (Partial, Partial()),
    (list[Partial], [Partial(pay=Pay(1), count=2.5), Partial(count=None)]),
]


@pytest.mark.parametrize(("kind", "value"), KEPT)
def test_what_is_kept(kind: Any, value: Any) -> None:
    restored = read_back(kind, value)
    assert restored == value
    assert difference(value, restored) is None


REFUSED: list[tuple[Any, Any, str, str]] = [
    # Instances of a subclass, at any depth.
    (Pay | None, Card(1), "$", "found its subclass Card, which would come back as Pay"),
    (Box, Box(Card(1)), "$.pay", "subclass Card"),
    (list[Pay], [Pay(1), Card(1)], "$[1]", "subclass Card"),
    (dict[str, Pay], {"x": Card(1)}, "$.x", "subclass Card"),
    (tuple[int, Pay], (1, Card(1)), "$[1]", "subclass Card"),
    (tuple[Pay, ...], (Pay(1), Card(1)), "$[1]", "subclass Card"),
    (Pair, Pair(Card(1)), "$.first", "subclass Card"),
    (Pair, Pair(Pay(1), Card(1)), "$.second", "subclass Card"),
    (Filed, {"pay": Card(1)}, "$.pay", "subclass Card"),
    (Crate[Pay], Crate(Pay(1), [Card(1)]), "$.others[0]", "subclass Card"),
    (Pay | str, Card(1), "$", "subclass Card"),
    (deque[Pay], deque([Card(1)]), "$[0]", "subclass Card"),
    (Purse, Purse(Coin(1), [Rare(1, 2)]), "$.others[0]", "subclass Rare"),
    (Line | None, Special(sku="a"), "$", "subclass Special"),
    (Invoice, Invoice(main=Special(sku="a")), "$.main", "subclass Special"),
    (
        Invoice,
        Invoice(main=Line(sku="a"), lines=[Special(sku="b")]),
        "$.lines[0]",
        "subclass Special",
    ),
    (Partial, Partial(pay=Card(1)), "$.pay", "subclass Card"),
    # Instances of a subclass of a builtin class.
    (str, Text("a"), "$", "expected exactly str, found its subclass Text"),
    (list[str], ["a", Text("b")], "$[1]", "subclass Text"),
    (dict[str, int], {Text("k"): 1}, "$[the key 'k']", "subclass Text"),
    (Crate[str], Crate(Text("a")), "$.content", "subclass Text"),
    # Fields that are inherited from a generic class.
    (PayCrate, PayCrate(Card(1), [], "a"), "$.content", "subclass Card"),
    (PayCrate, PayCrate("much", [], "a"), "$.content", "Expected `object`, got `str`"),  # type: ignore[arg-type]
    (Nested[int], Nested(["a"], [], 1), "$.content[0]", "Expected `int`, got `str`"),  # type: ignore[list-item]
    (Nested[int], Nested([1], [], "a"), "$.last", "No member of the union fits"),  # type: ignore[arg-type]
    (FiledPay, {"item": Card(1), "note": "a"}, "$.item", "subclass Card"),
    (FiledPay, {"item": 5, "note": "a"}, "$.item", "Expected `object`, got `int`"),
    (PairOfPay, PairOfPay(Card(1)), "$.item", "subclass Card"),
    (int, Whole(1), "$", "subclass Whole"),
    (float, Real(1), "$", "subclass Real"),
    (list[int], Rows([1]), "$", "subclass Rows"),
    (dict[str, int], Table(a=1), "$", "subclass Table"),
    (dict[str, int], OrderedDict(a=1), "$", "subclass OrderedDict"),
    (dict[str, int], defaultdict(int, a=1), "$", "subclass defaultdict"),
    (dict[str, int], Counter("a"), "$", "subclass Counter"),
    (int, Level.LOW, "$", "subclass Level"),
    (str, Mode.FAST, "$", "subclass Mode"),
    (int, True, "$", "Expected `int`, got `bool`"),
    (float, True, "$", "Expected `float`, got `bool`"),
    (list[int], [1, True], "$[1]", "got `bool`"),
    (datetime, Stamp(2030, 1, 1), "$", "Stamp"),
    (date, datetime(2030, 1, 1), "$", "date"),
    (Decimal, Money(1), "$", "Money"),
    # Instances of an unrelated class.
    (Pay, {"amount": 1}, "$", "is a dict, but its JSON reads as a Pay"),
    (Sequence[int], (1,), "$", "is a tuple, but its JSON reads as a list"),
    (dict[str, Any], {"a": (1, 2)}, "$.a", "is a tuple"),
    (dict[str, Any], {"a": [Decimal(1)]}, "$.a[0]", "is a Decimal, but its JSON reads as a str"),
    (dict, {"a": date(2030, 1, 1)}, "$.a", "is a date"),
    (Crate, Crate(Pay(1)), "$.content", "is a Pay, but its JSON reads as a dict"),
    (Chosen, Chosen(Color.BLUE), "$.color", "Invalid enum value"),  # type: ignore[arg-type]
    (Mixed | None, None, "$", "is a NoneType, but its JSON reads as a Mixed"),
    (Twin, Twin.OTHER, "$", "would come back as <Twin.ONE"),
    # Values that JSON lacks.
    (dict[Any, str], {1: "a", "1": "b"}, "$", "its key 1 would be lost"),
    (dict[int | str, str], {"1": "a", 1: "b"}, "$", "key 1 would be lost"),
    (dict[int, str], {True: "x"}, "$[the key True]", "subclass bool"),
    (float, math.nan, "$", "nan"),
    (list[float], [1.0, math.inf], "$[1]", "inf"),
    (Decimal, Decimal("NaN"), "$", "not equal"),
    (datetime, datetime(2030, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), "$", "convert it to UTC"),
    (time, time(12, tzinfo=ZoneInfo("Europe/Berlin")), "$", "time zone"),
    (datetime, datetime(2030, 1, 1, fold=1), "$", "would be lost"),
    # State that is lost when the class is read back.
    (Twice, Twice(1), "$.amount", "would come back as 4"),
    (Rising, Rising(amount=1), "$.amount", "would come back as 3"),
    (Seeded, Seeded(1, 2), "$", "seed"),
    (Lazy, with_attribute(Lazy(1), "more", 1), "$", "attribute more would be lost"),
    (Lazy, with_attribute(Lazy(1), "_doubled", 5), "$._doubled", "would come back as 2"),
    (Told, with_attribute(Told("a"), "by", "me"), "$", "attribute by would be lost"),
    (Rows, with_attribute(Rows([1]), "by", "me"), "$", "attribute by would be lost"),
    (Keeper, with_private(Keeper()), "$._kept", "would come back as 1"),
    (Secret, Secret(secret=SecretStr("x")), "$.secret", "SecretStr"),
    (Hidden, Hidden(shown=1, hidden=2), "$", "model_fields_set would change in hidden"),
    (defaultdict[str, int], defaultdict(int, a=1), "$", "default_factory int"),
    (deque[int], deque([1], maxlen=3), "$", "maxlen"),
]


@pytest.mark.parametrize(("kind", "value", "path", "reason"), REFUSED)
def test_what_is_refused(kind: Any, value: Any, path: str, reason: str) -> None:
    with pytest.raises(SerDesError) as caught:
        JsonSerDes(kind).serialize(value, CONTEXT)
    message = str(caught.value)
    assert message.startswith("operation 'load' (abc): ")
    assert re.search(rf"(^|[ `]){re.escape(path)}([ `,]|$)", message), message
    assert reason in message
    assert message.endswith(", or give the operation a serdes of its own")


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", "1": "b"},
        [{"deep": {2: 1, "2": 3}}],
        {"first": Box(Pay(1)), "second": ({0.5: 1, "0.5": 2},)},
        ({1: "a", "1": "b"},),
        {"at": datetime(2030, 1, 1), 2: MappingProxyType({"a": [{Level.LOW: 1, "1": 2}]})},
        [deque([{date(2030, 1, 1): 1, "2030-01-01": 2}])],
        Crate(frozenset({Hashed({1: "a", "1": "b"})})),
        [Purse(Coin({1: "a", "1": "b"}))],  # type: ignore[arg-type]
        AnyKeys(content=[{1: "a", "1": "b"}]),
        {"a": AnyKeys(content=1, more={1: "a", "1": "b"})},
    ],
)
def test_keys_that_are_the_same_in_json_are_refused_without_a_type_too(value: Any) -> None:
    for context in (CONTEXT, SerDesContext(operation_id="abc", is_outward=True)):
        with pytest.raises(SerDesError, match=r"\$.* beside another one that is the same text"):
            JsonSerDes().serialize(value, context)


@pytest.mark.parametrize("number", [math.nan, math.inf, Real("nan")])
@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda number: {"a": None, "b": [number]}, "$.b[0]"),
        (lambda number: (1, {"a": date(2030, 1, 1), "b": number}), "$[1].b"),
        (lambda number: Crate(None, [number]), "$.others[0]"),
        (lambda number: [Coin(number)], "$[0].value"),
        (lambda number: AnyKeys(content=[number]), "$.content[0]"),
    ],
)
def test_a_number_that_json_lacks_is_refused_without_a_type_too(
    make: Any, path: str, number: float
) -> None:
    for context in (CONTEXT, SerDesContext(operation_id="abc", is_outward=True)):
        with pytest.raises(SerDesError, match=re.escape(f"{path} is ")):
            JsonSerDes().serialize(make(number), context)


def test_without_a_type_a_subclass_of_text_is_text() -> None:
    restored = read_back(Any, {Text("k"): [Text("v"), Whole(1)]})
    assert restored == {"k": ["v", 1]}
    assert difference({"k": ["v", 1]}, restored) is None


@pytest.mark.parametrize(
    "model",
    [
        Line(sku="a"),
        Line(sku="a", note=None),
        Invoice(main=Line(sku="a"), lines=[Line(sku="b", tags=[])], by_place={3: Line(sku="c")}),
    ],
)
def test_a_model_knows_which_of_its_fields_were_set(model: BaseModel) -> None:
    for kind, value in ((type(model), model), (list[type(model)], [model])):  # type: ignore[misc]
        restored = read_back(kind, value)
        restored = restored[0] if isinstance(restored, list) else restored
        assert restored.model_dump(exclude_unset=True) == model.model_dump(exclude_unset=True)
    outward = JsonSerDes(type(model)).serialize(
        model, SerDesContext(operation_id="a", is_outward=True)
    )
    assert msgspec.json.decode(outward) == model.model_dump(mode="json")


@pytest.mark.parametrize(
    ("kind", "path", "named"),
    [
        (Unreadable, "$", "Unreadable"),
        (list[Unreadable], "$[...]", "Unreadable"),
        (dict[str, tuple[int, Unreadable]], "$[...][1]", "Unreadable"),
        (Crate[Unreadable], "$.content", "Unreadable"),
        (Pay | Unreadable | None, "$", "Unreadable"),
        (Opaque, "$", "Opaque"),
        (Crate[Opaque], "$.content", "Opaque"),
        (Self, "$", "Self"),
    ],
)
def test_a_type_that_cannot_be_read_is_named_with_its_place(
    kind: Any, path: str, named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        JsonSerDes(kind)
    assert f"{path} is {named}, " in str(caught.value)


def test_errors_of_reading_name_the_exact_item() -> None:
    with pytest.raises(SerDesError, match=r"got `str` - at `\$\[1\]\.others\[2\]\.amount`"):
        JsonSerDes(list[Crate[Pay]]).deserialize(
            '[{"content":{"amount":1}},{"content":{"amount":1},"others":[{"amount":1},{"amount":1},'
            '{"amount":"x"}]}]',
            CONTEXT,
        )


WITHOUT_PYDANTIC = """
import sys
sys.modules["pydantic"] = None
from fractions import Fraction
from enum import Enum
from dataclasses import dataclass
from typing import Self
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.serdes import JsonSerDes, SerDesContext
class Share(Enum):
    LOW = 0.1
@dataclass
class Node:
    share: Share
    next: Self | None = None
c = SerDesContext(operation_id="1")
s = JsonSerDes(Node)
value = Node(Share.LOW, Node(Share.LOW))
assert s.deserialize(s.serialize(value, c), c) == value
try:
    JsonSerDes(list[Fraction])
except ConfigError as error:
    print(error)
"""


def test_without_pydantic_what_only_it_reads_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYDANTIC], capture_output=True, text=True, check=True
    )
    assert "$[...] is Fraction, which has no form in JSON" in done.stdout
    assert "pydantic installed" in done.stdout


# Any type, and any value of it


SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    str: st.text(st.characters(exclude_categories=["Cs"])),
    type(None): st.none(),
    bytes: st.binary(),
    Decimal: st.decimals(),
    datetime: st.datetimes(timezones=st.none() | st.sampled_from([UTC, ZoneInfo("Europe/Paris")])),
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(),
    **{
        each: st.sampled_from(each)
        for each in (Level, Mode, Share, Span, Mixed, Twin, Color, Right)
    },
    OrderId: st.integers(),
    Literal["a", 1, None, Color.RED]: st.sampled_from(["a", 1, None, Color.RED]),
    Text: st.text(st.characters(exclude_categories=["Cs"])).map(Text),
    Fraction: st.fractions(),
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [True, 1, 1.0, "1", Text("1"), Whole(1), Level.LOW, Card(1), Special(sku="a"), Rare(1, 2), None]
) | st.sampled_from([math.nan, (1,), [1], {"a": 1}, {1: "a", "1": "b"}, Decimal(1), Counter("a")])


def classes_of(
    kind: Any, values: st.SearchStrategy[Any]
) -> list[tuple[Any, st.SearchStrategy[Any]]]:
    """Make classes with fields of this type, and strategies for them."""
    name: Any = "Made"
    config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    model: Any = pydantic.create_model(
        name, __config__=config, item=(kind, ...), default=(kind | None, None)
    )
    places: Any = NamedTuple(name, [("item", kind), ("more", list[kind])])  # type: ignore[misc]
    keys: Any = AnyTypedDict(name, {"item": kind, "more": NotRequired[kind]})  # type: ignore[misc]
    struct = msgspec.defstruct(name, [("item", kind), ("more", list[kind])], rename="camel")
    return [
        (Crate[kind], st.builds(Crate, values, st.lists(values, max_size=3))),
        (model, st.builds(lambda item: model.model_construct(item=item, default=None), values)),
        (places, st.builds(places, values, st.lists(values, max_size=3))),
        (keys, st.fixed_dictionaries({"item": values}, optional={"more": values})),
        (struct, st.builds(struct, values, st.lists(values, max_size=3))),
    ]


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw a type, and a value of it or of a similar type."""
    kind: Any = draw(st.sampled_from(list(SCALARS)))
    values = SCALARS[kind]
    if draw(st.integers(0, 3)) == 0:
        values = values | ODD
    for _ in range(draw(st.integers(0, 3))):
        shape = draw(st.sampled_from("list dict tuple positions optional union set class".split()))
        match shape:
            case "list":
                kind, values = list[kind], st.lists(values, max_size=3)
            case "dict":
                key = draw(st.sampled_from([str, int, date, Color, Share]))
                values = st.dictionaries(SCALARS[key], values, max_size=3)
                kind = dict[key, kind]  # type: ignore[valid-type]
            case "tuple":
                kind, values = tuple[kind, ...], st.lists(values, max_size=3).map(tuple)
            case "positions":
                kind, values = tuple[kind, str], st.tuples(values, SCALARS[str])
            case "optional":
                kind, values = kind | None, st.none() | values
            case "union":
                other = draw(
                    st.sampled_from([str, int, float, Pay, date, list[int], dict[str, int]])
                )
                others = SCALARS.get(other, st.builds(Pay, st.integers()))
                kind, values = kind | other, values | others
            case "set":
                continue
            case _:
                kind, values = draw(st.sampled_from(classes_of(kind, values)))
    return kind, draw(values)


@pytest.mark.filterwarnings("ignore::UserWarning:pydantic")
@given(typed_values(), st.booleans())
def test_any_value_comes_back_as_it_is_or_is_refused_with_a_path(
    typed: tuple[Any, Any], has_adapter: bool
) -> None:
    kind, value = typed
    try:
        with pytest.MonkeyPatch.context() as patch:
            if not has_adapter:
                patch.setattr(
                    "durable_execution_sdk.serdes.types.models.adapter_for", lambda _: None
                )
            restored = read_back(kind, value)
    except ConfigError as refusal:
        assert "is Fraction, which has no form in JSON" in str(refusal)
        assert not has_adapter
        return
    except SerDesError as refusal:
        assert "$" in str(refusal)
        assert "operation 'load'" in str(refusal)
        return
    assert same(value, restored)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement is new in 3.12")
def test_type_statements_are_read_though_they_name_themselves() -> None:
    names: dict[str, Any] = {"Pay": Pay}
    exec(
        "type Tree = dict[str, Tree] | list[Tree] | Pay | int | None\n"
        "type Two[T] = tuple[T, T]\n"
        "type Nested[T] = list[Nested[T]] | T\n",
        names,
    )
    for kind, value in (
        (names["Tree"], [{"a": Pay(2), "b": [None, 1]}]),
        (names["Two"][Pay], (Pay(1), Pay(2))),
        (list[names["Two"][int]], [(1, 2)]),  # noqa: F821
        (names["Nested"][Pay], [[Pay(1)], Pay(2)]),
    ):
        assert same(value, read_back(kind, value))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are new in 3.12")
def test_generic_classes_with_type_parameters_are_read_by_annotations_that_are_text() -> None:
    """Before Python 3.12.4, ``typing`` did not know the name of a type parameter in such a class."""
    names: dict[str, Any] = {"dataclass": dataclass, "NamedTuple": NamedTuple, "Pay": Pay}
    exec(
        "from __future__ import annotations\n"
        "@dataclass\nclass Page[T]:\n items: list[T]\n after: Page[T] | None = None\n"
        "@dataclass\nclass Pays(Page[Pay]):\n total: int = 0\n"
        "class Both[T](NamedTuple):\n one: T\n",
        names,
    )
    module = ModuleType("with_type_parameters")
    page, pays, both = (names[name] for name in ("Page", "Pays", "Both"))
    sys.modules[module.__name__] = module
    vars(module).update(names)
    for kind in (page, pays, both):
        kind.__module__ = module.__name__
    try:
        for kind, value in (
            (page[Pay], page([Pay(1)], page([Pay(2)]))),
            (pays, pays([Pay(1)], page([]), 5)),
            (both[Pay], both(Pay(1))),
        ):
            assert same(value, read_back(kind, value))
        for kind, value, path in (
            (page[Pay], page([Card(1)]), "$.items[0]"),
            (pays, pays([Card(1)]), "$.items[0]"),
            (both[Pay], both(Card(1)), "$[0]"),
        ):
            with pytest.raises(SerDesError, match="subclass Card"):
                JsonSerDes(kind).serialize(value, CONTEXT)
    finally:
        del sys.modules[module.__name__]


def same(one: Any, other: Any) -> bool:
    """Compare values with an implementation that is independent of the tested code."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        keys = {key: key for key in other}
        return len(one) == len(other) and all(
            key in keys and same(key, keys[key]) and same(one[key], other[key]) for key in one
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, BaseModel):
        return one.model_fields_set == other.model_fields_set and same(vars(one), vars(other))
    if isinstance(one, msgspec.Struct):
        return same(msgspec.structs.asdict(one), msgspec.structs.asdict(other))
    if hasattr(one, "__dict__") and not isinstance(one, enum.Enum):
        return bool(one == other) and same(vars(one), vars(other))
    return bool(one == other)
