"""Load modules at their first use: those of a package by a name (PEP 562), messages by an error.

Each module costs time in a cold start, so a package's ``__init__`` imports only the names that every
workflow uses, and loads the others with ``on_first_use``. That call stands in the ``else`` branch of an
``if TYPE_CHECKING`` with ordinary imports: type checkers read the imports, and would accept any name
from a ``__getattr__``.

``Options`` and ``OptionEnum`` are bases of classes whose options and members users write by name. The errors of
Python and msgspec for a wrong name leave out the class. ``option_errors``, which is loaded then, adds the class,
the likely name and all others.

``explained`` does the same for functions that take options by name.

``StaticGeneric`` is ``Generic`` for type checkers. At run time a class with parameters is the class itself: a subclass of
``Completion[T]`` costs a cold start half as much then.
"""

from collections.abc import Callable, Mapping
from enum import EnumMeta
from functools import wraps
from importlib import import_module
from sys import modules
from typing import TYPE_CHECKING, Any, TypeVar, cast

from msgspec import Struct, StructMeta

__all__ = ["OptionEnum", "Options", "StaticGeneric", "explained", "on_first_use"]

_F = TypeVar("_F", bound=Callable[..., Any])

_WORDING = "durable_execution_sdk.option_errors"

if TYPE_CHECKING:
    # Type checkers read the options from the class, so they see no signature that takes all.
    Options = Struct
    OptionEnum = EnumMeta
    from typing import Generic as StaticGeneric
else:

    class StaticGeneric:
        """A base of classes whose type parameters are for type checkers alone."""

        __slots__ = ()

        def __class_getitem__(cls, _parameters: object) -> type:
            """Return the class itself."""
            return cls

    class _OptionsMeta(StructMeta):
        def __call__(cls, *args: Any, **options: Any) -> Any:  # noqa: N805 - a metaclass
            """Make the object; complete msgspec's error about the names of options."""
            try:
                return super().__call__(*args, **options)
            except TypeError as error:
                import_module(_WORDING).complete_call(cls, error, args, options)
                raise

    class Options(Struct, metaclass=_OptionsMeta):
        """A struct whose users are told the class and its options when they name a wrong one."""

    class OptionEnum(EnumMeta):
        """A metaclass of an enum whose users are told its members when they name a wrong one."""

        def __getattr__(cls, name: str) -> Any:
            """Return a member, which Python 3.11 looks up here; raise an error that names the members."""
            members = cls.__dict__.get("_member_map_", {})
            if name in members:
                return members[name]
            raise import_module(_WORDING).missing_member(cls, name, members)


def explained(function: _F) -> _F:
    """Decorate a function whose users are told its options when they name a wrong one."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except TypeError as error:
            import_module(_WORDING).complete_function_call(call, error)
            raise

    return cast("_F", call)


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for the package; ``homes`` maps each name to its module.

    After the first use the name is an ordinary attribute. A name that maps to itself is the module.
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: Any = import_module(f"{package}.{home}")
        if home.rpartition(".")[2] != name:
            value = getattr(value, name)
        setattr(modules[package], name, value)
        return value

    return load
