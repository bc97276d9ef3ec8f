"""Classes of rebuilt exceptions, which derive from the operation's error class and from the original class.

A rebuilt class derives from the recorded class, or from its nearest loaded bases, and has its name. The
first run and every replay use the same lookup by name, so the same ``except`` clauses match in every
process that has loaded the same classes. A class that its module does not hold, because it is local or
made at run time, is searched among the living subclasses of its base; all of that name match.

Neither a metaclass nor an ``__init_subclass__`` runs: ``type.__new__`` is called directly, and
``Rebuilt`` comes before the original among the bases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, cast
from weakref import WeakValueDictionary

from durable_execution_sdk.runtime.error_objects.class_lookup import (
    is_ours,
    loaded_classes,
    metaclass_of,
    outermost,
)
from durable_execution_sdk.runtime.error_objects.inspection import (
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
from durable_execution_sdk.runtime.error_objects.instances import (
    RELATIONS,
    args_of,
    new_instance,
    relate,
    set_member,
)
from durable_execution_sdk.runtime.error_objects.pydantic_errors import native_class, native_parts
from durable_execution_sdk.runtime.error_objects.record import KeptRecord
from durable_execution_sdk.runtime.error_objects.values import restore, state_of

__all__ = ["RECORD_ATTRIBUTE", "Rebuilt", "classes_of", "instance_of", "kept_record", "kind_of"]

RECORD_ATTRIBUTE = "_durable_record"
_KIND = "rebuilt_as__"
_MOST_CLASSES = 48

_str: Any = BaseException.__str__
_repr: Any = BaseException.__repr__


class Rebuilt:
    """A base of each rebuilt class, which takes ``str``, ``repr`` and missing attributes from the record."""

    __slots__ = ()

    recorded_classes__: ClassVar[tuple[str, ...]] = ()
    rebuilt_as__: ClassVar[type | None] = None

    def __init_subclass__(cls, **_options: object) -> None:
        """Do nothing, in place of the hook of the original class."""

    def __str__(self) -> str:
        """Return the recorded message."""
        record = kept_record(self)
        text: str = _str(self) if record is None else record.message
        return text

    def __repr__(self) -> str:
        """Return the recorded ``repr``."""
        record = kept_record(self)
        text: str = _repr(self) if record is None or record.repr is None else record.repr
        return text

    def __getattr__(self, name: str) -> Any:
        """Raise ``AttributeError`` for an attribute that was not recorded; else ask the original class."""
        omitted = {} if (record := kept_record(self)) is None else record.omitted
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

    def _ask(self, ask: Any, name: str, omitted: Mapping[str, str]) -> object:
        """Call a ``__getattr__`` of the original class, which may need attributes that were not recorded."""
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
        """Copy and pickle by the recorded names, without the original's constructor."""
        return _remade, *_parts_of(cast("BaseException", self))

    def __setstate__(self, state: Any) -> None:
        """Set the state that ``__reduce_ex__`` returned."""
        _take_parts(cast("BaseException", self), state)


_made: WeakValueDictionary[tuple[object, ...], type] = WeakValueDictionary()


def kept_record(error: object) -> KeptRecord | None:
    """Return the record of a rebuilt exception; ``None`` for other exceptions."""
    record = dict_of(error).get(RECORD_ATTRIBUTE)
    return record if type(record) is KeptRecord else None


def kind_of(error: BaseException) -> str:
    """Return the path of an exception's class; for a rebuilt exception, that of the original class."""
    record = kept_record(error)
    return record.kind if record is not None and record.kind else path_of(type(error))


def classes_of(kind: type) -> list[str]:
    """Return the paths of a class and its bases; for a rebuilt class, the recorded ones."""
    paths: dict[str, None] = {}
    for base in mro_of(kind):
        recorded = namespace_of(base).get(RECORDED_CLASSES)
        if recorded is not None and base is not Rebuilt:
            return list(recorded)
        if base is not object:
            paths[path_of(base)] = None
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
    """Return the class of a rebuilt exception, made of ``classes`` and, for an operation's error, ``kind``.

    ``recorded`` are the paths that ``is_a`` matches. ``plain`` exceptions may be of classes that do not
    derive from ``Exception``: they are held by another exception, and never raised by an operation.
    """
    ours = [] if kind is None else classes_of(kind)
    class_paths = tuple(
        dict.fromkeys(
            [*(class_path for class_path in ours if class_path not in recorded), *recorded]
        )
    )
    candidates = loaded_classes(classes, plain=plain)
    tried = [
        [match for matches in candidates for match in matches],
        *([matches[0] for matches in candidates[start:]] for start in range(len(candidates) + 1)),
    ]
    for originals in tried:
        try:
            return _mixed(kind, name, path, outermost(originals), class_paths)
        except TypeError:  # layouts or orders that do not go together
            continue
    raise TypeError(f"no class can be made of {path}")


def _mixed(
    kind: type | None, name: str, path: str, originals: list[type], recorded: tuple[str, ...]
) -> type:
    if kind is not None:
        kind = next(
            (
                candidate
                for candidate in originals
                if kind in mro_of(candidate) and is_ours(candidate)
            ),
            kind,
        )
        originals = [candidate for candidate in originals if candidate not in mro_of(kind)]
        if not originals and path == path_of(kind):
            return kind
    # ``Rebuilt`` comes before the original, and after our own class, which has none of its methods.
    bases: list[type] = [Rebuilt]
    if kind is not None and not any(kind in mro_of(candidate) for candidate in originals):
        bases.insert(0, kind)
    bases += [
        candidate for candidate in originals if not any(candidate in mro_of(base) for base in bases)
    ]
    if bases[-1] in (kind, Rebuilt):
        bases.append(Exception)  # so that ``Rebuilt`` comes before it
    key = (name, path, recorded, *bases)
    rebuilt_class = _made.get(key)
    if rebuilt_class is None:
        module, _, qualified_name = path.partition(":")
        namespace = {
            "__module__": module,
            "__qualname__": qualified_name,
            "__slots__": (),
            RECORDED_CLASSES: recorded,
            _KIND: kind,
        }
        make: Callable[..., type] = type.__new__
        rebuilt_class = _made[key] = make(metaclass_of(bases), name, tuple(bases), namespace)
    return rebuilt_class


def instance_of(
    kind: type | None,
    name: str,
    path: str,
    recorded: Sequence[str],
    classes: Sequence[str],
    args: tuple[object, ...],
    native: object,
) -> BaseException:
    """Make an instance of the recorded class, or of its nearest base of which one can be made."""
    for start in range(len(classes) + 1):
        cls = mixed(kind, name, path, recorded, classes[start:], plain=kind is None)
        with suppress(Exception):
            return new_instance(cls, args, native)
    raise TypeError(f"no instance of {path} can be made")


# Copies and pickles contain classes by name, as records do, but the values as they are.


def _parts_of(error: BaseException) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of ``_remade`` for a rebuilt exception, and the state for ``_take_parts``."""
    cls = type(error)
    kind = next(
        namespace[_KIND] for namespace in map(namespace_of, mro_of(cls)) if _KIND in namespace
    )
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
    kind: str | None,
    name: str,
    path: str,
    classes: list[str],
    args: tuple[object, ...],
    native: object,
) -> BaseException:
    """Make the exception that ``_parts_of`` took apart, without its state."""
    kinds = find_loaded(kind) if kind is not None else []
    return instance_of(kinds[0] if kinds else None, name, path, classes, classes, args, native)


def _take_parts(error: BaseException, state: dict[str, Any]) -> None:
    """Set the state of an exception that ``_remade`` made."""
    for name, descriptor in slots_of(type(error), python_only=False):
        if state["members"].get(name) is not None:
            set_member(descriptor, error, state["members"][name])
    restore(error, state["attributes"])
    relate(error, state["relations"])
