"""An extension of griffe, which reads the code for the reference: constructors of msgspec structs, members of enums.

Griffe knows the constructors of dataclasses. Those of ``Struct`` and ``Options`` are alike: a parameter for each
annotated attribute.
"""

from __future__ import annotations

from typing import Any

from griffe import (
    Attribute,
    Class,
    Docstring,
    Extension,
    Function,
    Module,
    Parameter,
    ParameterKind,
    Parameters,
)

_STRUCTS = ("Struct", "Options", "SerDesContext")
_ENUMS = ("StrEnum", "Enum", "IntEnum")


class Structs(Extension):
    """Add what msgspec and enums make at run time."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Complete the classes of a package that has been read."""
        _complete(pkg)


def _complete(place: Module | Class) -> None:
    for member in list(place.members.values()):
        if isinstance(member, Class):
            bases = {str(base).partition("[")[0].rpartition(".")[2] for base in member.bases}
            if bases.intersection(_STRUCTS) and "__init__" not in member.members:
                _add_constructor(member)
            if bases.intersection(_ENUMS):
                _name_members(member)
        if isinstance(member, Module | Class):
            _complete(member)


def _add_constructor(struct: Class) -> None:
    is_by_name = str(struct.keywords.get("kw_only", False)) == "True"
    kind = ParameterKind.keyword_only if is_by_name else ParameterKind.positional_or_keyword
    attributes = [
        attribute
        for attribute in struct.members.values()
        if isinstance(attribute, Attribute)
        and attribute.annotation is not None
        and "property" not in attribute.labels
        and not attribute.name.startswith("_")
    ]
    parameters = [
        Parameter(each.name, annotation=each.annotation, kind=kind, default=each.value)
        for each in attributes
    ]
    this = Parameter("self", kind=ParameterKind.positional_or_keyword)
    struct.set_member(
        "__init__", Function("__init__", parameters=Parameters(this, *parameters), parent=struct)
    )


def _name_members(enum: Class) -> None:
    names = [
        f"`{member.name}`"
        for member in enum.members.values()
        if isinstance(member, Attribute)
        and member.docstring is None
        and member.value is not None
        and member.name.isupper()
    ]
    if names and enum.docstring is not None:
        text = f"{enum.docstring.value}\n\nMembers: {', '.join(names)}."
        enum.docstring = Docstring(text, parent=enum, lineno=enum.docstring.lineno)
