"""Classes of rebuilt exceptions: the operation's error class and the original class at once.

A rebuilt class derives from the recorded class, or from its nearest loaded bases, and bears its name.
The same lookup by name serves the first run and every replay, so the same ``except`` clauses match
wherever the same classes are loaded. ``type.__new__`` is called by itself, and ``Rebuilt`` comes before the
original among the bases: neither a metaclass nor an ``__init_subclass__`` runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, cast
from weakref import WeakValueDictionary

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.runtime.failure.inspection import (
    RECORDED_CLASSES,
    c_members_of,
    dict_of,
    find_loaded,
    mro_of,
    name_of,
    namespace_of,
    path_of,
    slots_of,
)
from durable_execution_sdk.runtime.failure.making import (
    RELATIONS,
    args_of,
    new_instance,
    relate,
    set_member,
)
from durable_execution_sdk.runtime.failure.native import native_class, native_parts
from durable_execution_sdk.runtime.failure.record import Told
from durable_execution_sdk.runtime.failure.values import restore, state_of

__all__ = ["TOLD", "Rebuilt", "classes_of", "instance_of", "kind_of", "told_by"]

TOLD = "_durable_record"
_KIND = "rebuilt_as__"
_MOST_CLASSES = 48
_MOST_OF_A_NAME = 64
_UNRAISABLE = (StopIteration, StopAsyncIteration)

_str: Any = BaseException.__str__
_repr: Any = BaseException.__repr__


class Rebuilt:
    """A base of each rebuilt class: answers from the record."""

    __slots__ = ()

    recorded_classes__: ClassVar[tuple[str, ...]] = ()
    rebuilt_as__: ClassVar[type | None] = None

    def __init_subclass__(cls, **_options: Any) -> None:
        """Keep the hook of the original class from running."""

    def __str__(self) -> str:
        """The recorded message."""
        told = told_by(self)
        text: str = _str(self) if told is None else told.message
        return text

    def __repr__(self) -> str:
        """The recorded ``repr``."""
        told = told_by(self)
        text: str = _repr(self) if told is None or told.repr is None else told.repr
        return text

    def __getattr__(self, name: str) -> Any:
        """Explain an attribute that could not be recorded; otherwise ask the original class."""
        omitted = {} if (told := told_by(self)) is None else told.omitted
        if name in omitted:
            raise AttributeError(
                f"{name!r} of this {type(self).__name__} is not in the log, which could not hold it"
                f" ({omitted[name]}). Read what you need of it inside the step, and put that into the"
                " exception as plain data",
                name=name,
                obj=self,
            )
        for kind in mro_of(type(self)):
            ask = namespace_of(kind).get("__getattr__")
            if ask is not None and kind is not Rebuilt:
                return self._ask(ask, name, omitted)
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
        )

    def _ask(self, ask: Any, name: str, omitted: Mapping[str, str]) -> Any:
        """Ask a ``__getattr__`` of the original class, which may need what was not recorded."""
        try:
            return ask(self, name)
        except AttributeError:
            raise
        except Exception as error:
            if not omitted:
                raise
            raise AttributeError(
                f"{name!r} of this {type(self).__name__} needs what is not in the log"
                f" ({', '.join(omitted)})",
                name=name,
                obj=self,
            ) from error

    def __reduce_ex__(self, _protocol: Any) -> Any:
        """Copy and pickle by the recorded names, whatever constructor the original has."""
        return _remade, *_parts_of(cast("BaseException", self))

    def __setstate__(self, state: Any) -> None:
        """Take what ``__reduce_ex__`` handed on."""
        _take_parts(cast("BaseException", self), state)


_made: WeakValueDictionary[tuple[Any, ...], type] = WeakValueDictionary()


def told_by(error: object) -> Told | None:
    """The record that a rebuilt exception answers from."""
    told = dict_of(error).get(TOLD)
    return told if type(told) is Told else None


def kind_of(error: BaseException) -> str:
    """The path of an exception's class; of a rebuilt one, of the original's."""
    told = told_by(error)
    return told.kind if told is not None and told.kind else path_of(type(error))


def classes_of(kind: type) -> list[str]:
    """The paths of a class and its bases; of a rebuilt one, those that were recorded too."""
    paths: dict[str, None] = {}
    for each in mro_of(kind):
        recorded = namespace_of(each).get(RECORDED_CLASSES)
        if recorded is not None and each is not Rebuilt:
            return list(recorded)
        if each is not object:
            paths[path_of(each)] = None
    return list(paths)[:_MOST_CLASSES]


def mixed(
    kind: type | None,
    name: str,
    path: str,
    recorded: Sequence[str],
    classes: Sequence[str],
    *,
    plain: bool,
) -> type:
    """The class of a rebuilt exception: of ``classes``, and of ``kind`` if it is an operation's.

    ``recorded`` is what ``is_a`` answers from. ``plain`` exceptions may be of classes that are no
    ``Exception``: they are held, and never raised by an operation.
    """
    ours = [] if kind is None else classes_of(kind)
    known = tuple(dict.fromkeys([*(each for each in ours if each not in recorded), *recorded]))
    candidates = _loaded(classes, plain=plain)
    tried = [
        [one for found in candidates for one in found],
        *([found[0] for found in candidates[start:]] for start in range(len(candidates) + 1)),
    ]
    for originals in tried:
        try:
            return _mixed(kind, name, path, _outermost(originals), known)
        except TypeError:  # layouts or orders that do not go together
            continue
    raise TypeError(f"no class can be made of {path}")


def _mixed(
    kind: type | None, name: str, path: str, originals: list[type], recorded: tuple[str, ...]
) -> type:
    if kind is not None:
        kind = next((each for each in originals if kind in mro_of(each) and _is_ours(each)), kind)
        originals = [each for each in originals if each not in mro_of(kind)]
        if not originals and path == path_of(kind):
            return kind
    # Before the original in any case; behind our own class, which has no methods of the kind.
    bases: list[type] = [Rebuilt]
    if kind is not None and not any(kind in mro_of(each) for each in originals):
        bases.insert(0, kind)
    bases += [each for each in originals if not any(each in mro_of(base) for base in bases)]
    if bases[-1] in (kind, Rebuilt):
        bases.append(Exception)  # so that ``Rebuilt`` comes before it
    key = (name, path, recorded, *bases)
    known = _made.get(key)
    if known is None:
        module, _, qualified_name = path.partition(":")
        namespace = {
            "__module__": module,
            "__qualname__": qualified_name,
            "__slots__": (),
            RECORDED_CLASSES: recorded,
            _KIND: kind,
        }
        make: Callable[..., type] = type.__new__
        known = _made[key] = make(_metaclass(bases), name, tuple(bases), namespace)
    return known


def _loaded(paths: Sequence[str], *, plain: bool) -> list[list[type]]:
    """For each recorded class that is loaded, what has its name, most derived first."""
    found: list[list[type]] = []
    bases: tuple[type, ...] = (BaseException,)
    for path in reversed(paths):
        ones = [
            one
            for one in find_loaded(path, bases)
            if BaseException in mro_of(one)
            and RECORDED_CLASSES not in namespace_of(one)
            and (plain or (Exception in mro_of(one) and not _is_unraisable(one)))
        ][:_MOST_OF_A_NAME]
        if ones:
            found.insert(0, ones)
            bases = (*ones, *bases)
    return found


def _is_ours(kind: type) -> bool:
    """Report an error class of the SDK."""
    return path_of(kind).startswith(f"{OperationError.__module__}:")


def _is_unraisable(kind: type) -> bool:
    """Report a class that no future can hold."""
    return any(each in mro_of(kind) for each in _UNRAISABLE)


def _outermost(kinds: list[type]) -> list[type]:
    """Those of which no other one is a subclass."""
    return [
        kind
        for kind in dict.fromkeys(kinds)
        if not any(kind in mro_of(other) for other in kinds if other is not kind)
    ]


def _metaclass(bases: list[type]) -> type:
    """The most derived metaclass, as the ``class`` statement picks it."""
    winner: type = type
    for base in bases:
        meta = type(base)
        if winner in mro_of(meta):
            winner = meta
        elif meta not in mro_of(winner):
            raise TypeError("metaclass conflict")
    if any("mro" in namespace_of(each) for each in mro_of(winner) if each not in (type, object)):
        raise TypeError("a metaclass that orders bases itself would run")
    return winner


def instance_of(
    kind: type | None,
    name: str,
    path: str,
    recorded: Sequence[str],
    classes: Sequence[str],
    args: tuple[Any, ...],
    native: Any,
) -> Any:
    """An instance of the recorded class, or of its nearest base that can be made."""
    for start in range(len(classes) + 1):
        cls = mixed(kind, name, path, recorded, classes[start:], plain=kind is None)
        with suppress(Exception):
            return new_instance(cls, args, native)
    raise TypeError(f"no instance of {path} can be made")


# Copies and pickles: by name, like records, but with the values as they are.


def _parts_of(error: BaseException) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What makes a rebuilt exception again, and the state to give it then."""
    cls = type(error)
    kind = next(each[_KIND] for each in map(namespace_of, mro_of(cls)) if _KIND in each)
    native = native_class(cls)
    made_of = (
        None if kind is None else path_of(kind),
        name_of(cls),
        path_of(cls),
        classes_of(cls),
        args_of(error),
        None if native is None else native_parts(native, error),
    )
    state = {
        "members": c_members_of(error, cls),
        "attributes": state_of(error),
        "relations": [descriptor.__get__(error) for descriptor in RELATIONS],
    }
    return made_of, state


def _remade(
    kind: str | None, name: str, path: str, classes: list[str], args: tuple[Any, ...], native: Any
) -> Any:
    """The exception that ``_parts_of`` took apart, without its state."""
    found = find_loaded(kind) if kind is not None else []
    return instance_of(found[0] if found else None, name, path, classes, classes, args, native)


def _take_parts(error: BaseException, state: dict[str, Any]) -> None:
    """Give an exception that was made again its state."""
    for name, descriptor in slots_of(type(error), python_only=False):
        if state["members"].get(name) is not None:
            set_member(descriptor, error, state["members"][name])
    restore(error, state["attributes"])
    relate(error, state["relations"])
