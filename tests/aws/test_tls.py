"""TLS: trusted certificates, and connections that behave like those without TLS."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import pytest
from tests.aws.conftest import Answer, Clients, Loopback

from durable_execution_sdk.aws import Call
from durable_execution_sdk.aws.channel import Trust, hashed_directory
from durable_execution_sdk.call_timing import Backoff, Patience
from durable_execution_sdk.errors import ServiceError

READ = Call(operation="GetDurableExecutionState", method="GET", path="/read")


@pytest.fixture
def environ(tls_server: Loopback, certificate: Path) -> dict[str, str]:
    """Return the environment of a process that trusts the server's certificate."""
    return tls_server.environ(
        AWS_ENDPOINT_URL_LAMBDA=f"https://localhost:{tls_server.port}",
        AWS_CA_BUNDLE=str(certificate),
    )


def test_calls_share_a_connection(
    tls_server: Loopback, environ: dict[str, str], clients: Clients
) -> None:
    client = clients(environ)
    large = b'"' + b"x" * 3_000_000 + b'"'

    async def main() -> None:
        for body in (b"{}", large, b"{}"):
            tls_server.usual = Answer.http(body=body)
            call = Call(operation="Invoke", method="POST", path="/x", body=body)
            assert (await client.call(call)).body == body

    asyncio.run(main())
    assert tls_server.connections == 1


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_closed_while_idle_is_replaced(
    tls_server: Loopback, environ: dict[str, str], clients: Clients, reset: bool
) -> None:
    client = clients(environ)

    async def main() -> None:
        await client.call(READ)
        tls_server.hang_up(reset=reset)
        await client.call(READ)

    asyncio.run(main())
    assert tls_server.connections == 2
    assert len(tls_server.requests) == 2


@pytest.mark.parametrize("in_the_clear", [False, True])
def test_unasked_bytes_on_an_idle_connection_are_not_taken_for_an_answer(
    tls_server: Loopback, environ: dict[str, str], clients: Clients, in_the_clear: bool
) -> None:
    client = clients(environ)

    async def main() -> None:
        await client.call(READ)
        tls_server.say(Answer.http(body=b'"stray"').raw, in_the_clear=in_the_clear)
        assert (await client.call(READ)).body == b"{}"

    asyncio.run(main())
    assert tls_server.connections == 2


def test_a_body_without_a_length_ends_where_the_server_says_so(
    tls_server: Loopback, environ: dict[str, str], clients: Clients
) -> None:
    tls_server.usual = Answer(raw=b"HTTP/1.1 200 OK\r\n\r\nall", then_close=True)
    with pytest.raises(ServiceError, match="incomplete response"):
        asyncio.run(clients(environ).call(READ))
    tls_server.usual = Answer(raw=b"HTTP/1.1 200 OK\r\n\r\nall", then_unwrap=True)
    assert asyncio.run(clients(environ).call(READ)).body == b"all"


def test_a_peer_that_does_not_speak_tls_is_left(server: Loopback, clients: Clients) -> None:
    """The peer waits for the end of a request that never comes."""
    client = clients(
        server.environ(AWS_ENDPOINT_URL_LAMBDA=f"https://localhost:{server.port}"),
        backoff=Backoff(attempts=1),
        patience=Patience(connect=0.01),
    )
    with pytest.raises(ServiceError, match=r"no connection to localhost:\d+ within 0.01 s"):
        asyncio.run(client.call(READ))


def test_a_certificate_of_an_unknown_authority_is_refused(
    tls_server: Loopback, environ: dict[str, str], clients: Clients
) -> None:
    del environ["AWS_CA_BUNDLE"]
    with pytest.raises(ServiceError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(clients(environ).call(READ))
    assert tls_server.requests == []


def test_a_certificate_of_another_host_is_refused(
    tls_server: Loopback, environ: dict[str, str], clients: Clients
) -> None:
    environ["AWS_ENDPOINT_URL_LAMBDA"] = f"https://127.0.0.1:{tls_server.port}"
    with pytest.raises(ServiceError, match=r"CERTIFICATE_VERIFY_FAILED.*mismatch"):
        asyncio.run(clients(environ).call(READ))
    assert tls_server.requests == []


def test_a_chosen_bundle_is_all_that_is_trusted(certificate: Path) -> None:
    trust = Trust({"AWS_CA_BUNDLE": str(certificate)})
    assert len(trust.context().get_ca_certs()) == 1
    assert not trust.widen()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Path) -> Path:
    """Simulate a system with a hashed directory of root certificates, and one more in its bundle."""
    directory = tmp_path / "certs"
    directory.mkdir()
    (directory / "README").touch()
    (directory / "deadbeef.0").touch()
    paths = ssl.get_default_verify_paths()
    monkeypatch.setattr(
        ssl, "get_default_verify_paths", lambda: paths._replace(capath=str(directory))
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return directory


def test_a_hashed_directory_is_asked_first_and_the_bundle_if_that_did_not_do(
    tls_server: Loopback, environ: dict[str, str], clients: Clients, hashed: Path
) -> None:
    del environ["AWS_CA_BUNDLE"]
    assert hashed_directory() == str(hashed)
    client = clients(environ)
    asyncio.run(client.call(READ))
    assert tls_server.connections == 2
    asyncio.run(client.call(READ))
    assert tls_server.connections == 3


def test_a_root_in_the_hashed_directory_is_found_without_reading_the_bundle(
    hashed: Path, certificate: Path
) -> None:
    (hashed / "606eb8b5.0").write_bytes(certificate.read_bytes())
    context = Trust({}).context()
    assert context.get_ca_certs() == []
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_root_in_the_hashed_directory_is_trusted(
    tls_server: Loopback,
    environ: dict[str, str],
    clients: Clients,
    hashed: Path,
    certificate: Path,
) -> None:
    del environ["AWS_CA_BUNDLE"]
    (hashed / "606eb8b5.0").write_bytes(certificate.read_bytes())
    asyncio.run(clients(environ).call(READ))
    assert tls_server.connections == 1


@pytest.mark.parametrize("names", [[], ["ca-bundle.crt"], ["deadbeef.crt", "DEADBEEF.0", "dead.0"]])
def test_a_directory_without_hashes_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: list[str]
) -> None:
    for name in names:
        (tmp_path / name).touch()
    paths = ssl.get_default_verify_paths()
    for capath in (str(tmp_path), str(tmp_path / "missing"), None):
        monkeypatch.setattr(
            ssl, "get_default_verify_paths", lambda capath=capath: paths._replace(capath=capath)
        )
        assert hashed_directory() is None


def test_the_certificate_of_the_tests_has_not_expired(certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    [authority] = context.get_ca_certs()
    assert ssl.cert_time_to_seconds(str(authority["notAfter"])) > time.time()
