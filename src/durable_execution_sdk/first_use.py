"""Load a package's modules when one of their names is first used (PEP 562).

Each module costs time in a cold start, so a package's ``__init__`` imports only the names that every
workflow uses, and loads the others with ``on_first_use``. That call stands in the ``else`` branch of an
``if TYPE_CHECKING`` with ordinary imports: type checkers read the imports, and would accept any name
from a ``__getattr__``.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules
from typing import Any

__all__ = ["on_first_use"]


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for the package; ``homes`` maps each name to its module.

    After the first use the name is an ordinary attribute. A name that maps to itself is the module.
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{home}")
        if home.rpartition(".")[2] == name:
            return module
        value = getattr(module, name)
        setattr(modules[package], name, value)
        return value

    return load
