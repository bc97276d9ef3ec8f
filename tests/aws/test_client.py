"""Calls over loopback: kept and stale connections, retries, and errors."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import urllib.parse

import pytest
from tests.aws.conftest import Answer, Clients, Loopback, Waits

from durable_execution_sdk.aws import Call, LambdaClient
from durable_execution_sdk.call_timing import Backoff, Patience
from durable_execution_sdk.errors import ServiceError

READ = Call(operation="GetDurableExecutionState", method="GET", path="/read")
ONCE = Call(operation="Invoke", method="POST", path="/once", body=b"{}", repeatable=False)


def faulty(status: int, name: str = "ServiceException", **headers: str) -> Answer:
    return Answer.http(
        status,
        json.dumps({"Type": "Service", "Message": "not now"}).encode(),
        x_amzn_ErrorType=name,
        **headers,
    )


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_refusal_says_that_an_earlier_attempt_may_have_had_its_effect(
    server: Loopback, client: LambdaClient, is_kept: bool
) -> None:
    async def main() -> ServiceError:
        if is_kept:
            await client.call(READ)
        server.answers += [Answer(then_close=True), faulty(400, "CallbackTimeoutException")]
        with pytest.raises(ServiceError) as caught:
            await client.call(READ)
        server.answers.append(faulty(400, "CallbackTimeoutException"))
        with pytest.raises(ServiceError) as later:
            await client.call(READ)
        assert not later.value.after_lost_answer
        assert str(later.value) == "CallbackTimeoutException: not now"
        return caught.value

    error = asyncio.run(main())
    assert error.after_lost_answer
    assert str(error) == (
        "CallbackTimeoutException: not now; an earlier attempt of this call got no answer, or an error of the service,"
        " and may have had its effect"
    )


@pytest.mark.parametrize(
    ("answer", "is_in_doubt"),
    [(faulty(429, "TooManyRequestsException"), False), (faulty(500), True), (faulty(504), True)],
)
def test_a_failure_of_the_service_leaves_doubt_and_a_refusal_none(
    server: Loopback, client: LambdaClient, answer: Answer, is_in_doubt: bool
) -> None:
    server.answers += [answer, faulty(400, "CallbackTimeoutException")]
    with pytest.raises(ServiceError) as caught:
        asyncio.run(client.call(READ))
    assert caught.value.after_lost_answer is is_in_doubt


@pytest.mark.parametrize(
    "key", ["AKID\r\nx-forged: 1", "AKID\n", "AKI\N{LATIN CAPITAL LETTER E WITH ACUTE}"]
)
def test_a_key_that_no_header_can_have_is_refused_before_anything_is_sent(
    server: Loopback, clients: Clients, key: str
) -> None:
    client = clients({**server.environ(), "AWS_ACCESS_KEY_ID": key})
    with pytest.raises(ServiceError, match="the header authorization has characters") as caught:
        asyncio.run(client.call(READ))
    assert caught.value.code == "CredentialsError"
    assert server.requests == []


def test_calls_share_one_connection(server: Loopback, client: LambdaClient) -> None:
    async def main() -> None:
        for _ in range(3):
            await client.call(READ)

    asyncio.run(main())
    assert server.connections == 1
    assert len(server.requests) == 3


def test_concurrent_calls_each_have_a_connection(server: Loopback, client: LambdaClient) -> None:
    server.together = threading.Barrier(3)

    async def main() -> None:
        await asyncio.gather(*(client.call(READ) for _ in range(3)))
        await asyncio.gather(*(client.call(READ) for _ in range(3)))

    asyncio.run(main())
    assert server.connections == 3
    assert len(server.requests) == 6


def test_no_more_connections_are_kept_than_a_few(server: Loopback, client: LambdaClient) -> None:
    server.together = threading.Barrier(7)

    async def main() -> None:
        await asyncio.gather(*(client.call(READ) for _ in range(7)))
        await asyncio.gather(*(client.call(READ) for _ in range(7)))

    asyncio.run(main())
    assert server.connections == 7 + 3


def test_another_event_loop_gets_another_connection(server: Loopback, client: LambdaClient) -> None:
    async def main() -> None:
        await client.call(READ)
        await client.call(READ)

    asyncio.run(main())
    asyncio.run(main())
    assert server.connections == 2


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_closed_while_idle_is_replaced(
    server: Loopback, client: LambdaClient, waits: Waits, reset: bool
) -> None:
    async def main() -> None:
        await client.call(READ)
        server.hang_up(reset=reset)
        await client.call(READ)

    asyncio.run(main())
    assert server.connections == 2
    assert len(server.requests) == 2
    assert waits.slept == []


def test_a_connection_closed_under_the_request_is_replaced_at_once(
    server: Loopback, client: LambdaClient, waits: Waits
) -> None:
    """As after a freeze of the process, when a send is the first to notice the closed connection."""
    server.answers.extend([Answer.http(), Answer(then_close=True), Answer.http()])

    async def main() -> None:
        await client.call(READ)
        await client.call(READ)

    asyncio.run(main())
    assert [request.connection for request in server.requests] == [1, 1, 2]
    assert waits.slept == []


def test_unasked_bytes_on_an_idle_connection_are_not_taken_for_an_answer(
    server: Loopback, client: LambdaClient
) -> None:
    async def main() -> None:
        await client.call(READ)
        server.say(Answer.http(body=b'"stray"').raw)
        assert (await client.call(READ)).body == b"{}"

    asyncio.run(main())
    assert server.connections == 2


def test_unasked_bytes_after_an_answer_are_not_taken_for_the_next(
    server: Loopback, client: LambdaClient
) -> None:
    stray = Answer.http(body=b'"stray"').raw
    server.answers.append(Answer(raw=Answer.http().raw + stray))

    async def main() -> None:
        for _ in range(2):
            assert (await client.call(READ)).body == b"{}"

    asyncio.run(main())
    assert server.connections == 2


def test_a_connection_that_was_idle_for_long_is_not_trusted(
    server: Loopback, clients: Clients
) -> None:
    client = clients(server.environ(), patience=Patience(idle=0.0))

    async def main() -> None:
        await client.call(READ)
        await client.call(READ)

    asyncio.run(main())
    assert server.connections == 2


def test_connection_close_is_honoured(server: Loopback, client: LambdaClient) -> None:
    server.usual = Answer.http(Connection="close")

    async def main() -> None:
        await client.call(READ)
        await client.call(READ)

    asyncio.run(main())
    assert server.connections == 2


def test_a_call_that_must_not_be_repeated_has_a_fresh_connection(
    server: Loopback, client: LambdaClient
) -> None:
    async def main() -> None:
        await client.call(READ)
        await client.call(ONCE)
        await client.call(READ)

    asyncio.run(main())
    assert [request.connection for request in server.requests] == [1, 2, 2]


def test_a_call_that_must_not_be_repeated_is_not_repeated(
    server: Loopback, client: LambdaClient, waits: Waits
) -> None:
    server.answers.extend([Answer(then_close=True), faulty(500)])

    async def main() -> None:
        with pytest.raises(ServiceError, match="closed the connection without an answer"):
            await client.call(ONCE)
        with pytest.raises(ServiceError, match="not now"):
            await client.call(ONCE)

    asyncio.run(main())
    assert len(server.requests) == 2
    assert waits.slept == []


def test_a_throttled_call_is_repeated_even_if_it_must_not_happen_twice(
    server: Loopback, client: LambdaClient, waits: Waits
) -> None:
    server.answers.append(faulty(429, "TooManyRequestsException"))
    asyncio.run(client.call(ONCE))
    assert len(server.requests) == 2
    assert waits.slept == [0.2]


def test_transient_errors_are_retried_with_backoff_and_the_same_body(
    server: Loopback, client: LambdaClient, waits: Waits
) -> None:
    server.answers.extend([Answer(then_close=True), faulty(500), faulty(503), faulty(429)])
    call = Call(operation="X", method="POST", path="/x", body=b'{"ClientToken":"t"}')
    asyncio.run(client.call(call))
    assert {request.body for request in server.requests} == {call.body}
    assert waits.slept == [0.2, 0.4, 0.8, 1.6]


def test_every_attempt_is_signed_for_its_own_time(server: Loopback, client: LambdaClient) -> None:
    server.answers.append(faulty(429, "TooManyRequestsException", Retry_After="7"))
    asyncio.run(client.call(READ))
    assert [request.headers["x-amz-date"] for request in server.requests] == [
        "20260101T000000Z",
        "20260101T000007Z",
    ]


def test_retry_after_is_honoured(server: Loopback, client: LambdaClient, waits: Waits) -> None:
    server.answers.append(faulty(429, "TooManyRequestsException", Retry_After="3"))
    asyncio.run(client.call(READ))
    assert waits.slept == [3.0]


def test_a_service_that_asks_for_too_much_patience_is_given_up(
    server: Loopback, client: LambdaClient, waits: Waits
) -> None:
    server.answers.append(faulty(429, "TooManyRequestsException", Retry_After="3600"))
    with pytest.raises(ServiceError) as raised:
        asyncio.run(client.call(READ))
    assert raised.value.retry_after == 3600
    assert waits.slept == []


def test_attempts_are_bounded_and_the_last_error_is_raised(
    server: Loopback, client: LambdaClient
) -> None:
    server.usual = faulty(503)
    with pytest.raises(ServiceError, match="not now") as raised:
        asyncio.run(client.call(READ))
    assert raised.value.status == 503
    assert len(server.requests) == 5


def test_the_callers_fault_is_raised_at_once(
    server: Loopback, client: LambdaClient, waits: Waits
) -> None:
    server.usual = faulty(400, "InvalidParameterValueException")
    with pytest.raises(ServiceError) as raised:
        asyncio.run(client.call(READ))
    assert raised.value.code == "InvalidParameterValueException"
    assert len(server.requests) == 1
    assert waits.slept == []


def test_a_redirect_is_no_success(server: Loopback, client: LambdaClient) -> None:
    server.usual = Answer.http(301, b"", Location="https://elsewhere/")
    with pytest.raises(ServiceError, match="HTTP 301"):
        asyncio.run(client.call(READ))


def test_a_server_that_never_answers_is_left(server: Loopback, clients: Clients) -> None:
    server.usual = Answer()
    client = clients(
        server.environ(),
        backoff=Backoff(attempts=2),
        patience=Patience(answer=0.1),
    )
    with pytest.raises(ServiceError, match=r"no answer from .* within 0.1 s") as raised:
        asyncio.run(client.call(READ))
    assert raised.value.status is None
    assert raised.value.is_transient
    assert len(server.requests) == 2


def test_half_an_answer_is_no_answer(server: Loopback, client: LambdaClient) -> None:
    server.answers.append(
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", then_close=True)
    )
    response = asyncio.run(client.call(READ))
    assert response.body == b"{}"
    assert len(server.requests) == 2


def test_a_response_that_is_not_http_counts_as_none(server: Loopback, clients: Clients) -> None:
    server.usual = Answer(raw=b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    client = clients(server.environ(), backoff=Backoff(attempts=1))
    with pytest.raises(ServiceError, match=r"not an HTTP/1\.x response: 'SSH-2\.0"):
        asyncio.run(client.call(READ))


def test_an_answer_that_comes_before_the_body_was_sent_is_read(
    server: Loopback, client: LambdaClient
) -> None:
    """A peer may refuse a large body without reading it."""
    server.refusal = faulty(413, "RequestTooLargeException")
    with pytest.raises(ServiceError, match="RequestTooLargeException"):
        asyncio.run(
            client.call(Call(operation="Invoke", method="POST", path="/", body=b" " * 30_000_000))
        )


def test_a_peer_that_hangs_up_while_the_body_is_being_sent_gave_no_answer(
    server: Loopback, client: LambdaClient
) -> None:
    server.refusal = Answer()
    call = Call(
        operation="Invoke", method="POST", path="/", body=b" " * 30_000_000, repeatable=False
    )
    with pytest.raises(ServiceError, match="closed the connection without an answer"):
        asyncio.run(client.call(call))


def test_every_address_of_the_host_is_tried(
    server: Loopback, client: LambdaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unsupported address family, an address without a server, and the server."""
    closed = (socket.AF_INET, socket.SOCK_STREAM, 0, "", (server.host, 1))
    reachable = (socket.AF_INET, socket.SOCK_STREAM, 0, "", (server.host, server.port))
    unknown = (9999, socket.SOCK_STREAM, 0, "", (server.host, server.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [unknown, closed, reachable])
    asyncio.run(client.call(READ))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(ServiceError, match="has no address"):
        asyncio.run(client.call(READ))


def test_a_refused_connection_is_a_transient_error_that_names_the_endpoint(
    server: Loopback, clients: Clients, waits: Waits
) -> None:
    client = clients(
        server.environ(AWS_ENDPOINT_URL_LAMBDA="http://127.0.0.1:1"),
    )
    with pytest.raises(ServiceError, match=r"Invoke: no connection to 127.0.0.1:1") as raised:
        asyncio.run(client.call(ONCE))
    assert "nothing listens there: start `durable dev`, or correct" in str(raised.value)
    assert raised.value.is_transient
    assert len(waits.slept) == 4


def test_a_chunked_answer_is_put_together(server: Loopback, client: LambdaClient) -> None:
    server.usual = Answer(
        raw=b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\n{"a'
        b'\r\n4\r\n":1}\r\n0\r\nX-Trailer: 1\r\n\r\n',
    )

    async def main() -> list[bytes]:
        return [(await client.call(READ)).body for _ in range(2)]

    assert asyncio.run(main()) == [b'{"a":1}', b'{"a":1}']
    assert server.connections == 1


def test_a_large_answer_arrives_whole(server: Loopback, client: LambdaClient) -> None:
    body = json.dumps("x" * 6_000_000).encode()
    server.usual = Answer.http(body=body)
    assert asyncio.run(client.call(READ)).body == body


def test_a_large_request_arrives_whole(server: Loopback, client: LambdaClient) -> None:
    body = b"x" * 6_000_000
    asyncio.run(client.call(Call(operation="Invoke", method="POST", path="/", body=body)))
    assert server.requests[0].body == body


def test_a_cancelled_call_leaves_no_connection_behind(
    server: Loopback, client: LambdaClient
) -> None:
    server.answers.append(Answer())
    server.together = threading.Barrier(2)

    async def main() -> None:
        call = asyncio.create_task(client.call(READ))
        await asyncio.to_thread(server.together.wait, 5)
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.together = threading.Barrier(1)
        await client.call(READ)

    asyncio.run(main())
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_closed_client_may_be_used_again(server: Loopback, client: LambdaClient) -> None:
    async def main() -> None:
        await client.call(READ)
        await client.aclose()
        await client.call(READ)

    asyncio.run(main())
    assert server.connections == 2


def test_a_connection_in_use_is_closed_after_its_call_when_the_client_is_closed(
    server: Loopback, client: LambdaClient
) -> None:
    async def main() -> None:
        call = asyncio.create_task(client.call(READ))
        await asyncio.sleep(0)
        await client.aclose()
        await call
        await client.call(READ)

    asyncio.run(main())
    assert server.connections == 2


def test_the_endpoints_prefix_and_the_query_are_sent(server: Loopback, clients: Clients) -> None:
    client = clients(
        server.environ(AWS_ENDPOINT_URL_LAMBDA=f"http://{server.host}:{server.port}/a%20b/"),
    )
    query = (("Marker", "a b/="), ("Empty", ""))
    asyncio.run(client.call(Call(operation="X", method="GET", path="/x%3Ay", query=query)))
    path, _, query_text = server.requests[0].target.partition("?")
    assert path == "/a%20b/x%3Ay"
    assert dict(urllib.parse.parse_qsl(query_text, keep_blank_values=True)) == dict(query)


def test_the_session_token_is_sent_and_signed(server: Loopback, clients: Clients) -> None:
    client = clients(
        server.environ(AWS_SESSION_TOKEN="temporary"),
    )
    asyncio.run(client.call(READ))
    headers = server.requests[0].headers
    assert headers["x-amz-security-token"] == "temporary"
    assert "x-amz-security-token" in headers["authorization"]


def test_rotated_credentials_are_used_for_the_next_call(server: Loopback, clients: Clients) -> None:
    environ = server.environ()
    client = clients(
        environ,
    )

    async def main() -> None:
        await client.call(READ)
        environ["AWS_ACCESS_KEY_ID"] = "AKIDROTATED"
        await client.call(READ)

    asyncio.run(main())
    assert ["AKIDROTATED" in request.headers["authorization"] for request in server.requests] == [
        False,
        True,
    ]


def test_the_trace_of_the_invocation_is_passed_on_in_lambda_only(
    server: Loopback, clients: Clients
) -> None:
    environ = server.environ(_X_AMZN_TRACE_ID="Root=1-2-3")
    client = clients(
        environ,
    )
    asyncio.run(client.call(READ))
    environ["AWS_LAMBDA_FUNCTION_NAME"] = "f"
    asyncio.run(client.call(READ))
    traces = [request.headers.get("x-amzn-trace-id") for request in server.requests]
    assert traces == [None, "Root=1-2-3"]


def test_the_user_agent_names_sdk_python_and_environment(
    server: Loopback, clients: Clients
) -> None:
    client = clients(
        server.environ(AWS_EXECUTION_ENV="AWS_Lambda_python3.13"),
    )
    asyncio.run(client.call(READ))
    agent = server.requests[0].headers["user-agent"]
    assert agent.startswith("durable-execution-sdk-python/")
    assert " lang/python#3." in agent
    assert agent.endswith(" exec-env/AWS_Lambda_python3.13")
