from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.rig import run_workflow
from tests.server.server_rig import FUNCTION, ServerRig, invocations

from durable_execution_sdk import DurableContext
from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol.control_plane import InvokeRequest
from durable_execution_sdk.server.http_server import Server, serve


def environ(server: Server) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_LAMBDA": server.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }


def post(server: Server, path: str, body: Any, timeout: float | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_our_own_client_and_the_server_understand_each_other(
    served: tuple[ServerRig, Server],
) -> None:
    server_rig, server = served

    async def talk() -> None:
        plane = LambdaControlPlane(LambdaClient(environ=environ(server)))
        answer = await plane.invoke(
            InvokeRequest(function_name=FUNCTION, payload=b'{"do": "everything"}')
        )
        arn = answer.durable_execution_arn
        assert arn is not None
        assert json.loads(answer.payload) == "CallbackTimeoutError"
        assert await plane.describe(arn) == server_rig.emulator.describe(arn)
        with pytest.raises(ServiceError) as raised:
            await plane.delete(arn[:-1])
        assert raised.value.code == "ResourceNotFoundException"
        await plane.delete(arn)
        await plane.aclose()

    asyncio.run(talk())


def test_many_may_wait_for_executions_at_once_and_none_is_kept_from_checkpointing(
    served: tuple[ServerRig, Server],
) -> None:
    _, server = served
    results: list[tuple[int, bytes]] = []

    def ask(number: int) -> None:
        event = {"do": "sleep", "seconds": 10 + number}
        results.append(post(server, invocations(), event))

    threads = [threading.Thread(target=ask, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(200, b'"awake"')] * 20


def test_a_function_may_wait_for_another_one_that_runs_here_too() -> None:
    server_rig = ServerRig()

    def outer(event: Any, _: object) -> Any:
        return json.loads(post(server, invocations(), {"do": "add", "a": event, "b": 1})[1])

    server_rig.emulator.functions.add_plain("outer", outer)
    with serve(server_rig.driver) as server:
        assert post(server, invocations("outer"), 41) == (200, b"42")


def open_files() -> set[str]:
    """List the targets of this process's file descriptors; each socket has a unique name."""
    targets: set[str] = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            targets.add(os.readlink(descriptor))
    return targets


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's list of open files")
def test_a_closed_server_leaves_no_thread_no_socket_and_no_port() -> None:
    server_rig = ServerRig()
    threads, files = set(threading.enumerate()), open_files()
    with serve(server_rig.driver) as server:
        post(server, invocations(), {"do": "add", "a": 1, "b": 2})
        port = server.port
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files
    with socket.create_server(("127.0.0.1", port)):
        pass
    server_rig.emulator.close()


def test_closing_sends_away_who_waits_for_an_execution() -> None:
    server_rig = ServerRig()
    answers: list[tuple[int, bytes]] = []
    with serve(server_rig.driver) as server:
        asking = threading.Event()
        stop = server_rig.emulator.subscribe(
            lambda _, events: asking.set() if "CallbackStarted" in repr(events) else None
        )
        waiting = threading.Thread(
            target=lambda: answers.append(post(server, invocations(), {"do": "ask"}))
        )
        waiting.start()
        assert asking.wait(10)
        stop()
    waiting.join()
    [(status, body)] = answers
    assert status == 503
    assert b"shutting down" in body


def test_closing_lets_a_running_function_end_and_checkpoint() -> None:
    server_rig = ServerRig()
    running, go_on = threading.Event(), threading.Event()

    def slow(_: object, __: object) -> str:
        running.set()
        assert go_on.wait(10)
        return "done"

    server_rig.emulator.functions.add_plain("slow", slow)
    server = serve(server_rig.driver)
    answers: list[tuple[int, bytes]] = []
    waiting = threading.Thread(target=lambda: answers.append(post(server, invocations("slow"), 1)))
    waiting.start()
    assert running.wait(10)
    closing = threading.Thread(target=server.close)
    closing.start()
    go_on.set()
    closing.join()
    waiting.join()
    assert answers == [(200, b'"done"')]


def test_a_server_in_the_same_process_keeps_no_deadlock_waiting(
    served: tuple[ServerRig, Server],
) -> None:
    _, server = served
    assert post(server, invocations(), {"do": "everything"})[0] == 200

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.Event().wait()

    began = time.monotonic()
    assert run_workflow(workflow).error.error_type == "DeadlockError"
    assert time.monotonic() - began < 10


def test_what_breaks_a_worker_is_raised_where_the_server_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server_rig = ServerRig()

    def broken() -> int:
        raise OSError("the disk is gone")

    server = serve(server_rig.driver, workers=1)
    monkeypatch.setattr(server_rig.emulator.store, "pulse", broken)
    server_rig.emulator.coordinator.wake()
    server.wait(10)
    with pytest.raises(OSError, match="the disk is gone"):
        server.close()


def test_a_port_that_is_taken_is_refused_with_what_to_do() -> None:
    server_rig = ServerRig()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError,
            match=f"cannot listen on 127.0.0.1:{port}: .*another host or port, 0 for a free one",
        ):
            serve(server_rig.driver, port=port)
    with pytest.raises(ConfigError, match="0 to 65535, not 70000"):
        serve(server_rig.driver, port=70_000)


def test_an_ipv6_address_is_written_as_urls_want_it() -> None:
    if not socket.has_ipv6:
        pytest.skip("this computer has no IPv6")
    try:
        server = serve(ServerRig().driver, host="::1", workers=0)
    except ConfigError:
        pytest.skip("this computer has no IPv6 loopback")
    with server:
        assert server.url == f"http://[::1]:{server.port}"
