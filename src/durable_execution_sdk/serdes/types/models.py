"""JSON of pydantic models, and pydantic's ``TypeAdapter`` for types that this package cannot read.

The module is loaded on the first model, or on the first annotation that only pydantic may read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from durable_execution_sdk.serdes.foreign import class_of, is_pydantic

__all__ = ["adapter_for", "model_from_json", "model_to_json", "plain_fields_of"]

_encode = msgspec.json.encode

FIELDS_SET = "model_fields_set"
"""The key in a model's JSON for the names of its set fields, if some are not set.

No model has a field of this name, which would hide pydantic's own attribute. The value is a list of
``[path, names]`` for the model itself and the models in it.
"""


def model_to_json(model: Any, *, is_outward: bool) -> Any:
    """Turn a model into plain data; add the names of set fields, except for readers outside."""
    plain: Any = model.model_dump(mode="json", round_trip=True)
    if is_outward or class_of(plain) is not dict:
        return plain
    if plain == model.model_dump(mode="json", round_trip=True, exclude_unset=True):
        return plain
    unset = [
        [path, sorted(part.model_fields_set)]
        for path, part in _models(model, ())
        if len(part.model_fields_set) < len(part.__dict__)
    ]
    return {**plain, FIELDS_SET: unset} if unset else plain


def model_from_json(kind: Any, value: Any) -> Any:
    """Make a model from plain data, whose keys are field names or aliases."""
    fields_set: Any = None
    if class_of(value) is dict and FIELDS_SET in value and FIELDS_SET not in kind.model_fields:
        value = dict(value)
        fields_set = value.pop(FIELDS_SET)
    # From JSON, since strict models accept text for a date, say, only there.
    model = kind.model_validate_json(_encode(value), by_alias=True, by_name=True)
    if fields_set is not None:
        models = dict(_models(model, ()))
        for path, names in msgspec.convert(
            fields_set, list[tuple[tuple[str | int, ...], set[str]]]
        ):
            if path in models:
                object.__setattr__(models[path], "__pydantic_fields_set__", names)
    return model


def _is_a(value: object, *kinds: type[object]) -> bool:
    return isinstance(value, kinds)


def _base_model() -> object:
    return sys.modules["pydantic.main"].BaseModel


_Path = tuple[str | int, ...]


def _models(value: Any, path: _Path) -> Iterator[tuple[_Path, Any]]:
    """Yield the models in a value, and the value if it is one, each with its path."""
    children: Iterable[tuple[str | int, Any]] = ()
    if is_pydantic(class_of(value)):
        yield path, value
        children = (value.__dict__ | (value.__pydantic_extra__ or {})).items()
    elif _is_a(value, Mapping):
        children = _numbered(value.values())
    elif _is_a(value, list, tuple):
        children = _numbered(value)
    elif hasattr(class_of(value), "__dataclass_fields__"):
        children = getattr(value, "__dict__", {}).items()
    for step, child in children:
        if not _is_a(child, str, int, float, type(None)):
            yield from _models(child, (*path, step))


def _numbered(items: Iterable[Any]) -> Iterable[tuple[int, Any]]:
    return enumerate(items)


# Options of a model that do not change the values of its fields.
_HARMLESS = frozenset(
    {"extra", "frozen", "from_attributes", "strict", "title"}
    | {"populate_by_name", "validate_by_name", "validate_by_alias", "validate_assignment"}
)


def plain_fields_of(kind: Any) -> dict[str, Any] | None:
    """Return the types of a model's fields, if they alone determine how it is read and written.

    Returns ``None`` if the model has validators or other user code, constraints, or aliases.
    """
    decorators = kind.__pydantic_decorators__
    has_code = any(
        getattr(decorators, name)
        for name in decorators.__dataclass_fields__
        if name != "computed_fields"
    )
    base = _base_model()
    if (
        has_code
        or kind.__private_attributes__
        or kind.__pydantic_root_model__
        or not _HARMLESS.issuperset(kind.model_config)
        or kind.model_config.get("extra") == "allow"
        or any(
            name in vars(ancestor)
            for ancestor in kind.__mro__[: kind.__mro__.index(base)]
            for name in _HOOKS
        )
    ):
        return None
    fields = kind.model_fields
    if any(
        field.metadata
        or field.exclude
        or field.discriminator
        or field.alias
        or field.validation_alias
        or field.serialization_alias
        for field in fields.values()
    ):
        return None
    return {name: field.annotation for name, field in fields.items()}


_HOOKS = (
    "__get_pydantic_core_schema__",
    "__init__",
    "__new__",
    "__setattr__",
    "model_dump",
    "model_post_init",
    "model_validate_json",
)


@lru_cache(maxsize=512)
def adapter_for(kind: Any) -> tuple[Callable[[object], object], Callable[[object], object]] | None:
    """Return functions that turn a value of the type into plain data and back; ``None`` without pydantic.

    It is ``None`` too for types that pydantic does not support.
    """
    try:
        from pydantic import TypeAdapter  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
    except Exception:  # pydantic raises many classes for types that it does not support
        return None
    return (
        lambda value: adapter.dump_python(value, mode="json", round_trip=True),
        lambda value: adapter.validate_json(_encode(value), by_alias=True, by_name=True),
    )
