"""The files of a store and those beside it, which are no source code, wherever a user puts the store."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["without_stores"]

_LEASES = ".leases"


def without_stores(names: Iterable[str]) -> set[str]:
    """Return the names in a directory without those of stores, and of what is kept beside them.

    A store is known by the folder of its leases, which each store has.
    """
    all_names = set(names)
    stores = {name.removesuffix(_LEASES) for name in all_names if name.endswith(_LEASES)}
    beside = tuple(f"{store}{mark}" for store in stores & all_names for mark in (".", "-"))
    return {name for name in all_names - stores if not name.startswith(beside)}
