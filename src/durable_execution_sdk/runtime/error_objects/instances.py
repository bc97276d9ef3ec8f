"""Instances of exception classes, made by constructors in C, and their members in C."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import BuiltinFunctionType, GetSetDescriptorType, WrapperDescriptorType
from typing import Any

from durable_execution_sdk.runtime.error_objects.inspection import (
    Descriptor,
    mro_of,
    namespace_of,
    path_of,
)
from durable_execution_sdk.runtime.error_objects.pydantic_errors import native_class, new_native

__all__ = ["RELATIONS", "args_of", "new_instance", "relate", "set_member"]

_of_error: Any = BaseException.__dict__
_args: GetSetDescriptorType = _of_error["args"]
# Setting the cause suppresses the context, so ``__suppress_context__`` is set last.
RELATIONS: tuple[GetSetDescriptorType, ...] = tuple(
    _of_error[name] for name in ("__context__", "__cause__", "__suppress_context__")
)


def args_of(error: BaseException) -> tuple[object, ...]:
    """Return the arguments of an exception."""
    args: tuple[Any, ...] = _args.__get__(error)
    return args


def new_instance(cls: type, args: tuple[object, ...], native: Any) -> BaseException:
    """Make an instance with its arguments by the constructor of the built-in base."""
    pydantic_error = native_class(cls)
    if pydantic_error is not None:
        error: BaseException = new_native(pydantic_error, cls, native)
        _args.__set__(error, args)
        return error
    error = _bare(cls, args)
    for init in _in_c(cls, "__init__", WrapperDescriptorType):
        with suppress(Exception):  # arguments that are not those of the built-in class
            init(error, *args)
        break
    _args.__set__(error, args)
    return error


def _bare(cls: type, args: tuple[object, ...]) -> BaseException:
    """Make an instance by the ``__new__`` of the built-in base that determines its layout."""
    for new in _in_c(cls, "__new__", BuiltinFunctionType):
        for arguments in (args, ()):
            with suppress(Exception):
                error: BaseException = new(cls, *arguments)
                return error
    raise TypeError(f"{path_of(cls)} has no constructor to make it with")


def _in_c(cls: type, name: str, kind: type) -> Iterator[Any]:
    """Return the methods of this name that are written in C, most derived first."""
    methods = (namespace_of(base).get(name) for base in mro_of(cls))
    return (method for method in methods if type(method) is kind)


def set_member(descriptor: Descriptor, error: BaseException, value: object) -> None:
    """Set a member that CPython keeps in C."""
    with suppress(AttributeError, TypeError):  # read-only in C
        descriptor.__set__(error, value)


def relate(error: BaseException, relations: Iterable[object]) -> None:
    """Set the context, the cause, and the flag that suppresses the context."""
    for descriptor, value in zip(RELATIONS, relations, strict=True):
        descriptor.__set__(error, value)
