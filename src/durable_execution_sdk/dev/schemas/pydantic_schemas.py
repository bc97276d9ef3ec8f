"""JSON schemas by pydantic, in which the names of fields are allowed in place of their aliases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from durable_execution_sdk.serdes.foreign import class_of

__all__ = ["written"]

# Members of a schema that contain values or, by name, schemas.
_NO_SCHEMAS = frozenset(("properties", "default", "examples", "const", "enum"))


class _QuietSchema(GenerateJsonSchema):
    """A writer that leaves out what it would warn of: what a function prints is the user's."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Say nothing: a default that has no JSON is left out."""


def written(write: Callable[..., dict[str, Any]], template: str) -> dict[str, Any]:
    """Call ``model_json_schema`` or the like. Raises many classes for a type that has no schema."""
    schema, named = (
        write(by_alias=by_alias, ref_template=template, schema_generator=_QuietSchema)
        for by_alias in (True, False)
    )
    if schema != named:
        _allow_names(schema, named)
    return schema


def _allow_names(schema: Any, named: Any) -> None:
    """Allow the names of fields in place of their aliases, as the code does, in a schema by aliases."""
    if class_of(schema) is list:
        for part, other in zip(schema, named, strict=True):
            _allow_names(part, other)
    if class_of(schema) is not dict:
        return
    for word, part in tuple(schema.items()):
        if word not in _NO_SCHEMAS:
            _allow_names(part, named[word])
    fields: Any = schema.get("properties", {})
    names: Any = named.get("properties", {})
    required: Any = schema.get("required", [])
    for alias, name in zip(fields, names, strict=True):
        _allow_names(fields[alias], names[name])
        if alias != name:
            schema.pop("additionalProperties", None)
            if alias in required:
                required.remove(alias)
                either = {"anyOf": [{"required": [alias]}, {"required": [name]}]}
                schema.setdefault("allOf", []).append(either)
