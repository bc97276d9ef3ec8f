"""Pydantic models as values, alone and nested, without an import of pydantic by the SDK."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, Literal, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, computed_field

from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.serdes import JsonSerDes, SerDes, SerDesContext

CONTEXT = SerDesContext(operation_id="abc")
T = TypeVar("T")


class Line(BaseModel):
    sku: str
    due: date | None = None
    ratio: float | None = None


class Aliased(BaseModel):
    order_id: str = Field(alias="orderId")


class Camel(BaseModel):
    model_config = ConfigDict(
        alias_generator=lambda name: name + "X", populate_by_name=True, serialize_by_alias=True
    )
    size: int


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    due: date
    pair: tuple[int, int]


class Area(BaseModel):
    width: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return self.width * 2


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Box(BaseModel, Generic[T]):
    content: T


class Numbers(RootModel[list[int]]):
    pass


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    number: str


@dataclass
class Holder:
    line: Line
    more: dict[str, Line]


def back(value: Any, kind: Any) -> Any:
    """Write a value and read it back."""
    serdes: SerDes[Any] = JsonSerDes(kind)
    return serdes.deserialize(serdes.serialize(value, CONTEXT), CONTEXT)


LINE = Line(sku="a", due=date(2030, 1, 1), ratio=0.5)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Line, LINE),
        (list[Line], [LINE]),
        (Line | None, LINE),
        (Line | None, None),
        (Holder, Holder(LINE, {"b": LINE})),
        (Aliased, Aliased(orderId="1")),
        (Camel, Camel(size=1)),
        (Strict, Strict(due=date(2030, 1, 1), pair=(1, 2))),
        (Area, Area(width=2)),
        (Open, Open.model_validate({"extra": [1]})),
        (Box[Line], Box[Line](content=LINE)),
        (Numbers, Numbers([1, 2])),
        (Card | Cash, Card(number="1")),
        (Card | Cash, Cash(number="1")),
        (Line | int | None, 5),
        (Line | int | None, LINE),
    ],
)
def test_a_model_comes_back_as_the_same_model(kind: Any, value: Any) -> None:
    restored = back(value, kind)
    assert restored == value
    assert type(restored) is type(value)


def test_an_event_may_use_the_alias_of_a_field_or_its_name() -> None:
    serdes = JsonSerDes(Aliased)
    assert serdes.deserialize('{"orderId":"1"}', CONTEXT).order_id == "1"
    assert serdes.deserialize('{"order_id":"1"}', CONTEXT).order_id == "1"


def test_the_result_is_plain_json_without_what_is_computed() -> None:
    assert JsonSerDes(Area).serialize(Area(width=2), CONTEXT) == '{"width":2}'
    assert JsonSerDes(Camel).serialize(Camel(size=1), CONTEXT) == '{"sizeX":1}'


def test_a_model_that_does_not_validate_says_where() -> None:
    with pytest.raises(SerDesError, match=r"(?s)operation abc: .*sku.*at `\$\.more\.b`"):
        JsonSerDes(Holder).deserialize('{"line":{"sku":"a"},"more":{"b":{}}}', CONTEXT)


@pytest.mark.parametrize(
    "value",
    [Line(sku="a", ratio=float("nan")), Open.model_validate({"ratio": float("inf")})],
)
def test_a_number_that_json_does_not_have_is_found_in_a_model_too(value: BaseModel) -> None:
    with pytest.raises(SerDesError, match=r"\$\.ratio is (nan|inf)"):
        JsonSerDes().serialize(value, CONTEXT)


def test_what_a_model_cannot_write_is_named() -> None:
    with pytest.raises(SerDesError, match=r"\$\.handle is of type object"):
        JsonSerDes().serialize(Open.model_validate({"handle": object()}), CONTEXT)


def test_a_submodel_is_refused_instead_of_losing_its_fields() -> None:
    class Special(Line):
        extra: int

    with pytest.raises(SerDesError, match="expected exactly Line"):
        JsonSerDes(Line).serialize(Special(sku="a", extra=1), CONTEXT)


def test_pydantic_is_not_imported_by_the_serdes() -> None:
    program = (
        "import sys; from durable_execution_sdk.serdes import JsonSerDes, SerDesContext\n"
        "s, c = JsonSerDes(dict[str, int]), SerDesContext(operation_id='1')\n"
        "assert s.deserialize(s.serialize({'a': 1}, c), c) == {'a': 1}\n"
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


class Branch(BaseModel):
    parent: Any = Field(default=None, exclude=True)
    children: list[Any] = []
    size: float | None = None


def test_a_model_that_contains_itself_is_refused_where_it_does() -> None:
    """pydantic tells so in words of its own; the way to the part that is to blame had no end."""
    outer = Open.model_validate({"inner": [1]})
    outer.inner.append(outer)  # type: ignore[attr-defined]
    for serdes in (JsonSerDes(Open), JsonSerDes()):
        with pytest.raises(SerDesError, match=r"\$\.inner\[1\] is the same object as \$"):
            serdes.serialize(outer, CONTEXT)


@pytest.mark.parametrize("size", [None, float("nan")])
@pytest.mark.parametrize("outward", [False, True])
def test_a_field_that_is_not_written_may_lead_back(size: float | None, outward: bool) -> None:
    """Numbers that JSON has not, and keys that are the same text, were looked for without end."""
    root = Branch()
    root.children = [Branch(parent=root, size=size), {1: "a"}]
    whose = SerDesContext(operation_id="abc", is_outward=outward)
    if size is not None:
        with pytest.raises(SerDesError, match=r"\$\.children\[0\]\.size is nan"):
            JsonSerDes().serialize(root, whose)
    if outward and size is None:
        assert "parent" not in JsonSerDes(Branch).serialize(root, whose)
    else:
        with pytest.raises(
            SerDesError, match=r"\$\.children\[0\]\.(size is nan|parent is the same)"
        ):
            JsonSerDes(Branch).serialize(root, whose)
