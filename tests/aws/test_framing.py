"""A response is parsed equally for every division of its bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_execution_sdk.aws.framing import (
    HttpResponse,
    MalformedResponseError,
    ResponseReader,
    render_request,
)

HEAD = b"HTTP/1.1 200 OK\r\nX-One: 1\r\n"


def read(*pieces: bytes) -> tuple[HttpResponse | None, ResponseReader]:
    reader = ResponseReader()
    response = None
    for piece in pieces:
        response = reader.feed(piece)
    return response, reader


def chunked(pieces: list[bytes]) -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


def sized(pieces: list[bytes]) -> bytes:
    body = b"".join(pieces)
    return HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@given(
    data=st.data(),
    framing=st.sampled_from([chunked, sized]),
    pieces=st.lists(st.binary(max_size=20), max_size=5),
    interim=st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]),
)
def test_a_response_may_come_in_any_pieces(
    data: st.DataObject, framing: object, pieces: list[bytes], interim: bytes
) -> None:
    assert callable(framing)
    raw = interim + framing(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=6)))
    reader = ResponseReader()
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        response = reader.feed(raw[start:end])
        assert (response is None) == (end < len(raw))
    assert response is not None
    assert response.status == 200
    assert response.headers["x-one"] == "1"
    assert response.body == b"".join(pieces)
    assert reader.reusable


def test_without_a_length_the_body_ends_with_the_connection() -> None:
    response, reader = read(HEAD + b"\r\nsome", b"thing", b"")
    assert response is not None
    assert response.body == b"something"
    assert not reader.reusable


@pytest.mark.parametrize("status", [204, 304])
def test_some_responses_never_have_a_body(status: int) -> None:
    response, reader = read(b"HTTP/1.1 %d Fine\r\nContent-Length: 7\r\n\r\n" % status)
    assert response is not None
    assert response.body == b""
    assert reader.reusable


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_the_head_says_whether_the_connection_may_be_used_again(
    head: bytes, reusable: bool
) -> None:
    response, reader = read(head + b"Content-Length: 0\r\n\r\n")
    assert response is not None
    assert reader.reusable is reusable


def test_bytes_after_a_response_make_the_connection_useless() -> None:
    response, reader = read(sized([b"x"]) + b"more")
    assert response is not None
    assert response.body == b"x"
    assert not reader.reusable


def test_trailers_are_read_and_passed_over() -> None:
    raw = chunked([b"ab"]).removesuffix(b"\r\n") + b"X-Late: 1\r\nX-Later: 2\r\n\r\n"
    response, reader = read(raw)
    assert response is not None
    assert response.body == b"ab"
    assert reader.reusable


def test_headers_that_come_twice_are_put_together() -> None:
    response, _ = read(HEAD + b"X-One: 2\r\nContent-Length: 0\r\n\r\n")
    assert response is not None
    assert response.headers["x-one"] == "1, 2"


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        HEAD + b"Content-Length: 1, 2\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: \xb2\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60_000,
    ],
)
def test_a_malformed_response_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        read(raw)


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 2", sized([b"abc"])[:-1], chunked([b"abc"])[:-1]])
def test_a_connection_that_ends_too_early_is_an_error(raw: bytes) -> None:
    with pytest.raises(MalformedResponseError, match="in the middle of the response"):
        read(*([raw] if raw else []), b"")


@given(st.binary(max_size=80))
def test_garbage_is_a_response_or_refused(raw: bytes) -> None:
    reader = ResponseReader()
    try:
        reader.feed(b"HTTP/1.1 200 OK\r\n" + raw)
        reader.feed(b"")
    except MalformedResponseError:
        pass


def test_a_request_has_a_content_length() -> None:
    raw = render_request(method="POST", target="/x?y", headers={"host": "h"}, body=b"\xff\x00")
    assert raw == b"POST /x?y HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n\xff\x00"
