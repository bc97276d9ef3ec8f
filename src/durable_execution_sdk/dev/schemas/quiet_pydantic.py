"""pydantic's writer of schemas, without warnings: what the function prints is the user's."""

from __future__ import annotations

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

__all__ = ["QuietSchema"]


class QuietSchema(GenerateJsonSchema):
    """A writer that leaves out what it would warn of."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Say nothing: a default that has no JSON is left out."""
