"""Every exception can be recorded, and no code of it runs when it is rebuilt."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.errors.facts import facts, shown
from tests.errors.play import handler_of, run
from tests.memory_service import MemoryService
from tests.sampling import whole_or_sample

from durable_execution_sdk import OperationError, StepError
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.runtime.error_objects import capture, rebuild

LARGEST = 32_768


def size_on_the_wire(error: ErrorObject) -> int:
    return len(json.dumps(msgspec.to_builtins(error)))


def cyclic() -> Exception:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return ValueError(loop)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def group_of(depth: int) -> Exception:
    error: Exception = ValueError("leaf")
    for number in range(depth):
        error = ExceptionGroup(f"level {number}", [error])
    return error


def raising(method: str, what: type[BaseException] = RuntimeError) -> Exception:
    def fails(*_: Any, **__: Any) -> Any:
        raise what("hostile")

    return type("Hostile", (Exception,), {method: fails})("text", 1)


class Text(str):
    __slots__ = ()


class Bundle(ExceptionGroup[Exception]):
    pass


class Lies(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("which class?")


class IsNone(Exception):
    __class__ = None  # type: ignore[assignment]


class SlyName(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")

    @property
    def __mro__(cls) -> Any:  # type: ignore[override]
        raise RuntimeError("no bases")


class Nameless(Exception, metaclass=SlyName):
    pass


class OwnOrder(type):
    def mro(cls) -> Any:
        return super().mro()


class Ordered(LookupError, metaclass=OwnOrder):
    pass


def self_caused() -> Exception:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__context__ = other, one
    return one


def self_held() -> Exception:
    error = ValueError("x")
    error.args = (error, [error])
    return error


def of_attributes(**attributes: Any) -> Exception:
    error = ValueError("x")
    vars(error).update(attributes)
    return error


HOSTILE: dict[str, Exception] = {
    "cycle": cyclic(),
    "nested": ValueError(nested(500)),
    "nested_far": ValueError(nested(50_000)),
    "groups": group_of(400),
    "members": ExceptionGroup("many", [ValueError(n) for n in range(10_000)]),
    "fat_members": ExceptionGroup("fat", [ValueError("x" * 5_000) for _ in range(100)]),
    "str_raises": raising("__str__"),
    "str_exits": raising("__str__", SystemExit),
    "repr_raises": raising("__repr__"),
    "getattribute": raising("__getattribute__"),
    "getattr": raising("__getattr__"),
    "dict": raising("__dir__"),
    "hash": raising("__hash__"),
    "eq": raising("__eq__"),
    "reduce": raising("__reduce_ex__"),
    "str_of_a_subclass": type("Sub", (Exception,), {"__str__": lambda _: Text("sub")})(Text("a")),
    "str_is_no_text": type("Sub", (Exception,), {"__str__": lambda _: 5})("a"),
    "lies": Lies("lies"),
    "is_none": IsNone("x"),
    "nameless": Nameless("x"),
    "ordered": Ordered("x"),
    "surrogates": ValueError("\udc80", "\ud800\udc00 x"),
    "surrogate_attribute": of_attributes(**{"\udc80": "\udfff"}),
    "huge": ValueError("x" * 1_000_000),
    "huge_unicode": ValueError("𝄞" * 100_000, "é" * 100_000),
    "control": ValueError("\x00\x1b[2J" * 5_000),
    "quotes": ValueError('"\\' * 20_000),
    "number": ValueError(10**5_000),
    "bytes": ValueError(b"\xff" * 1_000_000),
    "wide": ValueError(list(range(100_000))),
    "attributes": of_attributes(**{f"a{n}": "x" * 100 for n in range(5_000)}),
    "notes": of_attributes(__notes__=["n" * 10_000] * 100),
    "strange_notes": of_attributes(__notes__=5),
    "notes_of_a_subclass": of_attributes(__notes__=[Text("a"), 5, None]),
    "number_keys": of_attributes(**{"1": {1: {2: 3}}}),
    "self_caused": self_caused(),
    "self_held": self_held(),
    "object": ValueError(object(), lambda: 0, sys),
    "nan": ValueError(float("nan"), float("inf")),
    "long_name": type("N" * 10_000, (Exception,), {})("x"),
    "odd_name": type("<b> é $", (Exception,), {"__module__": 5})("x"),
    "no_arguments": Exception(),
    "errno_of_text": OSError("a", "b", "c", 1, "d"),
    "no_unicode_error": type(
        "U",
        (UnicodeDecodeError,),
        {"__init__": lambda *_: None, "__new__": lambda c, *a: ValueError.__new__(c, *a)},
    )("x"),
    "long_module": type("X", (Exception,), {"__module__": "m" * 1_000})("x"),
    "mixed": type("X", (KeyError, OSError), {})("x"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_failure_is_recorded_and_the_same_on_replay(name: str) -> None:
    error = HOSTILE[name]
    runs: list[int] = []
    caught: list[Exception] = []

    def body() -> None:
        runs.append(1)
        raise error

    service = MemoryService()
    handler = handler_of({name: body}, lambda _name, each: caught.append(each))
    for _ in range(2):
        run(service, handler, [name])
    assert runs == [1]
    first, again = caught
    assert type(first) is type(again)
    assert str(first) == str(again)
    assert type.__repr__(type(first)) == type.__repr__(type(again))
    recorded = next(iter(service.operations.values())).step_details.error
    assert size_on_the_wire(recorded) <= LARGEST
    assert recorded.error_data is not None
    for kind in type.__dict__["__mro__"].__get__(type(error)):
        if kind not in (IsNone, Ordered) and "odd" not in name and "long" not in name:
            assert kind in type.__dict__["__mro__"].__get__(type(first)), kind


def test_what_was_left_out_is_named() -> None:
    error: Any = ValueError("x", object())
    error.socket = object()
    caught: Any = rebuild(StepError, capture(error))
    assert caught.args == ("x", "<object, not recorded>")
    with pytest.raises(AttributeError, match=r"'socket' of this ValueError.*builtins.object"):
        caught.socket
    assert not hasattr(caught, "other")
    assert json.loads(capture(error).error_data or "")["omitted"] == {
        "args[1]": "builtins.object",
        "socket": "builtins.object",
    }


def test_parts_are_dropped_in_an_order_and_the_class_never() -> None:
    def of(size: int) -> Any:
        error: Any = ValueError("m")
        error.small, error.large = "s", "l" * size
        error.add_note("n" * 2_000)
        error.__cause__ = ValueError("c" * 4_000)
        error.__context__ = ValueError("k" * 4_000)
        try:
            raise error
        except ValueError as raised:
            return rebuild(StepError, capture(raised))

    whole, without_context, without_cause, without_large = (
        of(n) for n in (0, 16_000, 22_000, 32_000)
    )
    assert whole.__context__ is not None
    assert without_context.__context__ is None
    assert without_context.__cause__ is not None
    assert (without_cause.__cause__, len(without_cause.large)) == (None, 22_000)
    assert without_large.small == "s"
    assert not hasattr(without_large, "large")
    for each in (whole, without_context, without_cause, without_large):
        assert isinstance(each, ValueError)
        assert each.__notes__
        assert each.stack_trace


def test_a_group_of_any_size_is_a_group() -> None:
    for count in (1, 2, 63, 64, 65, 500):
        error = ExceptionGroup("g", [ValueError(n) for n in range(count)])
        caught: Any = rebuild(StepError, capture(error))
        assert isinstance(caught, ExceptionGroup)
        assert str(caught) == str(error)
        assert len(caught.exceptions) == min(count, 64)
        assert [each.args for each in caught.exceptions[:3]] == [(n,) for n in range(min(count, 3))]


@pytest.mark.parametrize("count", [100, 5_000])
@pytest.mark.parametrize("nested", [False, True])
def test_any_number_of_arguments_leaves_the_class(count: int, nested: bool) -> None:
    error: Exception = ValueError(*range(count), *("\U0001f600" * 200 for _ in range(count)))
    if nested:
        error = ExceptionGroup("g", [error, error])
    recorded = capture(error)
    assert size_on_the_wire(recorded) <= LARGEST
    caught: Any = rebuild(StepError, recorded)
    assert isinstance(caught, ExceptionGroup if nested else ValueError)
    each = caught.exceptions[0] if nested else caught
    assert isinstance(each, ValueError)
    assert each.args[:3] == (0, 1, 2)
    assert "more, not recorded" in each.args[-1]


@pytest.mark.parametrize("depth", [4, 5, 6, 9, 60])
def test_groups_that_lie_too_deep_for_their_members_can_be_copied(depth: int) -> None:
    error: Exception = ValueError("leaf")
    for _ in range(depth):
        error = Bundle("g", [error, KeyError("side")])
    caught: Any = rebuild(StepError, capture(error))
    for again in (copy.copy(caught), copy.deepcopy(caught), pickle.loads(pickle.dumps(caught))):
        left, right = caught, again
        while isinstance(left, ExceptionGroup):
            assert type(left) is type(right)
            assert str(left) == str(right)
            left, right = left.exceptions[0], right.exceptions[0]
        assert type(left) is type(right)
        assert str(left) == str(right)


# Rebuilding an exception runs no user code and imports nothing.


def module_of(name: str, text: str) -> ModuleType:
    module = ModuleType(name)
    exec(text, module.__dict__)
    return module


def test_a_module_that_makes_up_its_attributes_is_not_asked(monkeypatch: Any) -> None:
    asked: list[str] = []
    module = ModuleType("making_up")
    module.__getattr__ = lambda name: asked.append(name)  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "making_up", module)
    kind = type("Gone", (LookupError,), {"__module__": "making_up"})
    recorded = capture(kind("x"))
    del kind
    caught = rebuild(StepError, recorded)
    assert isinstance(caught, LookupError)
    assert asked == []


def test_nothing_is_imported() -> None:
    data = {
        "durable_error": 1,
        "kind": "idlelib.pyshell:Nothing",
        "classes": [
            "idlelib.pyshell:Nothing",
            "this:Zen",
            "builtins:LookupError",
            "builtins:Exception",
        ],
        "args": [{"$": "enum", "c": "antigravity:X", "n": "A", "v": 5}],
    }
    for name in ("idlelib.pyshell", "this", "antigravity"):
        assert name not in sys.modules
    caught = rebuild(
        StepError,
        ErrorObject(error_type="Nothing", error_data=json.dumps(data, separators=(",", ":"))),
    )
    assert isinstance(caught, LookupError)
    assert (type(caught).__name__, caught.args) == ("Nothing", (5,))
    assert caught.is_a("this.Zen")
    for name in ("idlelib.pyshell", "this", "antigravity"):
        assert name not in sys.modules


def test_what_is_no_exception_is_not_made_into_one() -> None:
    for path in ("subprocess:Popen", "builtins:int", "os:path", "builtins:SystemExit", "a", ""):
        data = json.dumps(
            {"durable_error": 1, "kind": path, "classes": [path]}, separators=(",", ":")
        )
        caught = rebuild(StepError, ErrorObject(error_type="X", error_data=data))
        assert isinstance(caught, StepError)
        assert not isinstance(caught, SystemExit)


@pytest.mark.parametrize(
    "data",
    [
        '{"durable_error":1',
        '{"durable_error":2,"kind":"builtins:KeyError","classes":["builtins:KeyError"]}',
        '{"durable_error":"1"}',
        '{"durable_error":1,"classes":5}',
        '{"durable_error":1,"kind":"builtins:KeyError","args":[{"$":"decimal","v":"x"}]}',
        '{"durable_error":1,"kind":"builtins:KeyError","args":[{"$":"what"}]}',
        '{"durable_error":1,"kind":"builtins:KeyError","args":[{"$":5}]}',
        '{"durable_error":1,"kind":"builtins:KeyError","args":[' + "[" * 5_000 + "]" * 5_000 + "]}",
    ],
)
def test_a_record_that_is_damaged_is_a_plain_failure(data: str) -> None:
    caught = rebuild(StepError, ErrorObject(error_type="T", error_message="m", error_data=data))
    assert type(caught) is StepError
    assert (str(caught), caught.error_type) == ("m", "T")


# Exceptions with any values.

TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    TEXTS,
    st.binary(max_size=20),
    st.decimals(allow_nan=False),
    st.datetimes().map(lambda at: at.replace(fold=0)),
    st.dates(),
    st.times().map(lambda at: at.replace(fold=0)),
    st.timedeltas(),
    st.uuids(),
)
KEYS = st.one_of(TEXTS, st.integers(), st.booleans(), st.tuples(st.integers()))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.sets(st.integers(), max_size=4),
        st.frozensets(st.text(max_size=3), max_size=4),
        st.lists(st.builds(ValueError, st.integers()), max_size=2),
    ),
    max_leaves=12,
)
KINDS = st.sampled_from([ValueError, KeyError, OSError, ImportError, SyntaxError, UnicodeError])


@st.composite
def exceptions(draw: Any, depth: int = 2) -> BaseException:
    kind, args = draw(KINDS), draw(st.lists(VALUES, max_size=4))
    try:
        error: Any = kind(*args)
    except TypeError:  # not valid arguments of a SyntaxError
        error = ValueError(*args)
    vars(error).update(draw(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=3)))
    for note in draw(st.lists(st.text(max_size=10), max_size=2)):
        error.add_note(note)
    if depth and draw(st.booleans()):
        error.__cause__ = draw(exceptions(depth - 1))
    if depth and draw(st.booleans()):
        error.__context__ = draw(exceptions(depth - 1))
    if depth and draw(st.integers(0, 3)) == 0:
        return ExceptionGroup(draw(st.text(max_size=5)), [error, draw(exceptions(depth - 1))])
    return error


@whole_or_sample
def test_any_exception_comes_back_as_what_it_was(*, whole: bool) -> None:
    settings(max_examples=150 if whole else 50, deadline=None)(
        given(exceptions())(check_exception)
    )()


def check_exception(error: BaseException) -> None:
    recorded = capture(error)
    assert size_on_the_wire(recorded) <= LARGEST
    written = msgspec.json.encode(recorded)
    caught = rebuild(StepError, msgspec.json.decode(written, type=ErrorObject))
    assert facts(rebuild(StepError, recorded)) == facts(caught)
    check_same(error, caught)
    again = rebuild(OperationError, capture(caught))
    check_same(error, again)


def check_same(error: Any, caught: Any) -> None:
    for kind in type(error).__mro__:
        assert kind in type(caught).__mro__
    assert type(caught).__name__ == type(error).__name__
    recorded = vars(caught)["_durable_record"]
    if recorded.omitted:
        return
    assert getattr(caught, "__notes__", []) == getattr(error, "__notes__", [])
    if isinstance(error, BaseExceptionGroup):
        for one, other in zip(error.exceptions, caught.exceptions, strict=True):
            check_same(one, other)
    else:
        assert [shown(arg) for arg in caught.args] == [shown(arg) for arg in error.args]
    for name, value in vars(error).items():
        if name not in ("__notes__",):
            assert shown(vars(caught)[name]) == shown(value)
    for name in ("__cause__", "__context__"):
        one, other = getattr(error, name), getattr(caught, name)
        assert (one is None) == (other is None)
        if one is not None:
            check_same(one, other)
