"""Exception classes of any definition are caught as themselves, with their attributes."""

from __future__ import annotations

import abc
import copy
import enum
import json
import pickle
import subprocess
import sys
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
import pydantic
import pytest
from tests.errors.facts import facts, shown
from tests.errors.play import handler_of, run
from tests.memory_service import MemoryService

from durable_execution_sdk import OperationError, StepError
from durable_execution_sdk.errors import ChildContextError
from durable_execution_sdk.runtime.error_objects import capture, rebuild

T = TypeVar("T")
RAN: list[str] = []


class Choice(enum.Enum):
    YES = 1.5
    NO = "no"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):  # noqa: SLOT000 - as those of template libraries
    """Text of a template library."""


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Money:
    amount: Decimal
    parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        RAN.append("Money.__post_init__")


@dataclass(frozen=True, slots=True)
class Fixed:
    at: datetime


class Packed(msgspec.Struct):
    number: int


class Model(pydantic.BaseModel):
    name: str
    level: Level = Level.HIGH


class KeywordOnly(Exception):
    def __init__(self, *, code: str, amount: Decimal) -> None:
        RAN.append("KeywordOnly.__init__")
        super().__init__(f"code {code}")
        self.code = code
        self.amount = amount


class Slotted(Exception):
    __slots__ = ("__secret", "code", "unset")

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
        self.__secret = (code, "s")

    @property
    def secret(self) -> Any:
        return self.__secret


class SlottedMore(Slotted):
    __slots__ = ("more",)


class Of(Exception, Generic[T]):
    def __init__(self, item: T) -> None:
        super().__init__("of", item)
        self.item = item


class Outer:
    class Inner(KeyError):
        class Innermost(ValueError):
            pass


@dataclass(frozen=True)
class Frozen(Exception):
    code: int
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FrozenSlots(Exception):
    code: int


class Meta(abc.ABCMeta):
    def __new__(mcs, *args: Any, **options: Any) -> Any:
        RAN.append("Meta.__new__")
        return super().__new__(mcs, *args, **options)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        RAN.append("Meta.__call__")
        return super().__call__(*args, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        RAN.append("Meta.__instancecheck__")
        return super().__instancecheck__(instance)


class WithMeta(Exception, metaclass=Meta):
    seen: ClassVar[list[type]] = []

    def __init_subclass__(cls, **options: Any) -> None:
        RAN.append("WithMeta.__init_subclass__")

    def __new__(cls, *args: Any) -> Any:
        RAN.append("WithMeta.__new__")
        return super().__new__(cls, *args)

    def __setattr__(self, name: str, value: Any) -> None:
        RAN.append("WithMeta.__setattr__")
        super().__setattr__(name, value)

    @property
    def code(self) -> int:
        RAN.append("WithMeta.code")
        return 1

    @code.setter
    def code(self, value: int) -> None:
        RAN.append("WithMeta.code.setter")

    def __setstate__(self, state: Any) -> None:
        RAN.append("WithMeta.__setstate__")

    def __getattribute__(self, name: str) -> Any:
        RAN.append("WithMeta.__getattribute__")
        return super().__getattribute__(name)

    def __str__(self) -> str:
        return "its own text"

    def __repr__(self) -> str:
        return "its own repr"


class Reduced(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.sum = a + b

    def __reduce__(self) -> Any:
        RAN.append("Reduced.__reduce__")
        return Reduced, (1, 2)


class Errno(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(28, "No space", path)
        self.path = path


class Both(KeyError, AttributeError):
    pass


class Numbered(StepError):
    pass


def chained() -> Exception:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise Slotted(2) from error
    except Slotted as error:
        try:
            raise ValueError("third")
        except ValueError as last:
            last.add_note("one")
            last.add_note("two\nlines")
            last.__cause__ = error
            return last


def made() -> dict[str, BaseException]:
    class Local(Exception):
        pass

    changed = FileNotFoundError(2, "No such file", "/a")
    changed.filename, changed.errno = "/b", 3
    late = Exception("late")
    late.values = {  # type: ignore[attr-defined]
        "choice": Choice.YES,
        "level": Level.HIGH,
        "word": Word("w"),
        "point": Point(1, 2),
        "money": Money(Decimal("1.50"), (1, 2)),
        "fixed": Fixed(datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
        "packed": Packed(5),
        "model": Model(name="n"),
        "times": (datetime(2030, 1, 2), date(2030, 1, 2), time(1, 2), timedelta(days=2, seconds=3)),
        "uuid": UUID(int=5),
        "numbers": [2**80, -1.5, 1e300, 10**16, True, None, complex(1, -2)],
        "bytes": [b"\x00\xff", bytearray(b"a")],
        "sets": [{1}, frozenset({"a"})],
        "dicts": [{1: "int", (2, 3): "tuple"}, {"$": "tag"}, OrderedDict(b=1, a=2), deque([1])],
        "text": ["\udc80 lone", "\x00", "ü€𝄞", "</script>"],
        "path": PurePosixPath("/a/b"),
        "class": KeywordOnly,
        "error": KeyError("inner"),
    }
    of: Any = Of[int]
    return {
        "keyword_only": KeywordOnly(code="a", amount=Decimal("1.10")),
        "slotted": Slotted(7),
        "slotted_more": SlottedMore(7),
        "generic": of(Money(Decimal(1))),
        "nested": Outer.Inner("k"),
        "nested_deeper": Outer.Inner.Innermost("v"),
        "local": Local("here"),
        "made": type("Made", (LookupError,), {})("at run time"),
        "frozen": Frozen(3, ["a"]),
        "frozen_slots": FrozenSlots(3),
        "meta": WithMeta("m", 1),
        "reduced": Reduced(1, 2),
        "errno": Errno("/p"),
        "changed": changed,
        "both": Both("b"),
        "step_error": Numbered("mine"),
        "values": late,
        "arguments": ValueError(Choice.NO, Decimal("NaN"), [Fixed(datetime(2030, 1, 1))], {1, 2}),
        "chained": chained(),
        "group": ExceptionGroup("g", [KeywordOnly(code="x", amount=Decimal(1)), Slotted(1)]),
        "groups": ExceptionGroup("o", [ExceptionGroup("i", [Outer.Inner("k")]), Local("l")]),
    }


ERRORS = made()


def body(error: BaseException) -> Any:
    def raises() -> None:
        raise error

    return raises


@pytest.mark.parametrize("name", ERRORS)
def test_it_is_caught_as_itself_and_holds_the_same(name: str) -> None:
    error = ERRORS[name]
    caught: list[Exception] = []
    handler = handler_of({name: body(error)}, lambda _name, each: caught.append(each))
    service = MemoryService()
    RAN.clear()
    for _ in range(2):
        run(service, handler, [name])
    assert [each for each in RAN if each != "WithMeta.__getattribute__"] == []
    first, again = caught
    assert facts(first) == facts(again)
    for each in caught:
        assert isinstance(each, StepError)
        for kind in type(error).__mro__:
            assert kind in type(each).__mro__
        assert type(each).__name__ == type(error).__name__
        assert (str(each), repr(each)) == (str(error), repr(error))
        for attribute, value in vars(error).items():
            if not attribute.startswith("__") and not isinstance(error, StepError):
                assert shown(vars(each)[attribute]) == shown(value)
        if not isinstance(error, BaseExceptionGroup):
            assert [shown(arg) for arg in each.args] == [shown(arg) for arg in error.args]


def test_members_of_groups_are_themselves() -> None:
    for _ in range(2):
        group: Any = rebuild(StepError, capture(ERRORS["groups"]))
        inner, local = group.exceptions
        assert isinstance(inner.exceptions[0], Outer.Inner)
        assert (
            isinstance(local, type(ERRORS["local"]).__mro__[0]) or type(local).__name__ == "Local"
        )
        assert group.subgroup(Outer.Inner) is not None


def test_slots_with_private_names_are_kept() -> None:
    caught: Any = rebuild(StepError, capture(SlottedMore(9)))
    assert (caught.code, caught.secret) == (9, (9, "s"))
    assert not hasattr(caught, "unset")


def test_members_that_were_changed_after_the_fact_are_kept() -> None:
    caught: Any = rebuild(StepError, capture(ERRORS["changed"]))
    assert (caught.errno, caught.filename, caught.strerror) == (3, "/b", "No such file")


def test_relatives_and_notes_are_kept() -> None:
    caught = rebuild(StepError, capture(ERRORS["chained"]))
    assert caught.__notes__ == ["one", "two\nlines"]
    cause = caught.__cause__
    assert isinstance(cause, Slotted)
    assert not isinstance(cause, OperationError)
    assert isinstance(cause.__cause__, KeyError)
    assert cause.__context__ is cause.__cause__
    assert caught.__context__ is caught.__cause__ or caught.__context__ is not None


def test_a_chain_is_kept_to_a_depth_of_five() -> None:
    error: BaseException = ValueError("0")
    for number in range(1, 20):
        outer = ValueError(str(number))
        outer.__cause__ = error
        error = outer
    caught: BaseException | None = rebuild(StepError, capture(error))
    texts = []
    while caught is not None:
        texts.append(str(caught))
        last, caught = caught, caught.__cause__
    assert texts == ["19", "18", "17", "16", "15", "14"]
    assert "too deep" in vars(last)["_durable_record"].omitted["__cause__"]


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in range(2, 6)),
    ],
)
def test_it_can_be_copied_and_pickled(name: str, again: Any) -> None:
    caught = rebuild(StepError, capture(ERRORS[name]), operation_id="id")
    copied = again(caught)
    assert copied is not caught
    assert type(copied) is type(caught)
    assert facts(copied) == facts(caught)
    assert copied.operation_id == "id"


def test_it_passes_through_contexts_as_itself() -> None:
    error: Exception = KeywordOnly(code="deep", amount=Decimal(9))
    for kind in (StepError, ChildContextError, ChildContextError):
        error = rebuild(kind, capture(error), operation_id=kind.__name__)
    caught: Any = error
    assert isinstance(caught, StepError)
    assert (caught.code, caught.amount) == ("deep", Decimal(9))
    assert caught.operation_id == "ChildContextError"
    assert type(caught).__name__ == "KeywordOnly"
    assert caught.is_a(f"{__name__}.KeywordOnly")


def test_a_class_that_is_made_again_by_each_run_is_caught_as_the_one_at_hand() -> None:
    def fails() -> type[Exception]:
        class Declined(Exception):
            pass

        return Declined

    first = fails()
    recorded = capture(first("no"))
    second = fails()
    caught = rebuild(StepError, recorded)
    assert isinstance(caught, first)
    assert isinstance(caught, second)


def test_attributes_of_the_original_come_before_those_of_the_operation() -> None:
    error: Any = ValueError("x")
    error.operation_name, error.operation_id, error.error_data = "GetItem", 5, {"a": 1}
    caught: Any = error
    for kind in (StepError, ChildContextError):
        caught = rebuild(kind, capture(caught), operation_name="mine", operation_id="id")
        assert (caught.operation_name, caught.operation_id) == ("GetItem", 5)
        assert caught.error_data == {"a": 1}


def test_changes_that_workflow_code_makes_are_recorded_with_it() -> None:
    caught: Any = rebuild(StepError, capture(KeywordOnly(code="a", amount=Decimal(1))))
    caught.code = "b"
    caught.add_note("seen")
    again: Any = rebuild(ChildContextError, capture(caught))
    assert (again.code, again.__notes__) == ("b", ["seen"])


class _Text(str):
    __slots__ = ()


class _Texts(list[str]):
    pass


class _Table(dict[str, int]):
    pass


class _Names(frozenset[str]):
    pass


def _made_at_run_time() -> list[tuple[Any, Any]]:
    """Return values of classes that no name leads to, and the plain values that come back."""
    pair = namedtuple("Pair", "x y")  # type: ignore[misc]
    text, texts, table, names = (
        type("Made", (base,), {"__module__": "made"}) for base in (_Text, _Texts, _Table, _Names)
    )
    fields = make_dataclass("Fields", ["x"])
    return [
        (pair(1, pair(2, 3)), (1, (2, 3))),
        (text("a"), "a"),
        (texts(["a"]), ["a"]),
        (table(a=1), {"a": 1}),
        (names("a"), frozenset("a")),
        (fields([pair(1, 2)]), {"x": [(1, 2)]}),
        (enum.Enum("Color", "RED").RED, 1),  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize(("value", "plain"), _made_at_run_time(), ids=lambda value: repr(value))
def test_a_value_of_a_class_that_is_not_loaded_is_its_plain_value(value: Any, plain: Any) -> None:
    error: Any = ValueError(value)
    error.value = value
    caught: Any = rebuild(StepError, capture(error))
    assert shown(caught.args[0]) == shown(caught.value) == shown(plain)


_READS_A_PATH = """
import json, sys
from durable_execution_sdk import StepError
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.runtime.error_objects import rebuild
caught = rebuild(StepError, ErrorObject(error_type="X", error_data=sys.stdin.read()))
print(json.dumps([type(caught.filename).__name__, str(caught.filename)]))
"""


def test_a_path_comes_back_in_a_process_that_has_not_loaded_pathlib() -> None:
    path = PurePosixPath("/a/\udcff")
    recorded = capture(FileNotFoundError(2, "no", path))
    command = [sys.executable, "-c", _READS_A_PATH]
    run = subprocess.run(
        command, input=recorded.error_data, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == ["PurePosixPath", str(path)]
