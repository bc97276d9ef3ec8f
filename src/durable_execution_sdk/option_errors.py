"""Messages for options and members that do not exist: the class, the likely name, and those that there are.

Loaded when such an error occurs: see ``first_use``. Wrong arguments of a context's methods have their messages in
``operations.lifecycle.call_errors``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

__all__ = ["ELSEWHERE", "complete_call", "complete_function_call", "missing_member"]

_UNKNOWN = re.compile(r"Unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"Missing required argument '(\w+)'")
_TWICE = re.compile(r"Argument '(\w+)' given by name and position")
_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")
_ONE_BY_POSITION = "takes 0 positional arguments but 1"
_POSITIONAL = "Extra positional arguments provided"

_COMPLETION = ("min_successful", "tolerated_failure_count", "tolerated_failure_percentage")
_RETRY = ("max_attempts", "initial_delay", "max_delay", "backoff_rate", "jitter", "retryable")
_POLLING = ("max_attempts", "initial_delay", "max_delay", "backoff_rate", "jitter")
_UNITS = ("seconds", "minutes", "hours", "days", "weeks", "months", "years")

# The options that belong to another class or function, and the option that takes it.
ELSEWHERE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "MapConfig": ("completion", "CompletionConfig", (*_COMPLETION, "should_complete")),
    "ParallelConfig": ("completion", "CompletionConfig", (*_COMPLETION, "should_complete")),
    "StepConfig": ("retry_strategy", "ExponentialBackoff", _RETRY),
    "WaitForCallbackConfig": ("retry_strategy", "ExponentialBackoff", _RETRY),
    "durable_execution": ("default_retry", "ExponentialBackoff", _RETRY),
    "WithRetryConfig": ("retry_strategy", "ExponentialBackoff", _RETRY),
    "WaitForConditionConfig": ("wait_strategy", "poll_until", _POLLING),
}

# The option that is meant by a name that is spelled otherwise.
_MEANT = {
    "retries": "max_attempts",
    "max_retries": "max_attempts",
    "tries": "max_attempts",
    "interval": "initial_delay",
    "multiplier": "backoff_rate",
    "factor": "backoff_rate",
    "retry_on": "retryable",
    "parallelism": "max_concurrency",
    "max_workers": "max_concurrency",
    "max_failures": "tolerated_failure_count",
}


def complete_call(
    cls: type, error: TypeError, args: tuple[object, ...], options: Mapping[str, object]
) -> None:
    """Say in msgspec's error which class was called, with what options, and what to write instead."""
    message = str(error.args[0]) if len(error.args) == 1 else ""
    fields: tuple[str, ...] = getattr(cls, "__struct_fields__", ())
    text: str | None = None
    if found := _UNKNOWN.fullmatch(message):
        text = f"{cls.__name__} has no option {found[1]!r}{_cure(cls, found[1], options, fields)}"
    elif found := _MISSING.fullmatch(message):
        text = f"{cls.__name__} needs {found[1]}"
    elif found := _TWICE.fullmatch(message):
        text = f"{cls.__name__} got {found[1]} by name and by position; give it once"
    elif message == _POSITIONAL:
        text = _positional(cls, args)
    if text is not None:
        call = ", ".join(f"{field}=..." for field in fields)
        error.args = (f"{text}. It is called as {cls.__name__}({call})",)


def complete_function_call(function: Callable[..., object], error: TypeError) -> None:
    """Say in Python's error about a call of a function what its options are, and the one that was probably meant."""
    message = str(error.args[0]) if len(error.args) == 1 else ""
    name = function.__qualname__
    if not message.startswith(f"{name}() "):
        return
    options = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    text = f"{message}. Its options are {', '.join(options)}"
    if found := _UNEXPECTED.search(message):
        near = _likely(found[1], options)
        owner = "StepConfig" if name == "durable_step" else name
        cure = _elsewhere(owner, found[1]) if near is None else f" (did you mean {near}?)"
        text = f"{message}{cure}. Its options are {', '.join(options)}"
    elif name == "durable_step" and _ONE_BY_POSITION in message:
        text += ": write @durable_step(retry_strategy=...), or leave it out, since any function is a step"
    error.args = (text,)


def missing_member(cls: type, name: str, members: Iterable[str]) -> AttributeError:
    """Return the error for a member of an enum that does not exist."""
    if name.startswith("_"):
        # Python and libraries look for such names, and expect no member.
        return AttributeError(name)
    names = list(members)
    near = _likely(name.upper(), names)
    guess = "" if near is None else f" (did you mean {cls.__name__}.{near}?)"
    return AttributeError(
        f"{cls.__name__} has no member {name!r}{guess}. Its members are {', '.join(names)}"
    )


def _cure(cls: type, name: str, options: Mapping[str, object], fields: tuple[str, ...]) -> str:
    if cls.__name__ == "Duration":
        parts = [f"Duration.from_{unit}({options[unit]!r})" for unit in options if unit in _UNITS]
        return f"; write {' + '.join(parts)}" if name in _UNITS else ""
    if name == "name":
        return "; the name is an argument of the operation itself: ctx.step(..., name=...)"
    near = _likely(name, fields)
    if near is not None:
        return f" (did you mean {near}?)"
    return _elsewhere(cls.__name__, name)


def _elsewhere(cls: str, name: str) -> str:
    """Return the option of another class that was probably meant, with the option that takes that class."""
    option, owner, inner = ELSEWHERE.get(cls, ("", "", ()))
    within = _likely(name, inner)
    if within is None:
        return ""
    meant = "" if within == name else f" (did you mean {within}?)"
    return f"{meant}; {within} is an option of {owner}: {option}={owner}({within}=...)"


def _positional(cls: type, args: tuple[object, ...]) -> str:
    taken = len(getattr(cls, "__match_args__", ()))
    if taken:
        return f"{cls.__name__} takes {taken} by position, not {len(args)}"
    return f"{cls.__name__} takes its options by name, in any order, and none by position"


def _likely(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant: a longer or a shorter one, or one that is spelled alike."""
    known = list(names)
    if _MEANT.get(name) in known:
        return _MEANT[name]
    parts = [each for each in known if name in each or each in name]
    return next(iter(get_close_matches(name, parts or known, 1, 0.0 if parts else 0.7)), None)
