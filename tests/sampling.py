"""Samples of what is too much for each run of the suite: the rest is marked as slow."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from _pytest.mark import ParameterSet

whole_or_sample = pytest.mark.parametrize(
    "whole", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["sample", "whole"]
)
"""Give a test that is exhaustive the argument ``whole``, which is false in the unmarked run."""


def rotated(*axes: Iterable[Any]) -> list[Any]:
    """Return all combinations, with the mark ``slow`` on those outside a sample.

    Each combination of the other axes comes with one value of the last axis in the unmarked run, and
    neighbours come with different ones: so each value meets each other value of an axis as long as it.
    """
    values = [list(axis) for axis in axes]
    combinations = product(*(enumerate(axis) for axis in values))
    params = []
    for combination in combinations:
        is_chosen = sum(n for n, _ in combination) % len(values[-1]) == 0
        marks = () if is_chosen else (pytest.mark.slow,)
        params.append(pytest.param(*(value for _, value in combination), marks=marks))
    return params


def one_each(axis: Iterable[Any], *others: Iterable[Any]) -> list[Any]:
    """Return all combinations, with the mark ``slow`` on all but one for each value of the first axis.

    Neighbours on that axis come with different combinations of the others, so that each of those is tried
    if the axis is as long as they are many.
    """
    combinations = list(product(*others))
    return [
        pytest.param(value, *rest, marks=() if n % len(combinations) == m else (pytest.mark.slow,))
        for n, value in enumerate(axis)
        for m, rest in enumerate(combinations)
    ]


def thinned(axis: Iterable[Any], every: int = 3, *, first: int = 0) -> list[Any]:
    """Return the values or cases of an axis, with the mark ``slow`` on all but one of ``every`` that follow one another.

    Tests of one axis begin with different cases, so that together they try each of them.
    """
    cases = [each if isinstance(each, ParameterSet) else pytest.param(each) for each in axis]
    sample = [case for case in cases if not case.marks][first::every]
    return [
        case if case.marks or case in sample else pytest.param(*case.values, marks=pytest.mark.slow)
        for case in cases
    ]


def name_of(value: Any) -> str | None:
    """Return the part of a test's id for a function or an object with a name; else pytest finds one."""
    if isinstance(value, str):
        return None
    return getattr(value, "name", None) or getattr(value, "__name__", None)
