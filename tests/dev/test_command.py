"""`durable dev`, `start` and `logs` as processes, on one store."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.cli.process import Running, running

from durable_execution_sdk import ConfigError
from durable_execution_sdk.dev.environment_file import read_environment_file
from durable_execution_sdk.dev.project import Sources, project_functions, project_table

APP = """
import os
from durable_execution_sdk import DurableContext, durable_execution

def hello() -> str:
    print("said in a step")
    return os.environ["GREETING"]

@durable_execution
async def order(event, ctx):
    greeting = await ctx.step(hello)
    return [greeting, await (await ctx.create_callback(name="approval"))]

def plain(event, context):
    if event == "fail":
        raise ValueError("no")
    return {"got": event}
"""


def durable(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "durable_execution_sdk.cli.main", *words],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("package", ["watchfiles", "uvicorn", "starlette"])
def test_a_package_that_is_missing_is_named_with_the_extra(tmp_path: Path, package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None;"
        "from durable_execution_sdk.cli.main import main; sys.exit(main())"
    )
    refused = subprocess.run(
        [sys.executable, "-c", script, "dev", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    wanted = f"durable dev needs {package}: pip install 'durable-execution-sdk[dev]'"
    assert (refused.returncode, wanted in refused.stderr) == (2, True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "variables").write_text("# for all\nexport GREETING='hi there'\n")
    words = ("dev", "app.py", "--port", "0", "--function", "plain=app.py:plain")
    with running(tmp_path, *words, "--env-file", "variables") as process:
        process.until("start one with")
        yield process


@pytest.mark.dev
def test_an_execution_is_started_answered_and_read(server: Running, tmp_path: Path) -> None:
    assert any("order  durable  app.py:order" in line for line in server.lines)
    assert any("plain  plain    app.py:plain" in line for line in server.lines)
    with running(tmp_path, "start", "order", "--name", "n", "--follow") as follower:
        server.until("answer with: durable callback succeed n/approval --data JSON")
        (listed,) = json.loads(durable(tmp_path, "list", "--json").stdout)
        assert (listed["activity"], listed["processes"]) == ("asking", [server.process.pid])
        last = durable(tmp_path, "show", "n").stdout.splitlines()[-1]
        pid = server.process.pid
        assert last == f"suspended; the server (process {pid}) goes on when it is due"
        assert durable(tmp_path, "callback", "succeed", "@last", "--data", "5").returncode == 0
        assert follower.end() == 0
    assert follower.lines[-1] == '["hi there",5]\n'
    said = durable(tmp_path, "logs", "n").stdout
    assert said.rstrip().endswith("said in a step")
    document = json.loads(durable(tmp_path, "logs", "n", "--json").stdout.splitlines()[-1])
    assert (document["text"], document["stream"]) == ("said in a step", "stdout")
    silent = durable(tmp_path, "logs", "n", "--operation", "hello")
    assert (silent.returncode, silent.stdout) == (0, "")
    assert "no line names hello" in silent.stderr
    assert "`durable logs n` shows all" in silent.stderr
    refused = durable(tmp_path, "logs", "n", "--operation", "nope")
    assert (refused.returncode, "no operation is called 'nope'" in refused.stderr) == (2, True)
    called = durable(tmp_path, "start", "plain", "--input", "[1]")
    assert (called.returncode, json.loads(called.stdout)) == (0, {"got": [1]})
    failed = durable(tmp_path, "start", "plain", "--input", '"fail"')
    assert (failed.returncode, "plain failed: no" in failed.stderr) == (1, True)
    unknown = durable(tmp_path, "start", "nope")
    assert unknown.returncode == 2
    assert "the server has no function 'nope'. It has: " in unknown.stderr
    mistyped = durable(tmp_path, "start", "ordr:$LATEST")
    assert (mistyped.returncode, "did you mean 'order'?" in mistyped.stderr) == (2, True)
    second = durable(tmp_path, "dev", "app.py", "--port", "0")
    assert (second.returncode, "another server runs the store" in second.stderr) == (2, True)
    server.process.send_signal(signal.SIGINT)
    assert server.end() == 0
    refused = durable(tmp_path, "start", "order")
    assert (refused.returncode, "no development server runs" in refused.stderr) == (2, True)


@pytest.mark.dev
def test_a_name_alone_means_the_execution_that_has_it(server: Running, tmp_path: Path) -> None:
    given = durable(tmp_path, "start", "order", "--name", "basket-eu", "--input", '{"a": [1, 2]}')
    assert given.stdout == "basket-eu\n"
    for words in ((), ("--input", '{ "a": [1,2] }')):
        again = durable(tmp_path, "start", "order", "--name", "basket-eu", *words)
        assert (again.returncode, again.stdout) == (0, "basket-eu\n")
    other = durable(tmp_path, "start", "order", "--name", "basket-eu", "--input", "2")
    assert (other.returncode, other.stdout) == (2, "")
    assert 'started with another input, {"a": [1, 2]}' in other.stderr
    assert "leave --input out to go on with that one" in other.stderr
    mistyped = durable(tmp_path, "start", "order", "--name", "bakset-eu")
    assert (mistyped.returncode, mistyped.stdout) == (2, "")
    assert "did you mean 'basket-eu'?" in mistyped.stderr
    (listed,) = json.loads(durable(tmp_path, "list", "--json").stdout)
    assert listed["durable_execution_name"] == "basket-eu"


LOGGED = """
import time
from pathlib import Path
from durable_execution_sdk import DurableContext, StepContext, durable_execution

def price(event):
    StepContext.current().logger.warning("dear", extra={"item": "a b"})
    return 7

async def one(ctx, item, index):
    return await ctx.step(price, item, name="price")

@durable_execution
async def order(event, ctx):
    ctx.log_info("order came", items=1)
    await ctx.map(["x"], one, name="items")
    await (await ctx.create_callback(name="approval"))
    ctx.log_info("order ends")
    return 1
"""


@pytest.mark.dev
def test_logs_are_written_in_words_and_what_is_not_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LOGGED)
    with running(tmp_path, "dev", "app.py", "--port", "0") as server:
        server.until("start one with")
        assert durable(tmp_path, "start", "order", "--name", "n").returncode == 0
        came = server.until("order came")
        assert came.rstrip().endswith("n order | INFO order came items=1")
        server.until("answer with")
        read = durable(tmp_path, "logs", "n")
        assert read.stderr == ""
        assert [entry.partition("  ")[2] for entry in read.stdout.splitlines()] == [
            "INFO order came items=1",
            'WARNING items/map-item-0/price: dear item="a b"',
        ]
        raw = durable(tmp_path, "logs", "n", "--json").stdout.splitlines()
        assert json.loads(json.loads(raw[0])["text"])["message"] == "order came"
        server.process.send_signal(signal.SIGINT)
        assert server.end() == 0
    # The server has stopped, so that is to be started again; and a run's lines are not kept.
    again = (
        "no process runs it now; the development server that ran it has stopped. Start it as before"
    )
    assert f"{again}, and it goes on: durable dev\n" in durable(tmp_path, "show", "n").stdout
    assert "go on with: durable dev, as it was started before" in durable(tmp_path, "list").stderr
    with running(tmp_path, "logs", "n", "--follow") as follower:
        follower.until(again)
        assert again in durable(tmp_path, "callback", "succeed", "n/approval").stderr
        assert durable(tmp_path, "run", "app.py", "--name", "n").returncode == 0
        assert follower.end() == 0
    assert (
        "lines of 1 invocation are not here: `durable run` ran"
        in durable(tmp_path, "logs", "n").stderr
    )


API_PAGE = (Path(__file__).parents[2] / "docs" / "dev-api.md").read_text("utf-8")
PAGE = (Path(__file__).parents[2] / "docs" / "dev.md").read_text("utf-8")


@pytest.mark.dev
def test_the_tour_of_the_page_leads_to_an_answered_callback(tmp_path: Path) -> None:
    [commands] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "app.py").write_text(code)
    install, serve, start, answer, show = (
        shlex.split(line, comments=True) for line in commands.splitlines()
    )
    assert install[:2] == ["pip", "install"]
    with running(tmp_path, *serve[1:], "--port", "0") as server:
        server.until("start one with")
        assert durable(tmp_path, *start[1:]).returncode == 0
        server.until("answer with")
        assert durable(tmp_path, *answer[1:]).returncode == 0
        server.until("ExecutionSucceeded")
        assert '["Hello, Ada!","fine"]' in durable(tmp_path, *show[1:]).stdout


@pytest.mark.dev
@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="no curl, no bash")
def test_the_example_of_the_page_answers_a_callback_by_curl(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "app.py").write_text(code)
    blocks = re.findall(r"```sh\n(.*?)```", API_PAGE, re.DOTALL)
    [example] = [block for block in blocks if "curl" in block]
    with running(tmp_path, "dev", "app.py", "--port", "0") as server:
        url = server.until("durable dev listens at").split()[4]
        server.until("start one with")
        started = durable(tmp_path, "start", "greet", "--input", '"Ada"', "--name", "hello")
        assert started.returncode == 0
        server.until("answer with")
        commands = Path(sys.executable).parent
        answered = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ
            | {
                "AWS_ENDPOINT_URL_LAMBDA": url,
                "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
                "NO_PROXY": "*",
            },
        )
        assert (answered.returncode, answered.stdout) == (0, "{}"), answered
        server.until("ExecutionSucceeded")
        assert '["Hello, Ada!","fine"]' in durable(tmp_path, "show", "hello").stdout


@pytest.mark.dev
def test_another_name_of_the_computer_is_admitted_when_it_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ("dev", "app.py", "--port", "0", "--allow-host", "Devbox.example")
    with running(tmp_path, *words) as server:
        url = urlsplit(server.until("durable dev listens at").split()[4])
        assert url.hostname is not None
        for host, status in (("devbox.example:80", 200), ("evil.example:80", 403)):
            connection = http.client.HTTPConnection(url.hostname, url.port)
            with closing(connection):
                connection.request("GET", "/_durable/time", headers={"Host": host})
                response = connection.getresponse()
                body = response.read()
                assert response.status == status, body
        assert b"durable dev --allow-host NAME" in body


def test_variables_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_text("\n# no\nA=1\nexport B = 'x y'\nC=\"#\"\nD=\n")
    assert read_environment_file(file) == {"A": "1", "B": "x y", "C": "#", "D": ""}
    file.write_text("A=1\nnonsense\n")
    with pytest.raises(ConfigError, match="line 2: a variable is NAME=VALUE, not 'nonsense'"):
        read_environment_file(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_environment_file(tmp_path / "missing")


def test_named_functions_replace_those_that_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREETING", os.environ.get("GREETING", ""))
    Path("app.py").write_text(APP)
    table = project_table(tmp_path)
    found = project_functions(Sources(), table, tmp_path)
    assert [each.name for each in found.declarations] == ["order"]
    found = project_functions(
        Sources(paths=[Path("app.py")], named=["order=app.py:plain"]), table, tmp_path
    )
    assert [(each.name, each.handler) for each in found.declarations] == [("order", "app.plain")]
