"""The server refuses attacks: pages of other sites, DNS rebinding, large and slow bodies,
and callers who know only an execution's ARN."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from tests.server.server_rig import ServerRig, callback, execution, invocations

from durable_execution_sdk import ConfigError
from durable_execution_sdk.engine.tokens import callback_id
from durable_execution_sdk.server import heads, request_body
from durable_execution_sdk.server.http_server import Server, serve

SITE = "https://evil.example"


class Door:
    """A server that is sent raw requests."""

    def __init__(self, server_rig: ServerRig, server: Server) -> None:
        self.server_rig = server_rig
        self.server = server

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            headers_ = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers_, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Start a server that the tests share, as it takes a while to close; each test has its own execution."""
    server_rig = ServerRig()
    with serve(server_rig.driver, workers=0) as server:
        yield Door(server_rig, server)


def waiting(door: Door) -> tuple[str, str]:
    arn = door.server_rig.begin({"do": "ask"})
    return arn, door.server_rig.callback_id(arn)


CALLS: dict[str, Callable[[str, str], tuple[str, str, bytes | None]]] = {
    "invoke": lambda arn, cb: ("POST", invocations(), b'{"do":"add"}'),
    "stop": lambda arn, cb: ("POST", execution(arn, "/stop"), b"{}"),
    "succeed": lambda arn, cb: ("POST", callback(cb, "succeed"), b'"yes"'),
    "fail": lambda arn, cb: ("POST", callback(cb, "fail"), b"{}"),
    "list": lambda arn, cb: ("GET", "/2025-12-01/functions/workflow/durable-executions", None),
    "read": lambda arn, cb: ("GET", execution(arn), None),
    "delete": lambda arn, cb: ("DELETE", execution(arn), None),
}

# Headers that a browser adds and a page cannot change.
PAGES: dict[str, dict[str, str]] = {
    "a form": {"Origin": SITE, "Content_Type": "application/x-www-form-urlencoded"},
    "a fetch without preflight": {"Origin": SITE, "Content_Type": "text/plain"},
    "a beacon": {"Origin": SITE, "Sec_Fetch_Site": "cross-site"},
    "a picture": {"Sec_Fetch_Site": "cross-site"},
    "a page of another port": {"Origin": "http://127.0.0.1:1", "Sec_Fetch_Site": "same-site"},
    "a sandbox": {"Origin": "null"},
    "a name that was pointed here": {"Host": "evil.example"},
    "a name with this port": {"Host": "rebound.evil.example:80", "Sec_Fetch_Site": "same-origin"},
    "no name": {"Host": ""},
    "a name that only begins so": {"Host": "localhost.evil.example"},
    "an address that only begins so": {"Host": "127.0.0.1.evil.example"},
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("call", CALLS)
def test_a_page_of_another_site_can_do_nothing(page: str, call: str, door: Door) -> None:
    arn, cb = waiting(door)
    before = len(door.server_rig.emulator.recording(arn)())
    heads_before = door.server_rig.emulator.store.open_heads()
    assert heads_before[arn] == before
    method, path, body = CALLS[call](arn, cb)
    status, headers, answer = door.ask(method, path, body, **PAGES[page])
    assert status == 403, answer
    assert headers["x-amzn-errortype"] == "AccessDeniedException"
    assert arn.encode() not in answer
    assert len(door.server_rig.emulator.recording(arn)()) == before
    assert door.server_rig.emulator.store.open_heads() == heads_before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_content_type_that_needs_no_preflight_is_refused_by_itself(kind: str, door: Door) -> None:
    status, _, answer = door.ask(
        "POST", invocations(), b"{}", Content_Type=f"{kind}; charset=utf-8"
    )
    assert (status, b"application/json" in answer) == (403, True)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content_Type": "application/json"},
        {"Content_Type": "application/octet-stream"},
        {"Host": "localhost"},
        {"Host": "localhost:9"},
        {"Host": "LOCALHOST"},
        {"Host": "app.localhost:80"},
        {"Host": "127.0.0.2"},
        {"Host": "[::1]:80"},
        {"Sec_Fetch_Site": "none"},
        {"Host": "localhost:80", "Origin": "http://localhost:80", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_programs_of_this_computer_and_own_pages_come_in(
    headers: dict[str, str], door: Door
) -> None:
    _, cb = waiting(door)
    status, response_headers, answer = door.ask(
        "POST", callback(cb, "succeed"), b'"yes"', **headers
    )
    assert status == 200, answer
    assert response_headers["x-content-type-options"] == "nosniff"
    assert response_headers["cross-origin-resource-policy"] == "same-origin"


def test_a_name_can_be_allowed() -> None:
    server_rig = ServerRig()
    with serve(server_rig.driver, workers=0, allow_hosts=["Dev.Example"]) as server:
        door = Door(server_rig, server)
        path = "/2025-12-01/functions/workflow/durable-executions"
        assert door.ask("GET", path, Host="dev.example:443")[0] == 200
        assert door.ask("GET", path, Host="dev.example.evil")[0] == 403


def test_other_computers_need_a_token(clients: Callable[[Server], Any]) -> None:
    server_rig = ServerRig()
    with pytest.raises(ConfigError, match="token"):
        serve(server_rig.driver, host="0.0.0.0", workers=0)
    for empty in ("", " \n"):
        with pytest.raises(ConfigError, match="is empty, so every request would carry it"):
            serve(server_rig.driver, host="0.0.0.0", workers=0, token=empty)
    with serve(server_rig.driver, workers=0, token="s3cret") as server:
        door = Door(server_rig, server)
        path = "/2025-12-01/functions/workflow/durable-executions"
        signed = "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/lambda/aws4_request"
        assert door.ask("GET", path)[0] == 403
        assert door.ask("GET", path, X_Durable_Token="other")[0] == 403
        assert door.ask("GET", path, X_Durable_Token="s3cret")[0] == 200
        assert door.ask("GET", path, Authorization=signed.format("AKIDEXAMPLE"))[0] == 403
        assert door.ask("GET", path, Authorization=signed.format("s3cret"))[0] == 200


MIB = 1024 * 1024


def test_a_body_that_says_it_is_large_is_refused_and_not_kept(door: Door) -> None:
    status, _, answer = door.ask("POST", invocations(), b"x" * (20 * MIB))
    assert (status, b"6291456 bytes" in answer) == (413, True)


def test_a_body_that_turns_out_large_is_refused(door: Door) -> None:
    arn, _ = waiting(door)

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * MIB

    connection = HTTPConnection("127.0.0.1", door.server.port, timeout=30)
    path = execution(arn, "/checkpoint")
    connection.request(
        "POST", path, chunks(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    answer = connection.getresponse()
    assert answer.status == 413
    connection.close()


def test_an_endless_body_is_left(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "_DRAIN_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", door.server.port), 30) as line:
        head = f"POST {invocations()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
        line.sendall(head.encode())
        stop = threading.Event()

        def send() -> None:
            try:
                while not stop.is_set():
                    line.sendall(b"x" * 65_536)
            except OSError:
                return

        sending = threading.Thread(target=send)
        sending.start()
        answer = line.recv(65_536)
        stop.set()
        line.shutdown(socket.SHUT_RDWR)
        sending.join()
    assert b" 413 " in answer


def test_a_body_that_does_not_come_is_waited_for_so_long(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", door.server.port), 30) as line:
        head = f"POST {invocations()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{{"
        line.sendall(head.encode())
        assert b" 408 " in line.recv(65_536)


def test_who_hangs_up_in_the_middle_leaves_nothing(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", door.server.port), 30) as line:
        head = f"POST {invocations()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{{"
        line.sendall(head.encode())
    assert door.ask("GET", "/2025-12-01/functions/workflow/durable-executions")[0] == 200
    assert not [record for record in caplog.records if "failed" in record.message]


def ended(line: socket.socket) -> bytes:
    """All that the server says until it closes the connection."""
    said = b""
    while True:
        data = line.recv(65_536)
        if not data:
            return said
        said += data


HALF_HEADS = {
    "nothing": [],
    "a byte": [b"G"],
    "half a request": [b"POST / HTTP/1.1\r\nHost: localhost\r\nX-A: "],
    "one header after the other": [b"GET / HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 20],
    "a whole request before": [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP"],
    "one that comes along": [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP", b"/1.1"],
}


@pytest.mark.parametrize("parts", HALF_HEADS.values(), ids=HALF_HEADS)
def test_a_head_that_does_not_come_is_waited_for_so_long(
    parts: list[bytes], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends a little now and then kept its connection for good."""
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", door.server.port), 30) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said = b""
        for part in parts:
            line.sendall(part)
            if part.endswith(b"\r\n\r\n") or b"\r\n\r\nGET" in part:
                while b"\r\n\r\n" not in said:
                    said += line.recv(65_536)
        began = time.monotonic()
        said += ended(line)
        assert time.monotonic() - began < 10
    assert said.count(b"HTTP/1.1 408 ") == bool(parts)
    assert door.ask("GET", "/2025-12-01/functions/workflow/durable-executions")[0] == 200


def test_a_head_that_comes_slowly_but_in_time_is_answered_and_then_there_is_no_hurry(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/2025-12-01/functions/workflow/durable-executions"
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", door.server.port), 30) as line:
        for byte in head:
            line.sendall(bytes([byte]))
        answer = HTTPResponse(line)
        answer.begin()
        assert (answer.status, bool(answer.read())) == (200, True)
        # The next one counts from its first byte, and not from the connection's.
        monkeypatch.setattr(heads, "HEAD_SECONDS", 0.1)
        line.settimeout(0.5)
        with pytest.raises(TimeoutError):
            line.recv(1)


@pytest.mark.parametrize(
    "headers",
    [
        {f"X-{number}": "a" for number in range(200)},
        {"X-Large": "a" * 11_000, "X-Larger": "a" * 11_000, "X-Largest": "a" * 11_000},
    ],
    ids=["many", "large"],
)
def test_a_head_of_too_many_or_too_large_headers_is_refused(
    headers: dict[str, str], door: Door
) -> None:
    status, found, answer = door.ask("POST", invocations("greet"), b"{}", **headers)
    assert (status, b"at most 100 and 32,768 are read" in answer) == (431, True)
    assert found["x-amzn-errortype"] == "RequestHeaderFieldsTooLargeException"


def test_a_head_without_end_is_refused_and_not_kept(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.server.port), 30) as line:
        line.sendall(b"GET / HTTP/1.1\r\nX-A: " + b"a" * 40_000)
        assert b"HTTP/1.1 400 " in line.recv(65_536)


BAD_JSON = [
    b"{",
    b'{"a":NaN}',
    b'{"a":1e999}',
    b'{"a":"\xff"}',
    b'{"a":"\\ud800"}',
    b"[" * 2_000 + b"]" * 2_000,
    b'{"a":' * 600 + b"1" + b"}" * 600,
]


@pytest.mark.parametrize("function", ["workflow:$LATEST", "greet"])
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
@pytest.mark.parametrize("body", BAD_JSON)
def test_what_is_no_json_that_can_be_read_is_refused(
    body: bytes, kind: str, function: str, door: Door
) -> None:
    status, headers, answer = door.ask(
        "POST", invocations(function), body, X_Amz_Invocation_Type=kind
    )
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException"), answer


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"Updates":' + b"[" * 2_000 + b"]" * 2_000 + b"}"]
)
def test_a_checkpoint_nested_beyond_reason_is_refused(body: bytes, door: Door) -> None:
    arn, cb = waiting(door)
    for path in (execution(arn, "/checkpoint"), execution(arn, "/stop"), callback(cb, "fail")):
        status, _, answer = door.ask("POST", path, body)
        assert (status, b"is nested more than 500 deep at byte 5" in answer) == (400, True)
        assert b"send a flat list of its parts" in answer


@pytest.mark.parametrize(
    "body", [b'\\"' * 200_000 + b"[" * 600, b'["' + b'\\"' * 200_000 + b"[" * 600 + b"\\"]
)
def test_no_text_takes_long_to_be_refused(body: bytes, door: Door) -> None:
    """A body of many quotes made the check for depth take quadratic time."""
    arn, _ = waiting(door)
    for path in (invocations("greet"), execution(arn, "/checkpoint")):
        began = time.process_time()
        status, _, _ = door.ask("POST", path, body)
        assert (status, time.process_time() - began < 2) == (400, True)


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5_000, "-1", "1e3", "٣"])
def test_a_number_that_is_none_is_refused(number: str, door: Door) -> None:
    arn, _ = waiting(door)
    from urllib.parse import quote

    path = f"{execution(arn)}/history?MaxItems={quote(number)}"
    assert door.ask("GET", path)[0] == 400


def test_a_stranger_who_knows_an_arn_can_answer_no_callback(door: Door) -> None:
    arn, cb = waiting(door)
    [operation] = [
        each.id
        for each in door.server_rig.emulator.operations(arn)
        if each.callback_details is not None
    ]
    guesses = [
        callback_id(arn, operation),
        callback_id(arn, operation, "secret"),
        base64.b64encode(json.dumps([arn, operation, "0" * 32]).encode()).decode(),
        base64.b64encode(json.dumps([arn, operation, ""]).encode()).decode(),
        base64.b64encode(json.dumps([arn, operation] * 2).encode()).decode(),
        cb[:-8] + "AAAAAAA=",
    ]
    for guess in guesses:
        for call, body in (("succeed", b'"yes"'), ("fail", b"{}"), ("heartbeat", b"")):
            status, _, answer = door.ask("POST", callback(guess, call), body)
            assert status == 404, answer
    assert door.ask("POST", callback(cb, "succeed"), b'"yes"')[0] == 200


def test_a_stranger_who_knows_an_arn_can_checkpoint_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoint tokens contain a secret besides the invocation's number."""
    server_rig, tokens = door.server_rig, []
    arn = server_rig.start({"do": "add"})
    original = server_rig.driver.caller.answer

    def spy(function: Any, call: Any) -> Any:
        event = json.loads(call.payload)
        run_id, *numbers, proof = json.loads(base64.b64decode(event["CheckpointToken"]))
        tokens.append((run_id, numbers, proof))
        forged = base64.b64encode(json.dumps([run_id, *numbers]).encode()).decode()
        body = json.dumps({"CheckpointToken": forged, "Updates": []}).encode()
        status, _, answer = door.ask("POST", execution(arn, "/checkpoint"), body)
        assert (status, b"Invalid checkpoint token" in answer) == (400, True)
        path = f"{execution(arn)}/state?CheckpointToken={forged}"
        assert door.ask("GET", path)[0] == 400
        return original(function, call)

    monkeypatch.setattr(server_rig.driver.caller, "answer", spy)
    server_rig.driver.run_until_closed(arn)
    assert tokens and len(tokens[0][2]) == 32
    assert server_rig.emulator.is_closed(arn)


def test_two_stores_have_two_secrets() -> None:
    first, second = ServerRig(), ServerRig()
    assert first.emulator.secret != second.emulator.secret
    assert len(first.emulator.secret) >= 32
