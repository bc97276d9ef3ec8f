"""Members of unions are distinguished by their JSON or refused, and never confused."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Self,
    TypedDict,
    TypeVar,
    Union,
)

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from durable_execution_sdk.errors import ConfigError, SerDesError
from durable_execution_sdk.serdes import JsonSerDes, SerDes, SerDesContext

CONTEXT = SerDesContext(operation_id="abc")
T = TypeVar("T")


@dataclass
class Approved:
    by: str


@dataclass
class Rejected:
    by: str
    reason: str


@dataclass
class Twin:
    by: str


@dataclass
class Marked:
    kind: Literal["marked"]
    by: str


class Pending(msgspec.Struct, rename="camel"):
    since_day: int


Answer = Approved | Rejected | Pending


@dataclass
class Case:
    answer: Answer
    history: list[Answer]
    parent: Case | None = None
    count: int = field(default=0, init=False)


@dataclass
class Seeded:
    answer: Answer
    seed: InitVar[int] = 0
    doubled: int = 0

    def __post_init__(self, seed: int) -> None:
        self.doubled = self.doubled or seed * 2


@dataclass
class Box(Generic[T]):
    content: T | int


class Pair(NamedTuple):
    left: Answer
    right: Answer = Approved("default")


class Filed(TypedDict):
    answer: Answer
    note: NotRequired[Answer]


class Wrapping(msgspec.Struct, rename={"answer": "theAnswer"}):
    answer: Answer
    other: str = ""


@dataclass
class Shelf:
    answers: deque[Answer]


@dataclass
class Tree:
    answer: Answer
    children: list[Tree]


@dataclass
class Mixed(Generic[T]):
    known: list[T]
    unknown: dict[str, T]


@dataclass
class Early:
    answer: Answer
    late: int = field(init=False)


class Color(Enum):
    RED = "red"


AnswerId = NewType("AnswerId", Answer)  # type: ignore[valid-newtype]  # a union at run time


def back(value: Any, kind: Any) -> Any:
    """Write a value and read it back."""
    serdes: SerDes[Any] = JsonSerDes(kind)
    return serdes.deserialize(serdes.serialize(value, CONTEXT), CONTEXT)


A, R, P = Approved("a"), Rejected("a", "r"), Pending(1)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Answer, A),
        (Answer, R),
        (Answer, P),
        (Answer | None, None),
        (list[Answer], [A, R, P]),
        (set[str | date], {"x", date(2030, 1, 1)}),
        (frozenset[str | date], frozenset(["x"])),
        (deque[Answer], deque([A, R])),
        (list[deque[Answer]], [deque([A, R])]),
        (Shelf, Shelf(deque([A, R]))),
        (OrderedDict[str, Answer], OrderedDict(x=A, y=R)),
        (defaultdict[str, Answer], defaultdict(None, {"x": R})),
        (Sequence[Answer], [A, R]),
        (tuple[Answer, ...], (A, R)),
        (tuple[Answer, int], (R, 1)),
        (dict[int, Answer], {1: A, 2: R}),
        (Mapping[str, Answer], {"x": R}),
        (Case, Case(R, [A, P], Case(P, []))),
        (Seeded, Seeded(R, 0, 4)),
        (Box[Answer], Box(R)),
        (Box[Answer], Box(5)),
        (Pair, Pair(R, A)),
        (Pair, Pair(R)),
        (Filed, {"answer": R}),
        (Filed, {"answer": R, "note": A}),
        (Wrapping, Wrapping(R)),
        (AnswerId, R),
        (Annotated[Answer, "doc"], R),
        (TypeAliasType("AnswerAlias", Answer), R),
        (Tree, Tree(R, [Tree(A, [])])),
        (Mixed[Answer], Mixed([R], {})),
        (Approved | dict[str, int], {"x": 1}),
        (dict[str, str] | Approved, A),
        (str | datetime, "hello"),
        (str | datetime, datetime(2030, 1, 1)),
        (str | Color, Color.RED),
        (Decimal | str | None, "x"),
        (Approved | int | str, 5),
        (list[int] | set[int], [1]),
        (Twin | Marked, Marked("marked", "a")),
    ],
)
def test_a_member_of_a_union_comes_back_as_its_class(kind: Any, value: Any) -> None:
    restored = back(value, kind)
    assert restored == value
    assert type(restored) is type(value)


@given(
    st.lists(
        st.builds(Approved, st.text(st.characters(exclude_categories=["Cs"])))
        | st.builds(
            Rejected,
            st.text(st.characters(exclude_categories=["Cs"])),
            st.text(st.characters(exclude_categories=["Cs"])),
        )
        | st.builds(Pending, st.integers())
    )
)
def test_any_mix_of_members_comes_back_equal(values: list[Any]) -> None:
    assert back(values, list[Answer]) == values


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (Approved | Twin, Twin("a"), "$"),
        (list[Approved | Twin], [Approved("a"), Twin("a")], "$[1]"),
        (dict[str, Approved | Twin], {"x": Twin("a")}, "$.x"),
        (tuple[int, Approved | Twin], (1, Twin("a")), "$[1]"),
        (Box[Approved | Twin], Box(Twin("a")), "$.content"),
        (deque[Approved | Twin], deque([Twin("a")]), "$[0]"),
        (list[int] | set[int], {1}, "$"),
        (str | Color, "red", "$"),
    ],
)
def test_a_member_whose_json_reads_as_another_is_refused(kind: Any, value: Any, path: str) -> None:
    with pytest.raises(SerDesError) as caught:
        JsonSerDes(kind).serialize(value, CONTEXT)
    message = str(caught.value)
    assert message.startswith(f"operation abc: {path} is a ")
    assert "fields that tell them apart" in message


def test_a_typed_dict_with_an_ambiguous_field_is_refused() -> None:
    class Ambiguous(TypedDict):
        x: NotRequired[Approved | Twin]

    globals()["Ambiguous"] = Ambiguous
    with pytest.raises(SerDesError, match=r"\$\.x is a Twin"):
        JsonSerDes(Ambiguous).serialize({"x": Twin("a")}, CONTEXT)
    JsonSerDes(Ambiguous).serialize({}, CONTEXT)


def test_json_from_outside_may_leave_out_defaults_and_add_unknown_fields() -> None:
    serdes = JsonSerDes(Answer)
    assert serdes.deserialize('{"by":"a","reason":"r","new":1}', CONTEXT) in (A, R)
    assert JsonSerDes(Case).deserialize('{"answer":{"by":"a"},"history":[]}', CONTEXT) == Case(
        A, []
    )


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        (Answer, "3", "No member of the union fits"),
        (Answer, "{}", "Object missing required field"),
        (list[Answer], "{}", "Expected `array`, got `object` - at `$`"),
        (list[Answer], '[{"by":1}]', "Expected `str`, got `int` - at `$[0].by`"),
        (dict[str, Answer], "[]", "Expected `object`, got `array` - at `$`"),
        (dict[int, Answer], '{"x":{"by":"a"}}', "Expected `int`, got `str`"),
        (tuple[Answer, int], "[3]", "Expected `array` of length 2, got `array` of length 1"),
        (Pair, "[]", "Expected `array` of length 2"),
        (Case, '{"history":[]}', "Object missing required field `answer` - at `$`"),
        (Case, "null", "Expected `object`, got `null`"),
        (list[Case], '[{"answer":{"by":"a"},"history":3}]', "got `int` - at `$[0].history`"),
    ],
)
def test_a_payload_that_fits_no_member_says_why(kind: Any, payload: str, reason: str) -> None:
    with pytest.raises(SerDesError) as caught:
        JsonSerDes(kind).deserialize(payload, CONTEXT)
    assert reason in str(caught.value)


def test_a_value_that_does_not_fit_its_annotation_is_refused_when_it_is_written() -> None:
    serdes = JsonSerDes(Answer)
    with pytest.raises(SerDesError, match=r"No member of the union fits: .*`\$\.by`"):
        serdes.serialize(Approved(by=3), CONTEXT)  # type: ignore[arg-type]
    with pytest.raises(SerDesError, match="Expected `object`, got `int`"):
        serdes.serialize(5, CONTEXT)


def test_a_field_that_is_set_later_may_be_missing_or_there() -> None:
    late = Early(R)
    assert not hasattr(back(late, Early), "late")
    late.late = 5
    assert back(late, Early) == late


def test_a_raw_generic_holds_what_json_holds() -> None:
    assert back(Box({"a": 1}), Box) == Box({"a": 1})
    with pytest.raises(
        SerDesError, match=r"\$\.known\[0\] is a Rejected, but its JSON reads as a dict"
    ):
        back(Mixed([R], {}), Mixed)


def test_a_union_with_a_class_that_json_cannot_express_is_no_type_of_values() -> None:
    with pytest.raises(ConfigError, match=r"\$ is Self, which has no form in JSON"):
        JsonSerDes(Union[Approved, Rejected, Self])
