"""Invariants of every workflow of the corpus: replay repeats its observations."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise, product

import pytest
from tests.replay.corpus import BY_NAME, CORPUS, Shape
from tests.replay.play import Play, extends, replay
from tests.rig import Ran
from tests.sampling import thinned

from durable_execution_sdk.protocol.data_plane import OutcomeStatus
from durable_execution_sdk.protocol.operations import TERMINAL_STATUSES
from durable_execution_sdk.protocol.updates import OperationAction

shapes = pytest.mark.parametrize("shape", CORPUS, ids=lambda each: each.name)


@functools.cache
def played(shape: Shape) -> tuple[Play, Ran]:
    play = Play(shape)
    ran = play.run()
    assert ran.status == ("FAILED" if shape.fails else "SUCCEEDED"), ran.error
    return play, ran


@shapes
def test_each_invocation_observes_what_the_one_before_did_and_goes_on(shape: Shape) -> None:
    play, _ = played(shape)
    for earlier, later in pairwise(play.probe.observations):
        assert extends(earlier, later)


@shapes
def test_replay_over_the_whole_log_is_a_fixed_point(shape: Shape) -> None:
    play, ran = played(shape)
    again = replay(shape, play.snapshots[-1])
    completes_itself = any(update.type == "EXECUTION" for update in play.updates)
    assert [update.type for update in again.updates] == ["EXECUTION"] * completes_itself
    assert again.calls == int(completes_itself)
    assert extends(play.probe.observations[-1], again.observed)
    assert extends(again.observed, play.probe.observations[-1])
    if not completes_itself:
        assert again.outcome.status == ran.status
        assert again.outcome.error == ran.error or shape.fails
        assert (again.outcome.result or "null") == (ran_result(ran) or "null")


def ran_result(ran: Ran) -> str | None:
    import json

    return json.dumps(ran.result, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("shape", thinned(CORPUS, first=0), ids=lambda each: each.name)
def test_replay_over_every_cut_of_the_log_observes_the_same_in_the_same_order(
    shape: Shape,
) -> None:
    play, _ = played(shape)
    cuts = [replay(shape, state).observed for state in play.snapshots]
    for earlier, later in pairwise(cuts):
        assert extends(earlier, later)
    assert extends(play.probe.observations[-1], cuts[-1])


@pytest.mark.parametrize("shape", thinned(CORPUS, first=1), ids=lambda each: each.name)
def test_replay_of_a_cut_log_asks_for_nothing_that_is_recorded(shape: Shape) -> None:
    play, _ = played(shape)
    for state in play.snapshots:
        known = {op.id: op.status for op in state.initial_execution_state.operations}
        again = replay(shape, state)
        assert again.outcome.status != OutcomeStatus.FAILED or shape.fails, again.outcome
        for update in again.updates:
            if update.type == "EXECUTION":
                continue
            assert known.get(update.id) not in TERMINAL_STATUSES
            if update.action == OperationAction.START:
                assert known.get(update.id) in (None, "READY")


@shapes
def test_no_operation_is_started_or_ended_twice(shape: Shape) -> None:
    play, _ = played(shape)
    attempts: dict[str, int] = {}
    ended: set[str] = set()
    for update in play.updates:
        assert update.id not in ended
        if update.action == OperationAction.START:
            assert attempts.get(update.id, 0) == 0
            attempts[update.id] = 1
        elif update.action == OperationAction.RETRY:
            attempts[update.id] = 0
        elif update.action != OperationAction.CANCEL:
            ended.add(update.id)


@pytest.mark.parametrize("shape", thinned(CORPUS, first=2), ids=lambda each: each.name)
def test_ids_are_the_same_in_every_execution(shape: Shape) -> None:
    one, _ = played(shape)
    other = Play(shape)
    other.run()

    def ids(play: Play) -> set[tuple[str, str | None, str | None]]:
        return {(u.id, u.name, u.parent_id) for u in play.updates if u.type != "EXECUTION"}

    assert ids(one) == ids(other)


def of(text: str) -> str:
    return blake2b(text.encode()).hexdigest()[:64]


# The ids of the markers of patches, of statuses and of the operations of inboxes, and of WAITs for steps that need time,
# which take no number.
MARKER = re.compile(r"(patch|state|needs)-[0-9a-f]{40}|inbox_\w*_[0-9a-f]{8}-(\d+|closed-1)")


@pytest.mark.parametrize(
    "shape", [each for each in CORPUS if each.strict], ids=lambda each: each.name
)
def test_the_main_task_has_the_ids_of_the_aws_sdk(shape: Shape) -> None:
    play, _ = played(shape)
    updates = [u for u in play.updates if u.type != "EXECUTION" and not MARKER.fullmatch(u.id)]
    started = list(dict.fromkeys(u.id for u in updates))
    assert set(started) == {of(str(n)) for n in range(1, len(started) + 1)}


def places(prefixes: list[str]) -> Iterator[str]:
    """Yield the texts from which ids below these prefixes are hashed."""
    for prefix, n in product(prefixes, range(30)):  # items from 0, all others from 1
        yield f"{prefix}{n}"


def path(kind: str, module: str, qualname: str, number: int) -> str:
    """Write one part of the path of a task or a timer, as in ids."""
    digest = blake2b(f"{module}:{qualname}".encode(), digest_size=4).hexdigest()
    name = re.sub(r"[^A-Za-z0-9]+", "", qualname.rpartition(".")[2])[:20]
    return f"{kind}{name}_{digest}{f'_{number}' if number else ''}-"


# The parts of an id: context, path of tasks, timer if there is one, number.
CLEAR = re.compile(
    r"(?P<context>[0-9a-f]{20}-|\w+_[0-9a-f]{8}_\d+-\d+-)?(items_[0-9a-f]{10}-)?(\w+_[0-9a-f]{8}_\d+-)*"
    r"(timer_\w*_[0-9a-f]{8}-)?\d+"
)


@shapes
def test_every_id_follows_from_its_place(shape: Shape) -> None:
    play, _ = played(shape)
    found = {
        u.id: u.parent_id
        for u in play.updates
        if u.type != "EXECUTION" and not MARKER.fullmatch(u.id)
    }
    known = {of(text) for text in places(["", *(f"{parent}-" for parent in found)])}
    # Virtual contexts have ids, but no operations of their own.
    virtual = [f"{of(str(n))}-" for n in range(1, 8)]
    nested = [f"{of(f'{of(str(n))}-{m}')}-" for n, m in product(range(1, 8), range(4))]
    known |= {of(text) for text in places(virtual + nested)}
    contexts = {f"{each[:20]}-" for each in {*found, *known}} | {f"{each}-" for each in found}
    limits = {f"limit-{of(each)[:40]}" for each in known | found.keys()}
    for each in found.keys() - known - limits:
        clear = CLEAR.fullmatch(each)
        assert clear, each
        assert clear["context"] is None or clear["context"] in contexts


def test_a_child_and_its_tasks_take_ids_below_its_own() -> None:
    play, _ = played(BY_NAME["tasks"])
    names = {u.name: u.id for u in play.updates}
    assert names["main"] == of("1")
    branch = "tasks.<locals>.run.<locals>.branch"
    leaf = "tasks.<locals>.run.<locals>.leaf"
    assert names["x1"] == f"{path('', 'corpus', branch, 1)}2"
    assert names["y1"] == f"{path('', 'corpus', branch, 2)}2"
    assert names["x leaf"] == f"{path('', 'corpus', branch, 1)}{path('', 'corpus', leaf, 1)}1"
    play, _ = played(BY_NAME["children"])
    names = {u.name: u.id for u in play.updates}
    assert names["outer"] == of("1")
    assert names["x"] == of(f"{of('1')}-1")
    assert names["x1"] == of(f"{names['x']}-1")
    assert names["between"] == of(f"{of('1')}-2")
