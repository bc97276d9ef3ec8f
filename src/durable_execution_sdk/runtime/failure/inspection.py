"""Looks into classes and objects through CPython's own descriptors.

A class may override ``__getattribute__``, ``__class__`` or ``__dict__``, and a metaclass ``__name__``.
None of that runs here, so an object can neither raise nor lie.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any, cast

__all__ = [
    "RECORDED_CLASSES",
    "c_members_of",
    "clean",
    "dict_of",
    "find_loaded",
    "is_python_class",
    "mro_of",
    "name_of",
    "namespace_of",
    "path_of",
    "slots_of",
    "text_of",
    "type_of",
]

# The attribute of rebuilt classes that holds the paths of the recorded ones.
RECORDED_CLASSES = "recorded_classes__"

_LONGEST_PATH = 256
_HEAP_TYPE = 1 << 9

_of_type: Any = type.__dict__
mro_of: Callable[[type], tuple[type, ...]] = _of_type["__mro__"].__get__
namespace_of: Callable[[type], Any] = _of_type["__dict__"].__get__
_name: Callable[[type], str] = _of_type["__name__"].__get__
_qualname: Callable[[type], str] = _of_type["__qualname__"].__get__
_module: Callable[[type], Any] = _of_type["__module__"].__get__
_flags: Callable[[type], int] = _of_type["__flags__"].__get__
_subclasses: Callable[[type], list[type]] = type.__subclasses__
_of_module: Any = vars(ModuleType)
_module_dict: Callable[[ModuleType], dict[str, Any]] = _of_module["__dict__"].__get__


def type_of(value: object) -> Any:
    """The class of a value, whatever it says of itself."""
    return type(value)


def name_of(kind: type) -> str:
    """The name of a class, as in tracebacks."""
    return clean(_name(kind))[:_LONGEST_PATH]


def path_of(kind: type) -> str:
    """The module and the qualified name of a class: ``httpx:HTTPStatusError``."""
    try:
        module = text_of(_module(kind))
    except AttributeError:
        module = None
    return clean(f"{module or '?'}:{_qualname(kind)}")[:_LONGEST_PATH]


def text_of(value: object) -> str | None:
    """The text of a string, or of an instance of a subclass; ``None`` for anything else."""
    return str.__str__(cast("str", value)) if str in mro_of(type(value)) else None


def clean(text: str) -> str:
    """A text without lone surrogates, which UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def is_python_class(kind: type) -> bool:
    """Report a class made by a ``class`` statement or at run time, unlike CPython's static ones."""
    return bool(_flags(kind) & _HEAP_TYPE)


def dict_of(value: object) -> dict[str, Any]:
    """The attributes of an instance; an empty dict if it has none."""
    for kind in mro_of(type(value)):
        getter = namespace_of(kind).get("__dict__")
        if type(getter) is GetSetDescriptorType:
            found: dict[str, Any] = getter.__get__(value)
            return found
    return {}


def slots_of(kind: type, *, python_only: bool) -> Iterator[tuple[str, Any]]:
    """The names and descriptors of what instances hold outside their dict.

    Those of Python classes are ``__slots__``; those of CPython's are members in C (``errno``).
    """
    kinds = (MemberDescriptorType,) if python_only else (MemberDescriptorType, GetSetDescriptorType)
    for each in mro_of(kind):
        if each is BaseException or is_python_class(each) is not python_only:
            continue
        for name, descriptor in namespace_of(each).items():
            if type(descriptor) in kinds and not name.startswith("__"):
                yield name, descriptor


def c_members_of(value: object, names_of: type) -> dict[str, Any]:
    """The values that an instance has of the members in C that ``names_of`` has."""
    found: dict[str, Any] = {}
    for name, descriptor in slots_of(names_of, python_only=False):
        try:
            found[name] = descriptor.__get__(value)
        except Exception:  # noqa: S112 - not set
            continue
    return found


def find_loaded(path: str, bases: tuple[type, ...] = ()) -> list[type]:
    """The classes with this path, the newest first; nothing is imported.

    A class that its module does not hold (a local one, one made at run time) is looked for among the
    living subclasses of ``bases``: there may be several.
    """
    module, _, qualified_name = path.partition(":")
    found: Any = sys.modules.get(module)
    if ModuleType in mro_of(type_of(found)):
        namespace: Any = _module_dict(found)
        for name in qualified_name.split("."):
            found = namespace.get(name)
            if type not in mro_of(type_of(found)):
                break
            namespace = namespace_of(found)
        else:
            if path_of(found) == path:
                return [found]
    return [kind for base in bases for kind in reversed(_subclasses(base)) if path_of(kind) == path]
