"""Start an execution, or find it by its name, and drive it."""

from __future__ import annotations

from dataclasses import dataclass

from durable_execution_sdk.cli.arguments.execution_names import EMPTY, existing
from durable_execution_sdk.cli.interrupts import Interrupts
from durable_execution_sdk.cli.output.progress import Watch
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.reload.edited_code import EditedCode
from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.engine.views.progress import Awaited
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.protocol.limits import MAX_EXECUTION_NAME_CHARACTERS
from durable_execution_sdk.rendering.family import Family, family


@dataclass(frozen=True, kw_only=True)
class Order:
    """The function to run, the execution's name, and the input; ``None`` if the user gave none.

    ``is_named``: the user chose the name. ``needs``: the parameter that takes the input, if it does not
    take ``{}``. ``fault``: the reason for which the input does not fit, if it does not.
    """

    function: str
    name: str
    payload: str | None
    is_named: bool = True
    needs: str | None = None
    fault: str | None = None


def fresh_name(function: str, unique: str) -> str:
    """Make a name for an execution for which the user chose none."""
    return f"{function[: MAX_EXECUTION_NAME_CHARACTERS - 9]}-{unique.replace('-', '')[:8]}"


def begin(emulator: Emulator, order: Order, place: Place) -> str:
    """Start the execution, or find the one with its name; return its ARN.

    Raises ``Refusal`` if the name belongs to an execution of another function or with another input, if it
    looks mistyped, and if the function needs an input that was not given, or another one.
    """
    if order.is_named:
        arn = existing(
            emulator, place, function=order.function, name=order.name, payload=order.payload
        )
        if arn is not None:
            return arn
    if order.payload is None and order.needs is not None:
        raise Refusal(
            f"{order.function} needs an input, for {order.needs!r}: --input JSON, --input @FILE, or --input -"
            f" for stdin. {EMPTY}, the input of an execution for which none is given, does not fit"
        )
    if order.fault is not None:
        raise Refusal(f"no execution was started: {order.fault}")
    return emulator.start(
        InvokeRequest(
            function_name=f"{order.function}:{LATEST}",
            payload=(order.payload or EMPTY).encode(),
            invocation_type=InvocationType.EVENT,
            durable_execution_name=order.name,
        )
    )


@dataclass(frozen=True)
class Run:
    """One run of an execution in this process.

    ``waits``: continue when time passes or answers arrive. ``skips``: skip time.
    """

    emulator: Emulator
    arn: str
    place: Place
    waits: bool = True
    skips: bool = False

    def drive(
        self, watch: Watch, interrupts: Interrupts, edited: EditedCode, *, anyway: bool = False
    ) -> dict[str, Finding]:
        """Drive the execution until it has ended, cannot continue, or Ctrl-C was pressed.

        Returns the findings of executions that cannot go on because their code was edited; then nothing new is
        done. With ``anyway`` they go on.
        """
        executions = family(self.emulator, self.arn)
        _check_functions(self.emulator, executions)
        if anyway:
            edited.accept(executions.arns())
        if findings := edited.rehearse(executions.arns()):
            return findings
        # The computer's clock may have been set back, or an earlier version have skipped time.
        self.emulator.catch_up(self.arn)
        if self.skips:
            self.emulator.skip_real_time()
        driver = Driver(self.emulator, wrappers=interrupts.wrappers)
        with watch(self.emulator, self.arn, self.place), interrupts.cutting():
            while not findings:
                driver.run_until(
                    lambda: edited.is_due or self._is_over(),
                    family=self.arn,
                    patient=self.waits,
                    wait=self.waits or self.skips,
                    stop=interrupts.asked,
                )
                if not edited.is_due:
                    break
                findings = edited.rehearse()
        return findings

    def _is_over(self) -> bool:
        if self.emulator.is_closed(self.arn):
            return True
        return not self.waits and self._needs_answer()

    def _needs_answer(self) -> bool:
        executions = family(self.emulator, self.arn)
        if not executions.is_idle:
            return False
        waits = [waiter.waiting for waiter in executions.waiters()]
        # A message may never come: time is skipped over an inbox, if anything waits for time.
        needed = {Awaited.ANSWER, Awaited.MESSAGE}
        if self.skips and any(wait.until is not None for wait in waits):
            needed = {Awaited.ANSWER}
        return any(wait.awaited in needed for wait in waits)


def _check_functions(emulator: Emulator, executions: Family) -> None:
    """Refuse to wait for an invoked function that this process cannot run."""
    for waiter in executions.waiters():
        invoked = waiter.waiting.function_name
        if invoked is not None:
            _check_known(emulator, emulator.functions.parse(invoked)[0])
    for member in executions.invoked.values():
        _check_known(emulator, member.function)
        _check_functions(emulator, member)


def _check_known(emulator: Emulator, function: str) -> None:
    if emulator.functions.get(function) is None:
        raise Refusal(
            f"the execution waits for {function}, which it invoked in an earlier run and which is"
            f" not here now; name it: --function {function}=FILE:ATTR"
        )
