"""Exceptions of real libraries, each raised by its library."""

from __future__ import annotations

import asyncio
import configparser
import decimal
import enum
import http.client
import io
import ipaddress
import json
import os
import socket
import socketserver
import sqlite3
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import tomllib
import urllib.request
import xml.etree.ElementTree as ET
import zipfile
import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import httpcore  # noqa: F401 - the causes of httpx's exceptions; httpx loads it late
import httpx
import jsonschema
import msgspec
import pydantic
import pydantic_core
import redis
import requests
import sqlalchemy
from botocore.config import Config

RAISERS: dict[str, Callable[[], Any]] = {}


def raises(function: Callable[[], Any]) -> Callable[[], Any]:
    RAISERS[function.__name__] = function
    return function


class _Answers(BaseHTTPRequestHandler):
    """Responds with the status in the path, or with an error of AWS's APIs."""

    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2] or 200)
        self._answer(status, b'{"detail": "no"}', {"Location": self.path} if status == 302 else {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation = self.headers.get("X-Amz-Target", self.path)
        if "UpdateItem" in operation:
            self._fail("ConditionalCheckFailedException", Item={"id": {"S": "1"}})
        elif "GetItem" in operation:
            self._fail("SomethingNewException")
        elif "ReceiveMessage" in operation:
            self._fail("com.amazonaws.sqs#QueueDoesNotExist")
        elif "ListTagsOfResource" in operation:
            self._fail("ResourceNotFoundException")
        else:
            self._fail("ThrottlingException", status=429)

    def _fail(self, code: str, status: int = 400, **more: Any) -> None:
        body = json.dumps({"__type": code, "message": f"{code} it is", **more}).encode()
        self._answer(status, body, {"x-amzn-ErrorType": code, "x-amzn-RequestId": "r-1"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class _Redis(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with suppress(ConnectionError):
            while self.rfile.readline():
                self._refuse()

    def _refuse(self) -> None:
        self.wfile.write(b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n")


class _Store(socketserver.ThreadingTCPServer):
    """Ends the threads of open connections, for which workflows of other tests would wait."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Redis)
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


URL = ""
REDIS_PORT = 0
SILENT_PORT = 0


def refused() -> int:
    """Return a port that refuses connections."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served() -> Iterator[None]:
    """Start the servers that the libraries call."""
    global URL, REDIS_PORT, SILENT_PORT
    web = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    store = _Store()
    web.daemon_threads = False
    with web, store, closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        URL = f"http://127.0.0.1:{web.server_address[1]}"
        REDIS_PORT, SILENT_PORT = store.server_address[1], silent.getsockname()[1]
        threads = [threading.Thread(target=server.serve_forever) for server in (web, store)]
        for thread in threads:
            thread.start()
        yield
        web.shutdown()
        store.shutdown()
        for thread in threads:
            thread.join()


# httpx


@raises
def httpx_refused() -> None:
    httpx.get(f"http://127.0.0.1:{refused()}", trust_env=False)


@raises
def httpx_status() -> None:
    httpx.get(f"{URL}/503", trust_env=False).raise_for_status()


@raises
def httpx_timeout() -> None:
    httpx.get(f"http://127.0.0.1:{SILENT_PORT}", timeout=0.05, trust_env=False)


@raises
def httpx_redirects() -> None:
    httpx.get(f"{URL}/302", follow_redirects=True, trust_env=False)


@raises
def httpx_protocol() -> None:
    httpx.get("gopher://127.0.0.1", trust_env=False)


# requests


@raises
def requests_status() -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"{URL}/500").raise_for_status()


@raises
def requests_refused() -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"http://127.0.0.1:{refused()}")


@raises
def requests_timeout() -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"http://127.0.0.1:{SILENT_PORT}", timeout=0.05)


@raises
def requests_schema() -> None:
    requests.get("no-scheme")


# urllib


def _opener() -> Any:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


@raises
def urllib_status() -> None:
    try:
        _opener().open(f"{URL}/404")
    except urllib.request.HTTPError as error:
        error.close()
        raise


@raises
def urllib_refused() -> None:
    _opener().open(f"http://127.0.0.1:{refused()}")


@raises
def http_not_http() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", REDIS_PORT)
    with closing(connection):
        connection.request("GET", "/")
        connection.getresponse()


# botocore

_SESSION = botocore.session.Session()
_SESSION.set_credentials("AKID", "secret")


def client(service: str) -> Any:
    return _SESSION.create_client(
        service,
        region_name="eu-central-1",
        endpoint_url=URL or "http://127.0.0.1:9",
        config=Config(retries={"max_attempts": 0}, proxies={}),
    )


def modelled() -> list[type[Exception]]:
    """Return the exception classes that botocore makes at run time."""
    dynamodb, sqs = client("dynamodb").exceptions, client("sqs").exceptions
    return [
        dynamodb.ConditionalCheckFailedException,
        dynamodb.ResourceNotFoundException,
        sqs.QueueDoesNotExist,
    ]


@raises
def botocore_client_error() -> None:
    client("dynamodb").get_item(TableName="t", Key={"id": {"S": "1"}})


@raises
def botocore_condition() -> None:
    client("dynamodb").update_item(
        TableName="t", Key={"id": {"S": "1"}}, ReturnValuesOnConditionCheckFailure="ALL_OLD"
    )


@raises
def botocore_queue() -> None:
    client("sqs").receive_message(QueueUrl=f"{URL}/1/q")


@raises
def botocore_resource() -> None:
    client("dynamodb").list_tags_of_resource(ResourceArn="arn:aws:dynamodb:eu-central-1:1:table/t")


@raises
def botocore_parameters() -> None:
    client("dynamodb").get_item(TableName=5)


@raises
def botocore_endpoint() -> None:
    _SESSION.create_client(
        "sqs",
        region_name="eu-central-1",
        endpoint_url=f"http://127.0.0.1:{refused()}",
        config=Config(retries={"max_attempts": 0}, proxies={}),
    ).list_queues()


# Validation


class Order(pydantic.BaseModel):
    amount: decimal.Decimal
    email: str

    @pydantic.field_validator("email")
    @classmethod
    def _has_at(cls, value: str) -> str:
        if "@" not in value:
            raise ValueError("no @ in it")
        return value


@raises
def pydantic_invalid() -> None:
    Order(amount="x", email="nobody")


class Doubtful(pydantic.BaseModel):
    amount: int

    @pydantic.field_validator("amount")
    @classmethod
    def _is_plausible(cls, value: int) -> int:
        raise pydantic_core.PydanticCustomError(
            "implausible", "{amount} is no {what} { }", {"amount": value, "what": "amount"}
        )


@raises
def pydantic_custom() -> None:
    Doubtful(amount=3)


@raises
def jsonschema_invalid() -> None:
    jsonschema.validate({"amount": "x"}, {"properties": {"amount": {"type": "number"}}})


@raises
def jsonschema_schema() -> None:
    jsonschema.validate({}, {"type": 5})


@raises
def msgspec_invalid() -> None:
    msgspec.json.decode(b'"x"', type=int)


# Databases


@raises
def sqlite_integrity() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("create table t (id integer primary key)")
        database.execute("insert into t values (1)")
        database.execute("insert into t values (1)")


@raises
def sqlite_syntax() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("selekt 1")


@contextmanager
def _engine() -> Iterator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@raises
def sqlalchemy_integrity() -> None:
    with _engine() as connection:
        connection.execute(sqlalchemy.text("create table t (id integer primary key, at text)"))
        row = {"id": 1, "at": decimal.Decimal("1.5").to_eng_string()}
        for _ in range(2):
            connection.execute(sqlalchemy.text("insert into t values (:id, :at)"), row)


@raises
def sqlalchemy_operational() -> None:
    with _engine() as connection:
        connection.execute(sqlalchemy.text("select * from nowhere"))


@raises
def sqlalchemy_no_row() -> None:
    with _engine() as connection:
        connection.execute(sqlalchemy.text("select 1 where 0")).one()


@raises
def redis_refused() -> None:
    with closing(redis.Redis(port=refused(), retry=None, protocol=2)) as database:
        database.ping()


@raises
def redis_wrong_type() -> None:
    with closing(redis.Redis(port=REDIS_PORT, retry=None, protocol=2)) as database:
        database.execute_command("INCR", "k")


# The standard library


@raises
def decimal_invalid() -> None:
    decimal.Decimal("x")


@raises
def decimal_zero() -> None:
    decimal.Decimal(1) / 0


@raises
def json_invalid() -> None:
    json.loads('{"a": }')


@raises
def toml_invalid() -> None:
    tomllib.loads("a = ")


@raises
def subprocess_failed() -> None:
    subprocess.run(
        [sys.executable, "-c", "import sys; print('out'); sys.exit(3)"],
        check=True,
        capture_output=True,
    )


@raises
def subprocess_timeout() -> None:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.05)


@raises
async def asyncio_timeout() -> None:
    async with asyncio.timeout(0.001):
        await asyncio.Event().wait()


@raises
async def asyncio_incomplete() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"ab")
    reader.feed_eof()
    await reader.readexactly(5)


@raises
async def asyncio_overrun() -> None:
    reader = asyncio.StreamReader(limit=2)
    reader.feed_data(b"abcdef\n")
    await reader.readuntil()


@raises
async def asyncio_queue() -> None:
    asyncio.Queue[int]().get_nowait()


@raises
async def asyncio_group() -> None:
    async def fails(number: int) -> None:
        raise ValueError(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(fails(1))
        group.create_task(fails(2))


@raises
def ssl_no_tls() -> None:
    with socket.create_connection(("127.0.0.1", REDIS_PORT)) as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")


@raises
def socket_unknown_host() -> None:
    socket.getaddrinfo("no number", 80, flags=socket.AI_NUMERICHOST)


@raises
def socket_timeout() -> None:
    with socket.create_connection(("127.0.0.1", SILENT_PORT), timeout=0.02) as silent:
        silent.recv(1)


@raises
def socket_blocking() -> None:
    with socket.create_connection(("127.0.0.1", SILENT_PORT)) as silent:
        silent.setblocking(False)
        silent.recv(1)


@raises
def os_not_found() -> None:
    with open("/nowhere/at/all"):
        pass


@raises
def os_directory() -> None:
    with open("/"):
        pass


@raises
def os_exists() -> None:
    os.mkdir("/tmp")


@raises
def os_renamed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.rename(f"{folder}/a", f"{folder}/b")


@raises
def os_refused() -> None:
    with socket.create_connection(("127.0.0.1", refused())):
        pass


@raises
def zip_bad() -> None:
    zipfile.ZipFile(io.BytesIO(b"none"))


@raises
def xml_bad() -> None:
    ET.fromstring("<a>")


@raises
def unicode_bad() -> None:
    b"\xff".decode()


@raises
def struct_bad() -> None:
    struct.unpack("I", b"1")


@raises
def zone_unknown() -> None:
    zoneinfo.ZoneInfo("Nowhere/At_All")


@raises
def address_bad() -> None:
    ipaddress.IPv4Address("1.2.3")


@raises
def option_missing() -> None:
    configparser.ConfigParser().get("a", "b")


class Color(enum.Enum):
    RED = "red"


@raises
def enum_no_value() -> None:
    Color("blue")


@raises
def enum_no_name() -> None:
    Color["BLUE"]


@raises
def module_missing() -> None:
    import nowhere_at_all  # type: ignore[import-not-found]  # noqa: F401


@raises
def attribute_missing() -> None:
    Color.RED.blue  # type: ignore[attr-defined]


@raises
def recursion() -> None:
    recursion()
