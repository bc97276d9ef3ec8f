"""Mutations of JSON values and of bytes. A seed always gives the same case."""

from __future__ import annotations

import copy
import json
import os
import resource
from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from typing import Any

VARIABLE = "WIRE_FUZZ"
"""Environment variable with the number of cases; ``make fuzz-wire`` sets it."""

_FEW = 300

NASTY: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    -(2**63),
    10**400,
    0.5,
    -0.0,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    " ",
    "0",
    "null",
    "SUCCEEDED",
    "STARTED",
    "FROZEN",
    "EXECUTION",
    "\x00",
    "\ud800",
    "\u202e\x1b[2J",
    "ü" * 300,
    "x" * 70_000,
    "a/b",
    "../..",
    "%00",
    "[" * 3_000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"Operations": []},
    "__deep__",
]


def budget() -> int:
    """Return the number of cases."""
    return int(os.environ.get(VARIABLE) or _FEW)


@contextmanager
def bounded_memory(most: int = 300 * 1024 * 1024) -> Generator[None]:
    """Fail when the process grows by ``most`` bytes or more, for any number of cases."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < most, f"{budget()} cases took {grown:,} bytes"


def seeds() -> range:
    """Return the seeds of this run; ``WIRE_FUZZ_FROM`` is the first, to repeat a case or try new ones."""
    first = int(os.environ.get("WIRE_FUZZ_FROM") or 0)
    return range(first, first + budget())


def mutated(value: Any, chance: Random) -> Any:
    """Return a copy of plain JSON values with a few random changes."""
    mutant = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        mutant = _mutate(mutant, chance)
    return mutant


def _mutate(root: Any, chance: Random) -> Any:
    places = list(_places(root))
    if not places:
        return _nasty(chance)
    holder, key = chance.choice(places)
    match chance.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[chance.choice(("Id", "Type", "Status", "Mood", ""))] = holder[key]
        case 1:
            holder.insert(key, copy.deepcopy(holder[key]))
        case 2:
            other, elsewhere = chance.choice(places)
            holder[key] = copy.deepcopy(other[elsewhere])
        case 3 if isinstance(holder[key], str):
            holder[key] = _text(holder[key], chance)
        case 4 if type(holder[key]) in (int, float):
            holder[key] = holder[key] * chance.choice((-1, 0, 2, 1000, 10**9))
        case 5 if isinstance(holder[key], list):
            chance.shuffle(holder[key])
        case _:
            holder[key] = _nasty(chance)
    return root


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key, member in value.items():
            yield value, key
            yield from _places(member)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield value, index
            yield from _places(member)


def _nasty(chance: Random) -> Any:
    value = chance.choice(NASTY)
    if value == "__deep__":
        value = []
        for _ in range(chance.choice((10, 100, 200))):
            value = [value] if chance.random() < 0.5 else {"a": value}
        return value
    return copy.deepcopy(value)


def _text(text: str, chance: Random) -> str:
    at = chance.randrange(len(text) + 1)
    match chance.randrange(4):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + chance.choice(("\x00", '"', "{", "é", "\ud800", "/")) + text[at:]
        case 2:
            return text * 2
        case _:
            return text[at:] + text[:at]


def as_bytes(value: Any) -> bytes:
    """Encode JSON as a careless client does, with NaN and lone surrogates."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def mangled(data: bytes, chance: Random) -> bytes:
    """Return a copy of the bytes with a few random changes."""
    mutant = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(mutant) + 1)
        match chance.randrange(4):
            case 0:
                del mutant[at : at + chance.randrange(1, 9)]
            case 1:
                mutant[at:at] = chance.choice((b"\x00", b"\xff", b'"', b"{", b"[" * 600, b"1e999"))
            case 2 if at < len(mutant):
                mutant[at] = chance.randrange(256)
            case _:
                mutant[at:at] = mutant[: chance.randrange(1, 20)]
    return bytes(mutant)
