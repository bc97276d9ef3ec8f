"""Fork every workflow of the corpus over the API: it ends as the original did, and no body before the cut runs."""

from __future__ import annotations

import pytest
from tests.fork.fork_rig import PAGES_OF_ONE, Origin, small_chunks
from tests.replay.corpus import CORPUS, Shape
from tests.sampling import name_of, rotated, thinned, whole_or_sample

from durable_execution_sdk import CheckpointingMode
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS
from durable_execution_sdk.fork.chunks import chunk_id

__all__ = ["small_chunks"]

WAYS: list[When] = ["before", "after", "response_lost"]
MODES = list(CheckpointingMode)


@pytest.mark.parametrize("shape", thinned(CORPUS, first=1), ids=name_of)
@whole_or_sample
def test_a_fork_ends_as_the_original_and_runs_no_body_again(shape: Shape, whole: bool) -> None:
    origin = Origin(shape)
    cuts = origin.cuts
    for before in cuts if whole else cuts[len(shape.name) % 4 :: 4]:
        origin.fork(before).check(origin, (shape.name, before))


@pytest.mark.parametrize(("shape", "mode"), thinned(rotated(CORPUS, MODES)), ids=name_of)
@whole_or_sample
@pytest.mark.usefixtures("small_chunks")
def test_in_pages_of_one_and_in_all_modes(
    shape: Shape, mode: CheckpointingMode, whole: bool
) -> None:
    origin = Origin(shape, PAGES_OF_ONE, mode)
    cuts = origin.cuts
    for before in cuts if whole else [cuts[len(shape.name) % len(cuts)]]:
        origin.fork(before).check(origin, (shape.name, before))


@pytest.mark.parametrize(("shape", "way"), thinned(rotated(CORPUS, WAYS)), ids=name_of)
@whole_or_sample
@pytest.mark.usefixtures("small_chunks")
def test_after_a_crash_at_any_checkpoint(shape: Shape, way: When, whole: bool) -> None:
    origin = Origin(shape)
    cuts = origin.cuts
    for before in cuts if whole else [cuts[len(cuts) // 2]]:
        calm = origin.fork(before)
        last = len(calm.calls)
        for at in range(1, last + 1) if whole else {len(shape.name) % last + 1, last}:
            forked = origin.fork(before, crash=(at, way))
            forked.check(origin, (shape.name, before, at), crashed=True)
            assert forked.parts == calm.parts


@pytest.mark.parametrize("shape", thinned(CORPUS, first=2), ids=name_of)
@whole_or_sample
@pytest.mark.usefixtures("small_chunks")
def test_a_fork_of_a_fork(shape: Shape, whole: bool) -> None:
    origin = Origin(shape)
    cuts = origin.cuts
    for first in cuts if whole else [cuts[len(cuts) // 2]]:
        forked = origin.fork(first)
        ids = dict.fromkeys(event.id for event in forked.whole if event.id is not None)
        again = [each for each in cuts if each is None or each in ids]
        for before in again if whole else [again[len(shape.name) % len(again)]]:
            arn = forked.ran.arn
            origin.fork(before, arn=arn).check(origin, (shape.name, first, before))


@pytest.mark.parametrize("way", WAYS)
def test_only_chunks_are_written_and_no_body_runs_before_the_last_one(
    way: When, monkeypatch: pytest.MonkeyPatch
) -> None:
    from durable_execution_sdk.fork import seeding

    # One chunk in each call, so that the process can die between any two.
    monkeypatch.setattr(seeding, "MAX_BATCH_UPDATES", 1)
    monkeypatch.setattr("durable_execution_sdk.fork.chunks.CHUNK_BYTES", 600)
    shape = next(each for each in CORPUS if each.name == "gathered_mixture")
    origin = Origin(shape, DEFAULT_LIMITS)
    calm = origin.fork(None)
    assert calm.parts > 3
    own = [chunk_id(part) for part in range(1, calm.parts + 1)]
    assert calm.calls[: calm.parts] == [[each] for each in own]
    for at in range(1, calm.parts + 1):
        read = origin.histories_read
        forked = origin.fork(None, crash=(at, way))
        forked.check(origin, at, crashed=True)
        assert [call for call in forked.calls if set(call) & set(own)] == [[each] for each in own]
        assert not any(set(call) & set(own) for call in forked.calls[calm.parts :])
        is_complete = way != "before" and at == calm.parts
        assert origin.histories_read - read == (1 if is_complete else 2)
