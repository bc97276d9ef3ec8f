from __future__ import annotations

import threading
import time

import pytest

from durable_execution_sdk.emulator.clock import RealClock, VirtualClock


def test_a_virtual_clock_stands_still_until_it_jumps() -> None:
    clock = VirtualClock(start=1_000)
    assert (clock.now(), clock.now()) == (1_000, 1_000)
    clock.wait(31_622_400_000, threading.Event())
    assert clock.now() == 31_622_400_000


def test_a_virtual_clock_never_goes_back() -> None:
    clock = VirtualClock(start=1_000)
    clock.jump_to(500)
    assert clock.now() == 1_000
    clock.advance(5)
    assert clock.now() == 1_005


def test_a_virtual_clock_with_nothing_to_jump_to_returns_when_woken() -> None:
    clock = VirtualClock(start=1_000)
    woken = threading.Event()
    woken.set()
    clock.wait(None, woken)
    assert clock.now() == 1_000


def test_a_real_clock_does_not_wait_for_the_past_or_when_woken() -> None:
    clock = RealClock()
    woken = threading.Event()
    began = time.monotonic()
    clock.wait(clock.now() - 1, woken)
    woken.set()
    clock.wait(clock.now() + 3_600_000, woken)
    clock.wait(None, woken)
    assert time.monotonic() - began < 60
    assert abs(clock.now() - time.time() * 1000) < 60_000


def test_a_real_clock_reaches_a_time_that_is_near() -> None:
    clock = RealClock()
    until = clock.now() + 5
    while clock.now() < until:
        clock.wait(until, threading.Event())
    assert clock.now() >= until


def test_a_real_clock_that_was_set_forward_continues_from_there() -> None:
    clock = RealClock()
    later = clock.now() + 86_400_000
    clock.jump_to(later)
    clock.jump_to(later - 1_000)
    assert later <= clock.now() < later + 3_600_000


def test_nothing_is_skipped_when_there_is_something_new_to_do() -> None:
    clock = VirtualClock()
    woken = threading.Event()
    woken.set()
    before = clock.now()
    clock.wait(before + 86_400_000, woken)
    assert clock.now() < before + 3_600_000


@pytest.mark.parametrize("hours", [-1, 1])
def test_setting_the_computers_clock_does_not_change_a_running_clock(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = RealClock()
    before, real = clock.now(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + hours * 3_600_000_000_000)
    monkeypatch.setattr(time, "time", lambda: real() / 1e9 + hours * 3_600)
    assert before <= clock.now() < before + 1_800_000
    clock.wait(before + 5, threading.Event())
    while clock.now() < before + 5:
        clock.wait(before + 5, threading.Event())
    clock.jump_to(before + 10_000)
    assert before + 10_000 <= clock.now() < before + 1_800_000
