"""The service over a socket, as the suite's own validator asks it: with botocore."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import botocore.config
import botocore.session
from tests.conformance.service import LATEST, EmulatedService

from durable_execution_sdk.server.http_server import serve

_MEMBERS = {"ErrorType", "ErrorMessage", "ErrorData", "StackTrace"}


class BotocoreCalls:
    """Calls of botocore's client of a server that drives itself."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def invoke(self, function: str, event: Any, *, asynchronous: bool) -> str:
        def call() -> Any:
            answer = self._api.invoke(
                FunctionName=function,
                Qualifier=LATEST,
                InvocationType="Event" if asynchronous else "RequestResponse",
                Payload=json.dumps(event),
            )
            answer["Payload"].close()
            return answer

        answer = call() if asynchronous else self.answered(call)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        arn: str = headers["x-amz-durable-execution-arn"]
        assert arn == answer["DurableExecutionArn"]
        return arn

    def history(self, arn: str) -> list[dict[str, Any]]:
        page = self._api.get_durable_execution_history(
            DurableExecutionArn=arn, IncludeExecutionData=True
        )
        events: list[dict[str, Any]] = page["Events"]
        assert all(isinstance(event["EventTimestamp"], datetime) for event in events)
        return events

    def outcome(self, arn: str) -> tuple[str, str | None]:
        found = self._api.get_durable_execution(DurableExecutionArn=arn)
        return found["Status"], found.get("Result")

    def succeed(self, callback_id: str, result: bytes | None) -> None:
        given = {} if result is None else {"Result": result}
        self._api.send_durable_execution_callback_success(CallbackId=callback_id, **given)

    def fail(self, callback_id: str, error: dict[str, Any]) -> None:
        assert set(error) <= _MEMBERS
        self._api.send_durable_execution_callback_failure(CallbackId=callback_id, Error=error)

    def beat(self, callback_id: str) -> None:
        self._api.send_durable_execution_callback_heartbeat(CallbackId=callback_id)

    def answered(self, call: Callable[[], Any]) -> Any:
        """Make a call that waits for an execution to end."""
        return call()


class OverHttp(BotocoreCalls):
    """Calls of botocore's client; time passes in the emulator behind the server."""

    def __init__(
        self, emulated: EmulatedService, url: str, api: Any, threads: ThreadPoolExecutor
    ) -> None:
        super().__init__(api)
        self.url = url
        self.emulated = emulated
        self._threads = threads

    def pass_time(self, arn: str, seconds: float) -> None:
        self.emulated.pass_time(arn, seconds)

    def answered(self, call: Callable[[], Any]) -> Any:
        """Drive the emulator while the call waits for an execution to end."""
        calling = self._threads.submit(call)
        calling.add_done_callback(lambda _: self.emulated.emulator.coordinator.wake())
        self.emulated.driver.run_until(calling.done, patient=True)
        return calling.result()


@contextmanager
def served(emulated: EmulatedService, *, workers: int = 0) -> Iterator[OverHttp]:
    """Serve an emulator on a port of this computer; each waiting call drives it, or workers do."""
    with (
        serve(emulated.driver, workers=workers) as server,
        closing(client_of(server.url)) as api,
        ThreadPoolExecutor(1) as threads,
    ):
        yield OverHttp(emulated, server.url, api, threads)


def client_of(url: str) -> Any:
    """botocore's own client of a server."""
    return _SESSION.create_client(
        "lambda",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


_SESSION = botocore.session.Session()
