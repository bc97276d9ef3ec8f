"""The local runner for tests that are plain functions."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from durable_execution_sdk.client import SyncDurableClient
from durable_execution_sdk.client.callbacks import Failure, SyncPendingCallback
from durable_execution_sdk.client.messages.inbox_ref import InboxRef, message_for
from durable_execution_sdk.emulator.durations import lapse
from durable_execution_sdk.first_use import explained
from durable_execution_sdk.protocol.control_plane import PauseRequest, ResumeRequest
from durable_execution_sdk.testing.errors import is_told
from durable_execution_sdk.testing.local.client import client_options, send_message
from durable_execution_sdk.testing.local.service import NO_EVENT, LocalService, invocation_type
from durable_execution_sdk.testing.results.operations import at
from durable_execution_sdk.testing.results.result import DurableTestResult
from durable_execution_sdk.testing.worker import in_thread

__all__ = ["SyncTestRunner"]

__tracebackhide__ = is_told

_R_co = TypeVar("_R_co", covariant=True)
_T = TypeVar("_T")


class SyncTestRunner(Generic[_R_co]):
    """A ``LocalDurableTestRunner`` without ``await``: ``runner.sync.run(event)``."""

    def __init__(self, service: LocalService[_R_co]) -> None:
        self._service = service

    def run(
        self,
        event: object = NO_EVENT,
        *,
        name: str | None = None,
        synchronous: bool = False,
        timeout: float | None = None,
        follow: bool = True,
    ) -> DurableTestResult[_R_co]:
        """Run the workflow until it has ended."""
        kind = invocation_type(synchronous=synchronous)
        run = partial(self._service.run, event, name, kind, follow=follow)
        return in_thread(*self._service.alone(run, timeout))

    def start(
        self, event: object = NO_EVENT, *, name: str | None = None, synchronous: bool = False
    ) -> str:
        """Start an execution without running it yet; return its ARN."""
        return self._service.start(event, name, invocation_type(synchronous=synchronous))

    def complete(
        self, *, timeout: float | None = None, follow: bool = True
    ) -> DurableTestResult[_R_co]:
        """Run the execution until it has ended."""
        complete = partial(self._service.complete, follow=follow)
        return in_thread(*self._service.alone(complete, timeout))

    def run_until_suspended(self, *, timeout: float | None = None) -> DurableTestResult[_R_co]:
        """Run the execution until nothing is due now; no time passes.

        An invocation that a planned fault crashed is repeated first, after the delay that the service has for it.
        """
        return in_thread(*self._service.alone(self._service.run_until_suspended, timeout))

    def wait_for_callback(
        self, name: str | None = None, *, timeout: float | None = None
    ) -> SyncPendingCallback:
        """Run the execution until a callback waits for an answer, and return the callback."""
        wait = partial(self._service.wait_for_callback, name)
        callback = in_thread(*self._service.alone(wait, timeout))
        return SyncPendingCallback(self._service.emulator, *callback)

    def send(
        self,
        inbox: str | InboxRef[_T],
        value: _T,
        *,
        id: str | None = None,  # noqa: A002 - the public name
        timeout: float | None = None,
    ) -> str:
        """Send a message to an inbox of the execution, which runs until there is room; return the message's id."""
        ref, chosen, payload = message_for(inbox, value, id)
        sending = partial(send_message, self._service, ref.name, payload)
        in_thread(*self._service.alone(sending, timeout))
        return chosen

    def callbacks(self, name: str | None = None) -> list[SyncPendingCallback]:
        """Return the callbacks that wait for an answer now, in the order of their start."""
        return [
            SyncPendingCallback(self._service.emulator, *callback)
            for callback in self._service.callbacks(name)
        ]

    def callback(self, callback_id: str) -> SyncPendingCallback:
        """Return the callback with this id."""
        return SyncPendingCallback(self._service.emulator, callback_id, None)

    @explained
    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        timeout: float | None = None,
    ) -> DurableTestResult[_R_co]:
        """Advance the clock by this duration, and run everything that is due meanwhile, at its time."""
        by = lapse(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return in_thread(*self._service.alone(partial(self._service.advance, by), timeout))

    def stop(self, error: Failure = None) -> DurableTestResult[_R_co]:
        """Stop the execution; its status becomes STOPPED."""
        return self._service.stop(error)

    def pause(self, reason: str | None = None) -> DurableTestResult[_R_co]:
        """Pause the execution: it is invoked no more until ``resume``, while its waits and callbacks go on."""
        self._service.emulator.pause(self.result().arn, PauseRequest(reason=reason))
        return self.result()

    def resume(self, reason: str | None = None) -> DurableTestResult[_R_co]:
        """End the pause of the execution; ``complete`` and the other calls then run it again."""
        self._service.emulator.resume(self.result().arn, ResumeRequest(reason=reason))
        return self.result()

    def client(self) -> SyncDurableClient:
        """Return a client of this runner's engine, without ``await``; close it at the end."""
        return SyncDurableClient(**client_options(self._service))

    def result(self) -> DurableTestResult[_R_co]:
        """Return the current state of the execution."""
        return self._service.result()

    def results(self) -> list[DurableTestResult[_R_co]]:
        """Return the current state of each execution of the runner, in the order of their start."""
        return [self._service.result(arn) for arn in self._service.arns]

    @property
    def now(self) -> datetime:
        """The time on the runner's clock."""
        return at(self._service.clock.now())
