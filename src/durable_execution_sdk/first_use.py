"""Names of a package whose modules are loaded when somebody first asks for one of them (PEP 562).

A cold start pays for each module that it loads, so a package's ``__init__`` imports what every workflow
has, and leaves the rest to this. It does so in the ``else`` of an ``if TYPE_CHECKING`` that holds the
plain imports: those are what type checkers read, which would take any name at all from a ``__getattr__``.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules
from typing import Any

__all__ = ["on_first_use"]


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for the package: ``homes`` holds the module of each name.

    From then on it is a name like any other. One that is its own home is the module itself.
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{home}")
        if home == name:
            return module
        value = getattr(module, name)
        setattr(modules[package], name, value)
        return value

    return load
