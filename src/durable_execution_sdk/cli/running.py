"""Runs an execution: begins it or finds it by its name, drives it, and tells what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from durable_execution_sdk.cli.interrupts import Interrupts
from durable_execution_sdk.cli.payloads import same_json, short
from durable_execution_sdk.cli.place import Place
from durable_execution_sdk.cli.refusal import Refusal
from durable_execution_sdk.cli.watching import Watch
from durable_execution_sdk.emulator.clock import RealClock, SkippingClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions import LATEST
from durable_execution_sdk.engine.views.progress import Awaited
from durable_execution_sdk.model.control import InvocationType, InvokeRequest
from durable_execution_sdk.model.ids import ExecutionArn
from durable_execution_sdk.showing.family import Family, family

_EMPTY = "{}"
_LONGEST_NAME = 64


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to run: a function by its name, and the input if one was given."""

    function: str
    name: str
    payload: str | None


def fresh_name(function: str, unique: str) -> str:
    """A name for an execution that was given none."""
    return f"{function[: _LONGEST_NAME - 9]}-{unique.replace('-', '')[:8]}"


def begin(emulator: Emulator, order: Order, place: Place) -> str:
    """Start the execution, or find the one with its name; returns its ARN."""
    existing = emulator.find_name(order.name)
    if existing is not None:
        _check_same(emulator, existing, order, place)
        return existing
    return emulator.start(
        InvokeRequest(
            function_name=f"{order.function}:{LATEST}",
            payload=(order.payload or _EMPTY).encode(),
            invocation_type=InvocationType.EVENT,
            durable_execution_name=order.name,
        )
    )


@dataclass(frozen=True)
class Run:
    """One run of an execution: from here on, until it has ended or this process has."""

    emulator: Emulator
    clock: RealClock
    arn: str
    place: Place
    waits: bool = True

    def drive(self, watch: Watch, interrupts: Interrupts) -> None:
        """Go on until the execution has ended, or as far as it gets."""
        found = family(self.emulator, self.arn)
        _check_functions(self.emulator, found)
        # Time that an earlier run skipped is not given back: this one goes on from there.
        self.clock.jump_to(found.last_at)
        skipping = isinstance(self.clock, SkippingClock)
        if isinstance(self.clock, SkippingClock):
            # A timeout that is skipped to would leave nobody the time to answer.
            self.clock.held = self._needs_answer
        driver = Driver(self.emulator, seams=interrupts.seams)
        with watch(self.emulator, self.arn, self.place), interrupts.cutting():
            driver.run_until(
                self._is_over,
                family=self.arn,
                patient=self.waits,
                wait=self.waits or skipping,
                stop=interrupts.asked,
            )

    def _is_over(self) -> bool:
        if self.emulator.is_closed(self.arn):
            return True
        return not self.waits and self._needs_answer()

    def _needs_answer(self) -> bool:
        found = family(self.emulator, self.arn)
        return found.is_idle and any(
            waiter.waiting.awaited is Awaited.ANSWER for waiter in found.waiters()
        )


def _check_same(emulator: Emulator, arn: str, order: Order, place: Place) -> None:
    """Refuse to take an execution for what it is not, as the service does."""
    owner = ExecutionArn.parse(arn).function_name
    if owner != order.function:
        raise Refusal(
            f"the name {order.name!r} belongs to an execution of {owner} in {place.path}, not of"
            f" {order.function}; choose another --name"
        )
    known = emulator.describe(arn).input_payload or _EMPTY
    if order.payload is not None and not same_json(known, order.payload):
        raise Refusal(
            f"the name {order.name!r} belongs to an execution that was started with another input,"
            f" {short(known)}. Choose another --name, or leave --input out to go on with that one"
        )


def _check_functions(emulator: Emulator, found: Family) -> None:
    """Refuse to wait for a function that nobody would call."""
    for waiter in found.waiters():
        invoked = waiter.waiting.function_name
        if invoked is not None:
            _check_known(emulator, emulator.functions.parse(invoked)[0])
    for member in found.invoked.values():
        _check_known(emulator, member.function)
        _check_functions(emulator, member)


def _check_known(emulator: Emulator, function: str) -> None:
    if emulator.functions.get(function) is None:
        raise Refusal(
            f"the execution waits for {function}, which it invoked in an earlier run and which is"
            f" not here now; name it: --function {function}=FILE:ATTR"
        )
