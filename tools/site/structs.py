"""An extension of griffe, which reads the code for the reference: constructors of msgspec structs, members of enums.

Griffe knows the constructors of dataclasses. Those of ``Struct`` and ``Options`` are alike: a parameter for each
annotated attribute. Constructors that only the SDK calls are left out.
"""

from __future__ import annotations

from typing import Any

from griffe import (
    Attribute,
    Class,
    Docstring,
    Expr,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    Module,
    Parameter,
    ParameterKind,
    Parameters,
)

_STRUCTS = ("Struct", "Options", "SerDesContext")
_ENUMS = ("StrEnum", "Enum", "IntEnum")
_MADE_BY_THE_SDK = (
    "Budget",
    "Callback",
    "CompletionStatus",
    "DurableContext",
    "DurableHandler",
    "DurableTestResult",
    "ExecutionHandle",
    "Handle",
    "Inbox",
    "PendingCallback",
    "Quota",
    "RecordedInvocation",
    "RecordedOperation",
    "RunnerFactory",
    "Saga",
    "StepContext",
    "SyncExecutionHandle",
    "SyncPendingCallback",
    "SyncTestRunner",
    "TimeQuota",
)


class Structs(Extension):
    """Add what msgspec and enums make at run time."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Complete the classes of a package that has been read."""
        _complete(pkg)


def _complete(place: Module | Class) -> None:
    for member in list(place.members.values()):
        if isinstance(member, Class):
            bases = {str(base).partition("[")[0].rpartition(".")[2] for base in member.bases}
            if member.name in _MADE_BY_THE_SDK or member.name.endswith("Error"):
                member.members.pop("__init__", None)
            elif bases.intersection(_STRUCTS) and "__init__" not in member.members:
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
        Parameter(each.name, annotation=each.annotation, kind=kind, default=_default(each))
        for each in attributes
    ]
    this = Parameter("self", kind=ParameterKind.positional_or_keyword)
    struct.set_member(
        "__init__", Function("__init__", parameters=Parameters(this, *parameters), parent=struct)
    )


def _default(attribute: Attribute) -> Expr | str | None:
    """Return the default of a parameter; ``None`` if it has none: ``field(name=...)`` only renames it on the wire."""
    value = attribute.value
    if not (isinstance(value, ExprCall) and value.canonical_path.endswith("field")):
        return value
    by_name = {each.name: each.value for each in value.arguments if isinstance(each, ExprKeyword)}
    if "default_factory" in by_name:
        return f"{by_name['default_factory']}()"
    return by_name.get("default")


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
