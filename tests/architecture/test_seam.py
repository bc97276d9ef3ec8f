"""Rehearsals and tests change an invocation only where its seam allows it: see ``runtime.run.Seam``."""

import inspect

import pytest

from durable_execution_sdk.dev.functions.code_notes import NotingRun
from durable_execution_sdk.dev.functions.notes.run_notes import NotedBodies
from durable_execution_sdk.replay.dry_run import DryRun
from durable_execution_sdk.replay.rehearsal import Rehearsal
from durable_execution_sdk.runtime.bodies import Bodies
from durable_execution_sdk.runtime.run import InvocationRun, Seam
from durable_execution_sdk.testing.local.faulty_run import FaultyRun
from durable_execution_sdk.testing.local.slow_bodies import CountedBodies, FlowingRun

ALLOWED = {
    "claim",
    "end",
    "expect",
    "fail",
    "is_waiting_for_service",
    "leave_behind",
    "open_gate",
    "submit",
    "unwind",
} | {name for name in vars(Seam) if not name.startswith("__")}


def overridden(kind: type, base: type) -> set[str]:
    """Return the members of a base class that a class changes, without its constructor."""
    return {name for name in vars(kind) if hasattr(base, name) and not name.startswith("__")}


@pytest.mark.parametrize("kind", [Rehearsal, FlowingRun, FaultyRun, NotingRun])
def test_other_runs_override_nothing_but_the_seam(kind: type[InvocationRun]) -> None:
    assert overridden(kind, InvocationRun) <= ALLOWED
    assert overridden(kind, InvocationRun) >= {"make_bodies"}


def test_a_dry_run_overrides_nothing_but_the_seam() -> None:
    assert overridden(DryRun, InvocationRun) == {"claim", "fail", "make_bodies", "open_gate"}


@pytest.mark.parametrize("bodies", [CountedBodies, NotedBodies])
def test_other_bodies_override_only_their_start_and_end(bodies: type[Bodies]) -> None:
    assert overridden(bodies, Bodies) <= {"start", "ended"}


def test_the_seam_names_every_member_that_may_be_overridden() -> None:
    text = inspect.getdoc(Seam) or ""
    for name in ALLOWED - set(vars(Seam)):
        assert f"``{name}``" in text, name
