"""Options and members that do not exist: the error names the class, the likely name, and those that exist."""

from __future__ import annotations

import inspect
import pickle
from datetime import timedelta
from enum import Enum
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

import durable_execution_sdk as sdk
from durable_execution_sdk import (
    CheckpointingMode,
    CompletionConfig,
    DurableContext,
    Duration,
    ExponentialBackoff,
    JitterStrategy,
    MapConfig,
    NestingType,
    NoRetry,
    ParallelConfig,
    RetryDecision,
    StepConfig,
    StepSemantics,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    durable_execution,
    durable_step,
    poll_until,
    poll_while,
)
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.option_errors import ELSEWHERE
from durable_execution_sdk.testing import LocalDurableTestRunner


@durable_execution
async def flow(event: None, ctx: DurableContext) -> None: ...


PUBLIC = {name: getattr(sdk, name) for name in sdk.__all__}
CLASSES = {name: value for name, value in PUBLIC.items() if isinstance(value, type)}
# Those that only the SDK makes.
RESULTS = {"BatchItem", "BatchResult", "SerDesContext", "Settled", "StepContext"}
RESULTS |= {"Budget", "Quota", "TimeQuota"}
OPTIONS = {
    name: each
    for name, each in CLASSES.items()
    if issubclass(each, msgspec.Struct) and name not in RESULTS
}
ENUMS = {name: each for name, each in CLASSES.items() if issubclass(each, Enum)}


def refused(cls: Any, *args: object, **options: object) -> str:
    with pytest.raises(TypeError) as raised:
        cls(*args, **options)
    return str(raised.value)


@pytest.mark.parametrize("name", OPTIONS)
def test_each_class_of_options_is_named_with_its_options(name: str) -> None:
    cls = OPTIONS[name]
    fields = ", ".join(f"{field}=..." for field in cls.__struct_fields__)
    called = f"It is called as {name}({fields})"
    required = {field.name: None for field in msgspec.structs.fields(cls) if field.required}
    assert refused(cls, qqq=1, **required) == f"{name} has no option 'qqq'. {called}"
    assert refused(cls, *range(20)).endswith(called)
    for field in required:
        others = {each: None for each in required if each != field}
        assert refused(cls, **others) == f"{name} needs {field}. {called}"


@pytest.mark.parametrize("name", ENUMS)
def test_each_enum_is_named_with_its_members(name: str) -> None:
    enum = ENUMS[name]
    with pytest.raises(AttributeError) as raised:
        _ = enum.QQQ
    members = ", ".join(member.name for member in enum)
    assert str(raised.value) == f"{name} has no member 'QQQ'. Its members are {members}"
    assert not hasattr(enum, "__qqq__") and not hasattr(enum, "_qqq_")
    for member in enum:
        assert getattr(enum, member.name) is member
        assert pickle.loads(pickle.dumps(member)) is member


@pytest.mark.parametrize(
    ("cls", "options", "cure"),
    [
        (
            MapConfig,
            {"tolerated_failure_count": 2},
            "; tolerated_failure_count is an option of CompletionConfig: completion=CompletionConfig(",
        ),
        (
            ParallelConfig,
            {"min_succesful": 2},
            " (did you mean min_successful?); min_successful is an option of CompletionConfig: completion=",
        ),
        (MapConfig, {"max_concurency": 2}, " (did you mean max_concurrency?)."),
        (MapConfig, {"name": "x"}, "; the name is an argument of the operation itself"),
        (StepConfig, {"retry": None}, " (did you mean retry_strategy?)."),
        (
            StepConfig,
            {"max_attempts": 3},
            "; max_attempts is an option of ExponentialBackoff: retry_strategy=ExponentialBackoff(",
        ),
        (
            StepConfig,
            {"retries": 3},
            " (did you mean max_attempts?); max_attempts is an option of ExponentialBackoff: retry_strategy=",
        ),
        (ExponentialBackoff, {"interval": 3}, " (did you mean initial_delay?)."),
        (MapConfig, {"max_workers": 3}, " (did you mean max_concurrency?)."),
        (
            WaitForConditionConfig,
            {"initial_state": 1, "max_attempts": 3},
            "; max_attempts is an option of poll_until: wait_strategy=poll_until(",
        ),
        (WaitForCallbackConfig[int], {"timeou": 1}, " (did you mean timeout?)."),
        (ExponentialBackoff, {"max_attempt": 1}, " (did you mean max_attempts?)."),
        (Duration, {"days": 1}, "; write Duration.from_days(1)."),
        (
            Duration,
            {"hours": 1.5, "seconds": 2},
            "; write Duration.from_hours(1.5) + Duration.from_seconds(2).",
        ),
    ],
)
def test_the_likely_name_and_its_place_are_told(
    cls: Any, options: dict[str, object], cure: str
) -> None:
    message = refused(cls, **options)
    wrong = next(name for name in options if name not in OPTIONS[cls.__name__].__struct_fields__)
    assert message.startswith(f"{cls.__name__} has no option {wrong!r}{cure}"), message


@pytest.mark.parametrize(
    ("cls", "args", "options", "message"),
    [
        (
            CompletionConfig,
            (1,),
            {},
            "CompletionConfig takes its options by name, in any order, and none",
        ),
        (Duration, (1, 2), {}, "Duration takes 1 by position, not 2."),
        (RetryDecision, (True, 1, 2), {}, "RetryDecision takes 2 by position, not 3."),
        (
            Duration,
            (1,),
            {"seconds": 1},
            "Duration got seconds by name and by position; give it once.",
        ),
    ],
)
def test_arguments_by_position_are_told_apart(
    cls: Any, args: tuple[object, ...], options: dict[str, object], message: str
) -> None:
    assert refused(cls, *args, **options).startswith(message)


@pytest.mark.parametrize(
    ("enum", "wrong", "right"),
    [
        (StepSemantics, "AT_MOST_ONCE", "AT_MOST_ONCE_PER_RETRY"),
        (StepSemantics, "at_least_once", "AT_LEAST_ONCE_PER_RETRY"),
        (JitterStrategy, "full", "FULL"),
        (CheckpointingMode, "BATCH", "BATCHED"),
        (NestingType, "NESTE", "NESTED"),
    ],
)
def test_the_likely_member_is_told(enum: type[Enum], wrong: str, right: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(enum, wrong)
    assert f"has no member {wrong!r} (did you mean {enum.__name__}.{right}?)." in str(raised.value)


def test_the_options_of_other_classes_are_theirs() -> None:
    for name, (option, owner, inner) in ELSEWHERE.items():
        own = set(inspect.signature(PUBLIC[name]).parameters)
        assert option in own
        names = set(inspect.signature(PUBLIC[owner]).parameters)
        assert set(inner) <= names, owner
        assert not set(inner) & own


def test_other_type_errors_stay_as_they_are() -> None:
    class Own(Options):
        number: int

        def __post_init__(self) -> None:
            raise TypeError("mine")

    assert refused(Own, number=1) == "mine"


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_that_takes_a_duration_takes_a_timedelta(name: str) -> None:
    hints = get_type_hints(OPTIONS[name])
    lengths = [option for option, hint in hints.items() if Duration in get_args(hint)]
    for option in lengths:
        assert timedelta in get_args(hints[option])
        made = OPTIONS[name](**{option: timedelta(seconds=30)}, **_required(name, lengths, option))
        assert Duration.of(getattr(made, option)) == Duration(30)


def _required(name: str, lengths: list[str], option: str) -> dict[str, object]:
    fields = msgspec.structs.fields(OPTIONS[name])
    required = [field.name for field in fields if field.required and field.name != option]
    others = {"wait_strategy": poll_until(bool)}
    return {each: Duration(30) if each in lengths else others.get(each, 3) for each in required}


def test_polling_takes_a_timedelta() -> None:
    minute = timedelta(minutes=1)
    strategy = poll_until(
        lambda state: bool(state),
        initial_delay=minute,
        max_delay=minute,
        jitter=JitterStrategy.NONE,
    )
    assert strategy(0, 1).delay_seconds == 60


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: durable_execution(retry=NoRetry()), "(did you mean default_retry?). Its options are"),
        (
            lambda: durable_execution(retries=3),
            "(did you mean max_attempts?); max_attempts is an option of ExponentialBackoff: default_retry=",
        ),
        (lambda: durable_execution(qqq=3), "'qqq'. Its options are client, serdes, default_retry"),
        (
            lambda: durable_step(max_attempts=3),
            "; max_attempts is an option of ExponentialBackoff: retry_strategy=ExponentialBackoff(",
        ),
        (lambda: durable_step(semantic=3), "(did you mean semantics?). Its options are retry_"),
        (lambda: durable_step(print), ": write @durable_step(retry_strategy=...), or leave it out"),
        (lambda: poll_until(bool, attempts=3), "(did you mean max_attempts?). Its options are max"),
        (lambda: LocalDurableTestRunner(flow, time=3), "(did you mean timeout?). Its options are functions"),
        (lambda: LocalDurableTestRunner(flow).sync.advance(3), "Its options are days, hours, minutes, seconds"),
        (lambda: LocalDurableTestRunner(flow).advance(day=3), "(did you mean days?). Its options are days"),
        (lambda: poll_while(bool, delay=3), "(did you mean max_delay?). Its options are"),
    ],
)  # fmt: skip
def test_a_wrong_option_of_a_function_is_told_with_the_likely_one(call: Any, told: str) -> None:
    with pytest.raises(TypeError) as raised:
        call()
    assert told in str(raised.value)


def test_type_errors_of_other_code_stay_as_they_are() -> None:
    with pytest.raises(TypeError, match=r"^no$"):
        poll_until(_raising(TypeError("no")))(1, 1)
    assert str(inspect.signature(durable_step)).startswith("(*, retry_strategy: ")
    assert durable_execution.__name__ == "durable_execution"


def _raising(error: Exception) -> Any:
    def function(state: object) -> bool:
        raise error

    return function
