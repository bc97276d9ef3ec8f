"""Access to classes and objects through CPython's own descriptors.

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
    "Descriptor",
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

# The descriptor of an attribute that instances hold outside their dict.
Descriptor = MemberDescriptorType | GetSetDescriptorType

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
    """Return the class of a value, even if its ``__class__`` is overridden."""
    return type(value)


def name_of(kind: type) -> str:
    """Return the name of a class, as in tracebacks."""
    return clean(_name(kind))[:_LONGEST_PATH]


def path_of(kind: type) -> str:
    """Return the module and the qualified name of a class: ``httpx:HTTPStatusError``."""
    try:
        module = text_of(_module(kind))
    except AttributeError:
        module = None
    return clean(f"{module or '?'}:{_qualname(kind)}")[:_LONGEST_PATH]


def text_of(value: object) -> str | None:
    """Return the text of a string or of an instance of a subclass; ``None`` for other values."""
    return str.__str__(cast("str", value)) if str in mro_of(type(value)) else None


def clean(text: str) -> str:
    """Escape lone surrogates in a text, which UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def is_python_class(kind: type) -> bool:
    """Return ``True`` for a class made by a ``class`` statement or at run time, unlike CPython's own."""
    return bool(_flags(kind) & _HEAP_TYPE)


def dict_of(value: object) -> dict[str, Any]:
    """Return the attribute dict of an instance; an empty dict if it has none."""
    for kind in mro_of(type(value)):
        getter = namespace_of(kind).get("__dict__")
        if type(getter) is GetSetDescriptorType:
            attributes: dict[str, Any] = getter.__get__(value)
            return attributes
    return {}


def slots_of(kind: type, *, python_only: bool) -> Iterator[tuple[str, Descriptor]]:
    """Yield the names and descriptors of attributes that instances hold outside their dict.

    In Python classes these are ``__slots__``, in CPython's own classes members in C (``errno``).
    """
    kinds = (MemberDescriptorType,) if python_only else (MemberDescriptorType, GetSetDescriptorType)
    for base in mro_of(kind):
        if base is BaseException or is_python_class(base) is not python_only:
            continue
        for name, descriptor in namespace_of(base).items():
            if type(descriptor) in kinds and not name.startswith("__"):
                yield name, descriptor


def c_members_of(value: object, names_of: type) -> dict[str, object]:
    """Return the values of those members in C that the class ``names_of`` has."""
    members: dict[str, object] = {}
    for name, descriptor in slots_of(names_of, python_only=False):
        try:
            members[name] = descriptor.__get__(value)
        except Exception:  # noqa: S112 - not set
            continue
    return members


def find_loaded(path: str, bases: tuple[type, ...] = ()) -> list[type]:
    """Return the loaded classes with this path, the newest first. Imports nothing.

    A class that its module does not hold, because it is local or made at run time, is searched among the
    living subclasses of ``bases``; there may be several.
    """
    module, _, qualified_name = path.partition(":")
    candidate: Any = sys.modules.get(module)
    if ModuleType in mro_of(type_of(candidate)):
        namespace: Any = _module_dict(candidate)
        for name in qualified_name.split("."):
            candidate = namespace.get(name)
            if type not in mro_of(type_of(candidate)):
                break
            namespace = namespace_of(candidate)
        else:
            if path_of(candidate) == path:
                return [candidate]
    return [kind for base in bases for kind in reversed(_subclasses(base)) if path_of(kind) == path]
