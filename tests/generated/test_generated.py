"""Generated programs: the laws hold for them as for the corpus.

``make fuzz`` runs many more, with every feature.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.generated import planted, program_api
from tests.generated.clock import VirtualClock
from tests.generated.oracle import check_agreement, check_execution, extends
from tests.generated.processes import Processes
from tests.generated.programs import ALL, CORE, STATEMENTS, Node, Program, grow, in_sequence
from tests.generated.rendering import render
from tests.generated.runner import CALM, Playing, check_program, compiled, fuzz, shrink
from tests.generated.schedules import Schedule
from tests.generated.service import ProtocolError, Service

# Left to ``make fuzz --features``: plain steps that meet, which take many threads. Patches have a test of their own.
HOLDS = ALL - {"many_threads", "patches"}
CHUNKS = [range(3, 8), *(range(n, n + 8) for n in range(8, 64, 8))]
MARKED = [range(3), *(pytest.param(each, marks=pytest.mark.slow) for each in CHUNKS)]


@pytest.mark.parametrize("seeds", MARKED, ids=lambda each: f"{each[0]}-{each[-1]}")
def test_a_program_replays_exactly_under_any_schedule(seeds: range) -> None:
    report = fuzz(seeds, 6, HOLDS)
    assert report.executions >= 6 * len(seeds)
    assert not [(each.program.seed, str(each.schedule), each.what) for each in report.findings]


PATCHED = frozenset("patch await_op gather gather_same loop spawn group handles".split())
PATCHED_MARKED = [
    range(1000, 1006),
    *(pytest.param(range(n, n + 20), marks=pytest.mark.slow) for n in (1006, 1026, 1046)),
]


@pytest.mark.parametrize("seeds", PATCHED_MARKED, ids=lambda each: f"{each[0]}-{each[-1]}")
def test_executions_that_began_before_and_after_patches_go_on(seeds: range) -> None:
    report = fuzz(seeds, 4, CORE | {"patches"}, kinds=PATCHED)
    assert report.executions > 6 * len(seeds)
    assert not [(each.program.seed, str(each.schedule), each.what) for each in report.findings]


def test_no_name_of_a_program_hides_one_that_it_calls() -> None:
    # A function of one statement had the name of a body, which another statement inside it gave to a step.
    hidden = {
        (name, seed)
        for seed in range(200)
        for node in ast.walk(ast.parse(render(grow(seed, ALL))))
        for name in _bound_by(node)
        if name in program_api.NAMES
    }
    assert hidden == set()


def _bound_by(node: ast.AST) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
            return [name]
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
    return []


Plant = Callable[[], contextlib.AbstractContextManager[object]]


@pytest.mark.parametrize(
    ("plant", "feature", "kinds", "told"),
    [
        (planted.collections_take_numbers, "streams", "gather group loop await_op", "Determinism"),
        (planted.sets_of_tasks_are_scattered, "sets", "wait_for_all_ops", "observed"),
        (planted.replay_takes_no_turn, "pending", "call_soon done_callback", "observed"),
        (planted.sets_of_futures_are_scattered, "futures", "gathers_in_a_set", "observed"),
        (planted.the_gate_stands_open, "changed", "gather gather_same", "ran again"),
        pytest.param(
            *(planted.patches_look_at_one_scope, "patches", "patch gather spawn", "Determinism"),
            marks=pytest.mark.slow,
        ),
        (planted.markers_have_to_be_asked_for, "patches", "patch gather await_op", "Determinism"),
    ],
    ids=[
        *("identity", "sets of tasks", "turns", "sets of futures", "unclaimed operations"),
        *("patches by scope", "markers"),
    ],
)
def test_a_planted_fault_is_found(plant: Plant, feature: str, kinds: str, told: str) -> None:
    with plant():
        # One program after the other, until one has it.
        reports = (
            fuzz([seed], 5, CORE | {feature}, kinds=frozenset(kinds.split()))
            for seed in range(500, 512)
        )
        assert any(told in each.what for report in reports for each in report.findings)


def test_a_program_replays_exactly_though_its_processes_are_killed(tmp_path: Path) -> None:
    paid = _awaits("pay"), _awaits("wait", seconds=1), _awaits("step")
    jobs = Node("gather", {"fname": "job", "raises": False, "collects": True}, (paid, paid[:2]))
    program = Program((jobs, _awaits("ask")))
    processes = Processes(program, tmp_path / "program.py")
    calm = processes.play(CALM)
    assert calm.status == "SUCCEEDED", (calm.error, calm.trace.findings)
    for crash in ((calm.calls, "after"), (max(calm.calls // 2, 1), "before")):
        other = processes.play(Schedule(crash=crash, page=1))
        assert other.trace.crashes == 1
        assert not check_execution(processes, other, 1)
        assert not list(check_agreement(program, calm, other))


def _awaits(kind: str, **data: object) -> Node:
    return Node("await_op", {}, (), (Node(kind, data),))


def test_a_finding_is_shrunk_to_a_smaller_program() -> None:
    with planted.sets_of_futures_are_scattered():
        features = CORE | {"futures"}
        report = fuzz(range(500, 504), 5, features, kinds=frozenset({"gathers_in_a_set"}))
        finding = shrink(report.findings[0], 5, features, budget=60)
    assert finding.sort == report.findings[0].sort
    assert finding.program.size < report.findings[0].program.size


def test_a_seed_gives_one_program_and_one_course_of_events() -> None:
    one, other = grow(11), grow(11)
    assert one == other
    assert render(one) == render(other)
    runs = [Playing(one, compiled(one)).run(CALM) for _ in range(2)]
    assert runs[0].trace.observations == runs[1].trace.observations
    assert runs[0].log() == runs[1].log()
    assert runs[0].calls == runs[1].calls


def test_every_kind_of_statement_and_operation_comes_up() -> None:
    seen = {kind for seed in range(250) for kind in grow(seed, HOLDS).kinds}
    assert {kind.name for kind in STATEMENTS.values() if kind.feature in HOLDS} <= seen


def test_a_program_that_was_printed_runs_as_it_is() -> None:
    program = grow(7)
    printed = Program((), 7, source=render(program))
    report = check_program(printed, 3)
    assert report.executions == 3
    assert not report.findings


def test_a_program_in_sequence_asks_for_the_same_in_another_order() -> None:
    step = Node("await_op", {}, (), (Node("step", {"name": "work"}),))
    gathered = Program(
        (Node("gather", {"fname": "job", "raises": False, "collects": True}, ((step,), (step,))),)
    )
    changed = in_sequence(gathered)
    assert changed is not None
    assert "asyncio.gather" in render(gathered)
    assert "asyncio.gather" not in render(changed)
    assert in_sequence(changed) is None


def test_observations_must_be_a_prefix_but_in_contexts_that_have_completed() -> None:
    inside = [("1/2", "a"), ("1/3", "b")]
    assert extends([("4", 1)], [("4", 1), ("5", 2)]) is None
    assert extends([*inside, ("4", 1)], [("4", 1)]) is None
    assert extends([("4", 1)], [*inside, ("4", 1)]) is None
    assert extends([*inside, ("4", 1)], [*reversed(inside), ("4", 1)])
    assert extends([("4", 1)], [("4", 2)])
    assert extends([("4", 1), ("5", 2)], [("4", 1)])
    assert extends([("4", 1), ("5", 2)], [("4", 1)], cut=True) is None
    assert extends([("4", 1)], [("4", 1), ("5", 2)], whole=True)


@pytest.mark.parametrize(
    ("updates", "told"),
    [
        ([("STEP", "SUCCEED"), ("STEP", "SUCCEED")], "it is SUCCEEDED"),
        ([("STEP", "START"), ("STEP", "START")], "it is STARTED"),
        ([("STEP", "START"), ("WAIT", "START")], "with Type"),
        ([("WAIT", "CANCEL")], "it is absent"),
        ([("STEP", "START", {"ParentId": "nobody"})], "no context"),
    ],
)
def test_the_service_refuses_requests_that_break_the_protocol(
    updates: list[tuple[str, ...]], told: str
) -> None:
    service = Service(VirtualClock(), "null")
    service.begin()
    body = {
        "CheckpointToken": "token-1",
        "Updates": [
            {
                "Id": "1",
                "Type": kind,
                "Action": action,
                "WaitOptions": {"WaitSeconds": 1},
                **dict(*more),
            }
            for kind, action, *more in updates
        ],
    }
    with pytest.raises(ProtocolError, match=told):
        service.checkpoint(msgspec.json.encode(body))
    assert list(service.operations) == [next(iter(service.operations))]
