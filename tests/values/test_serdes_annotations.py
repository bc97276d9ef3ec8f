"""The serdes that is made for an annotation of a function."""

from __future__ import annotations

import functools
import gc
import weakref
from asyncio import Future
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self, TypeVar, get_args

import pytest

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.serdes import (
    JsonSerDes,
    SerDes,
    SerDesContext,
    serdes_for_parameter,
    serdes_for_return,
    serdes_for_type,
)

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]  # pyright: ignore

T = TypeVar("T")
CONTEXT = SerDesContext(operation_id="abc")


@dataclass
class Order:
    id: int


def kind(serdes: SerDes[Any]) -> Any:
    """Return the type that a serdes reads."""
    assert isinstance(serdes, JsonSerDes)
    return serdes.type_


def plain(order: Order, count: int) -> Order: ...
async def coroutine(order: Order) -> list[Order]: ...
async def nothing() -> None: ...
def bare(order): ...  # type: ignore[no-untyped-def]
def never() -> NoReturn: ...
def generic(value: T) -> T: ...
def awaitable() -> Awaitable[Order]: ...
def coro() -> Coroutine[Any, Any, Order]: ...
def future() -> Future[Order]: ...
def bare_awaitable() -> Awaitable: ...  # type: ignore[type-arg]
async def nested() -> Awaitable[Order]: ...
def missing_return(order: Order) -> Missing: ...
def missing_parameter(other: Missing, order: Order) -> Order: ...
def quoted(order: list["Order"]) -> "Order | None": ...
def extra(order: Annotated[Order, "doc"]) -> Annotated[int, "doc"]: ...
def many(first: int, *orders: Order, last: str) -> None: ...


def passing(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any: ...

    return wrapper


class Service:
    def method(self, order: Order) -> Order: ...

    @classmethod
    def of_class(cls, order: Order) -> Order: ...

    @staticmethod
    def static(order: Order) -> Order: ...

    @passing
    def wrapped(self, order: Order) -> Order: ...

    def itself(self) -> Self: ...


@dataclass
class Chain:
    length: int = 0

    def itself(self) -> Self: ...

    @classmethod
    def made(cls) -> list[Self]: ...


class LongerChain(Chain):
    pass


class Callee:
    def __call__(self, order: Order) -> Order: ...


class Decorated:
    def __init__(self, func: Callable[..., Any]) -> None:
        self.__wrapped__ = func

    def __call__(self, *args: Any) -> Any: ...


@pytest.mark.parametrize(
    ("func", "expected"),
    [
        (plain, Order),
        (coroutine, list[Order]),
        (nothing, type(None)),
        (bare, Any),
        (never, Any),
        (generic, T),
        (awaitable, Order),
        (coro, Order),
        (future, Order),
        (bare_awaitable, Any),
        (missing_parameter, Order),
        (quoted, Order | None),
        (extra, Annotated[int, "doc"]),
        (lambda: 1, Any),
        (len, Any),
        (Order, Order),
        (functools.partial(plain, Order(1)), Order),
        (functools.partial(functools.partial(plain, Order(1)), 2), Order),
        (functools.partial(len), Any),
        (passing(plain), Order),
        (passing(passing(coroutine)), list[Order]),
        (functools.lru_cache(plain), Order),
        (Service().method, Order),
        (Service().wrapped, Order),
        (Service.of_class, Order),
        (Service.static, Order),
        (Chain().itself, Chain),
        (Chain.made, list[Chain]),
        (LongerChain().itself, LongerChain),
        (Callee(), Order),
        (Decorated(plain), Order),
        (functools.partial(Service().method), Order),
    ],
)
def test_the_return_annotation_is_found_behind_every_callable(func: Any, expected: Any) -> None:
    for _ in range(2):
        serdes = serdes_for_return(func)
        if Self in (kind(serdes), *get_args(kind(serdes))):
            value = expected() if isinstance(expected, type) else [get_args(expected)[0]()]
            read = serdes.deserialize(serdes.serialize(value, CONTEXT), CONTEXT)
            assert (type(read), read) == (type(value), value)
        else:
            assert kind(serdes) == expected


@pytest.mark.parametrize(
    ("func", "index", "expected"),
    [
        (plain, 0, Order),
        (plain, 1, int),
        (plain, 2, Any),
        (bare, 0, Any),
        (missing_parameter, 1, Order),
        (quoted, 0, list[Order]),
        (extra, 0, Annotated[Order, "doc"]),
        (many, 0, int),
        (many, 1, Order),
        (many, 5, Order),
        (Service().method, 0, Order),
        (Service().wrapped, 0, Order),
        (Service.of_class, 0, Order),
        (Service.static, 0, Order),
        (Callee(), 0, Order),
        (Decorated(plain), 1, int),
        (functools.partial(plain, Order(1)), 0, int),
        (functools.partial(Service().method), 0, Order),
        (passing(plain), 1, int),
        (passing(functools.partial(plain, Order(1))), 0, int),
        (Order, 0, Any),
        (len, 0, Any),
    ],
)
def test_the_annotation_of_a_positional_argument_is_found(
    func: Any, index: int, expected: Any
) -> None:
    for _ in range(2):
        assert kind(serdes_for_parameter(func, index)) == expected


@pytest.mark.parametrize(
    ("func", "place", "reason"),
    [
        (missing_return, "the return value", "'Missing' cannot be resolved: name 'Missing'"),
        (
            nested,
            "the return value",
            r"\$ is collections.abc.Awaitable\[.*Order\], which has no form",
        ),
        (Service().itself, "the return value", r"\$ is Service, which has no form in JSON"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_refused(func: Any, place: str, reason: str) -> None:
    name = func.__qualname__
    with pytest.raises(ConfigError, match=f"annotation of {place} in .*{name}: .*{reason}"):
        serdes_for_return(func)


def test_a_parameter_whose_annotation_cannot_be_resolved_is_refused_when_it_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"parameter 1 in .*missing_parameter: 'Missing' cannot"):
        serdes_for_parameter(missing_parameter, 0)


def test_classes_of_an_enclosing_function_are_found_where_the_function_uses_them() -> None:
    @dataclass
    class Local:
        id: int

    def made() -> Local:
        return Local(1)

    def unseen() -> list[Local]: ...

    late: Callable[[], Any]

    def early() -> Late:  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore
        return late()

    assert kind(serdes_for_return(made)) is Local
    with pytest.raises(ConfigError, match=r"unseen: 'list\[Local\]' cannot be resolved"):
        serdes_for_return(unseen)
    with pytest.raises(ConfigError, match="early: 'Late' cannot be resolved"):
        serdes_for_return(early)
    late = made


def test_a_class_whose_fields_cannot_be_resolved_is_refused_with_the_way_out() -> None:
    @dataclass
    class Inner:
        id: int

    @dataclass
    class Outer:
        inner: Inner

    def step() -> Outer:
        return Outer(Inner(1))

    with pytest.raises(ConfigError, match=r"Outer: .*'Inner' is not defined.* module level"):
        serdes_for_return(step)


def test_type_parameters_can_be_named() -> None:
    def step(value: "V") -> "list[V]": ...  # type: ignore[name-defined]  # pyright: ignore

    step.__type_params__ = (V := TypeVar("V"),)  # type: ignore[attr-defined]
    assert kind(serdes_for_return(step)) == list[V]


def test_a_decorator_that_wraps_itself_is_no_endless_loop() -> None:
    def loop() -> int: ...

    loop.__wrapped__ = loop  # type: ignore[attr-defined]
    assert kind(serdes_for_return(loop)) is Any


def test_a_function_is_looked_at_once_and_not_kept_alive() -> None:
    def step(order: Order) -> Order: ...

    assert serdes_for_return(step) is serdes_for_return(step)
    assert serdes_for_parameter(step, 0) is serdes_for_return(step)
    gone = weakref.ref(step)
    del step
    gc.collect()
    assert gone() is None


def test_a_type_has_one_serdes_and_one_that_json_cannot_express_has_none() -> None:
    assert serdes_for_type(list[Order]) is serdes_for_type(list[Order])
    assert kind(serdes_for_type(NoReturn)) is Any
    unhashable = Annotated[int, []]
    assert kind(serdes_for_type(unhashable)) == unhashable
