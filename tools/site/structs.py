"""An extension of griffe, which reads the code for the reference.

Griffe knows the constructors of dataclasses. Those of ``Struct`` and ``Options`` are alike: a parameter for each
annotated attribute. Constructors that only the SDK calls are left out, as are methods that are public for other modules
of the package. Members of enums are named, and pages that a docstring names are links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    Object,
    Parameter,
    ParameterKind,
    Parameters,
)

_STRUCTS = {"Struct", "Options"}
_ENUMS = {"StrEnum", "Enum", "IntEnum"}
_MADE_BY_THE_SDK = {
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
}
_FOR_OTHER_MODULES = {
    "is_limited",
    "made_by",
    "make_chain",
    "make_observers",
    "misfit",
    "takes_none",
    "way_out",
    "what",
    "write",
}
_PAGE = re.compile(r"(?:``)?docs/([\w-]+)\.md(?:``)?")


class Structs(Extension):
    """Add what is made at run time, and take out what users do not need."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Complete the objects of a package that has been read."""
        _complete(pkg)


def _complete(place: Module | Class) -> None:
    for member in list(place.members.values()):
        if member.is_alias:
            continue
        if isinstance(member, Class):
            _complete_class(member)
        if isinstance(member, Object) and member.docstring is not None:
            member.docstring.value = _PAGE.sub(r"[\1](../\1.html)", member.docstring.value)
        if isinstance(member, Module | Class):
            _complete(member)


def _complete_class(member: Class) -> None:
    for name in _FOR_OTHER_MODULES.intersection(member.members):
        del member.members[name]
    if member.name in _MADE_BY_THE_SDK or member.name.endswith("Error"):
        member.members.pop("__init__", None)
    elif "__init__" not in member.members and any(map(_is_struct, _family(member))):
        _add_constructor(member)
    if _bases(member) & _ENUMS:
        _name_members(member)


def _bases(member: Class) -> set[str]:
    return {str(base).partition("[")[0].rpartition(".")[2] for base in member.bases}


def _is_struct(member: Class) -> bool:
    return bool(_bases(member) & _STRUCTS)


def _family(member: Class) -> Iterator[Class]:
    """Yield the class and its bases of this package, the nearest first."""
    yield member
    for base in member.resolved_bases:
        if isinstance(base, Class):
            yield from _family(base)


def _add_constructor(struct: Class) -> None:
    is_by_name = str(struct.keywords.get("kw_only", False)) == "True"
    kind = ParameterKind.keyword_only if is_by_name else ParameterKind.positional_or_keyword
    parameters = {
        each.name: Parameter(
            each.name, annotation=each.annotation, kind=kind, default=_default(each)
        )
        for owner in reversed(list(_family(struct)))
        for each in owner.members.values()
        if isinstance(each, Attribute)
        and each.annotation is not None
        and "property" not in each.labels
        and not each.name.startswith("_")
    }
    this = Parameter("self", kind=ParameterKind.positional_or_keyword)
    constructor = Function(
        "__init__", parameters=Parameters(this, *parameters.values()), parent=struct
    )
    struct.set_member("__init__", constructor)


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
