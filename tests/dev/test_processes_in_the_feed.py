"""Logs, code positions, the size of maps, workers, versions and crashes of functions in real processes."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.dev.dev_server_rig import execution
from tests.dev.session_rig import SessionClient, declared, session_of

pytestmark = pytest.mark.dev

APP = """
import os, pathlib
from durable_execution_sdk import DurableContext, MapConfig, durable_execution
from helper import word

def speak(text: str) -> str:
    print("spoken:", text)
    return text

@durable_execution
async def order(event, ctx: DurableContext):
    ctx.logger.info("begun")
    said = await ctx.step(speak, word)
    await (await ctx.create_callback(name="approval"))
    return [said, await ctx.step(lambda: word, name="again")]

async def one(ctx: DurableContext, item: int, index: int) -> int:
    if item == 2:
        await (await ctx.create_callback(name="gate"))
    return item

@durable_execution
async def spread(event, ctx: DurableContext):
    batch = await ctx.map(list(range(5)), one, config=MapConfig(max_concurrency=1))
    return batch.success_count

def hang() -> None:
    print("hanging", flush=True)
    file = pathlib.Path(os.environ["GATE"])
    if not file.exists():
        file.write_text("")
        os.read(os.pipe()[0], 1)

@durable_execution
async def stuck(event, ctx: DurableContext):
    await ctx.step(hang)
    return "done"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(APP)
    (tmp_path / "code" / "helper.py").write_text("word = 'first'\n")
    return tmp_path / "code"


@pytest.fixture
def client(tmp_path: Path, folder: Path) -> Iterator[SessionClient]:
    with session_of(
        tmp_path / "x.db",
        declared(folder, ["order", "spread", "stuck"]),
        environment={"GATE": str(tmp_path / "gate")},
    ) as client:
        yield client


Places = dict[str, dict[str, Any]]


def line_of(text: str) -> int:
    return 1 + next(number for number, line in enumerate(APP.splitlines()) if text in line)


def test_lines_positions_and_processes_are_told_with_the_execution(
    client: SessionClient, folder: Path
) -> None:
    client.start("order", "a")
    client.until_waiting("a")
    document = client.get(execution("a"))
    operations = {each["name"]: each["id"] for each in document["operations"]}
    [invocation] = document["invocations"]
    assert invocation["process"] > 0 and invocation["peak_kilobytes"] > 1_000
    assert invocation["init_milliseconds"] > 0
    lines = client.get(execution("a", "/logs"))["lines"]
    spoken = next(line for line in lines if line["text"] == "spoken: first")
    assert spoken["request_id"] == invocation["request_id"]
    assert (spoken["stream"], spoken["function_name"]) == ("stdout", "order")
    assert any(
        json.loads(line["text"]).get("message") == "begun" for line in lines if "{" in line["text"]
    )

    # Positions are sent beside the answers, so they may come a little later.
    def has_all(message: dict[str, Any]) -> bool:
        seen.update({each["operation_id"]: each for each in message["data"].get("places", ())})
        return len(seen) == 2

    seen: dict[str, Any] = {}
    client.until(execution("a", "/events"), has_all)
    place = seen[operations["speak"]]
    assert (place["file"], place["function"]) == (str(folder / "app.py"), "order")
    assert place["line"] == line_of("said = await ctx.step(speak, word)")


def placed(client: SessionClient, name: str, count: int, fits: Callable[[Places], bool]) -> Places:
    """Wait until so many operations have a place, and the places fit; return them by the names of operations."""
    seen: dict[str, Any] = {}
    names: dict[str, str] = {}

    def has_all(message: dict[str, Any]) -> bool:
        data = message["data"]
        names.update({each["id"]: each["name"] for each in data.get("operations", ())})
        seen.update({each["operation_id"]: each for each in data.get("places", ())})
        return len(seen) == count and fits({names.get(id_, ""): seen[id_] for id_ in seen})

    client.until(execution(name, "/events"), has_all)
    return {names[operation_id]: place for operation_id, place in seen.items()}


def test_the_starts_of_attempts_and_the_line_at_which_the_code_waits_are_told(
    client: SessionClient, folder: Path
) -> None:
    client.start("order", "a")
    client.until_waiting("a")
    places = placed(
        client,
        "a",
        2,
        lambda each: bool(each["approval"]["awaited_at"] and each["speak"]["starts"]),
    )
    assert places["approval"]["awaited_at"] == {
        "file": str(folder / "app.py"),
        "line": line_of('name="approval"'),
        "function": "order",
    }
    assert places["approval"]["starts"] == [] and places["speak"]["awaited_at"] is None
    [start] = places["speak"]["starts"]
    document = client.get(execution("a"))
    speak = next(each for each in document["operations"] if each["name"] == "speak")
    ended = datetime.fromisoformat(speak["end_timestamp"]).timestamp() * 1000
    began = datetime.fromisoformat(document["execution"]["start_timestamp"]).timestamp() * 1000
    assert began - 1 <= start <= ended + 1


def test_the_source_of_files_is_told_in_which_operations_were_called_and_of_no_other(
    client: SessionClient, folder: Path
) -> None:
    client.start("order", "a")
    client.until_waiting("a")
    placed(client, "a", 2, lambda _: True)
    file = str(folder / "app.py")
    source = client.get(execution("a", "/source"), file=file)
    assert source == {"file": file, "text": APP, "is_kept": False}
    (folder / "secret.txt").write_text("secret")
    for other in (
        str(folder / "helper.py"),
        str(folder / "secret.txt"),
        f"{folder}/../code/app.py",
        "app.py",
        "/etc/passwd",
    ):
        query = urlencode({"file": other})
        status, text = client.refused(execution("a", f"/source?{query}"))
        assert status == 404 and "No operation of" in text
    (folder / "app.py").unlink()
    query = urlencode({"file": file})
    status, text = client.refused(execution("a", f"/source?{query}"))
    assert status == 404 and "not there any more" in text


def test_lines_are_streamed_and_the_stream_is_resumed_after_them(client: SessionClient) -> None:
    client.start("order", "a")
    row = client.until_waiting("a")
    with client.stream(execution("a", "/events")) as messages:
        first = next(message for message in messages if message["event"] == "logs")
    texts = [line["text"] for line in first["data"]["lines"]]
    assert "spoken: first" in texts
    client.answer(row)
    rest = []
    with client.stream(execution("a", "/events"), Last_Event_ID=str(first["id"])) as messages:
        for message in messages:
            rest += message["data"].get("lines", ())
            if message["event"] == "changes":
                if message["data"]["execution"]["activity"] == "ended":
                    break
    assert not {line["text"] for line in rest} & {"spoken: first"}


def test_lines_are_read_in_pages_and_by_operation(client: SessionClient) -> None:
    client.start("order", "a")
    client.until_waiting("a")
    everything = client.get(execution("a", "/logs"))["lines"]
    first = client.get(execution("a", "/logs"), limit=1)
    assert first["lines"] == everything[:1]
    rest = client.get(execution("a", "/logs"), after=first["next"])
    assert (rest["lines"], rest["next"]) == (everything[1:], None)
    assert client.get(execution("a", "/logs"), operation="nope")["lines"] == []


def test_a_map_says_how_many_of_how_many(client: SessionClient) -> None:
    client.start("spread", "m")
    client.until_waiting("m")

    def has_total(message: dict[str, Any]) -> bool:
        progress = message["data"].get("operations", [{}])[0].get("progress") or {}
        return progress.get("total") == 5 and progress["succeeded"] == 2

    message = client.until(execution("m", "/events"), has_total)
    batch = message["data"]["operations"][0]
    assert batch["progress"]["started"] == 3 and batch["progress"]["failed"] == 0
    assert batch["progress"]["estimated_end_timestamp"] > batch["start_timestamp"]


def test_workers_are_told(client: SessionClient) -> None:
    number = client.get("/_durable/functions")["number"]
    client.start("stuck", "s")

    def is_busy(message: dict[str, Any]) -> bool:
        return message["event"] == "functions" and any(
            worker["durable_execution_arn"] is not None
            for function in message["data"]["functions"]
            for worker in function["workers"]
        )

    busy = client.until(f"/_durable/events?since={number}", is_busy)
    [function] = [f for f in busy["data"]["functions"] if f["function_name"] == "stuck"]
    [worker] = [each for each in function["workers"] if each["request_id"] is not None]
    assert "/s/" in worker["durable_execution_arn"] and worker["process"] > 0
    assert worker["version"] == "$LATEST"
    client.session.host.kill(worker["durable_execution_arn"])


def test_a_crash_kills_the_worker_and_the_execution_goes_on(client: SessionClient) -> None:
    client.start("stuck", "s")
    with client.stream(execution("s", "/events")) as messages:
        for message in messages:
            if any(line["text"] == "hanging" for line in message["data"].get("lines", ())):
                break
    [running] = client.get(execution("s"))["invocations"]
    client.post(execution("s", "/crash"))
    ended = client.until_activity("s", "ended")
    assert ended["status"] == "SUCCEEDED"
    first, *_ = client.get(execution("s"))["invocations"]
    assert first["request_id"] == running["request_id"]
    assert first["error"]["error_type"] == "Runtime.ExitError"


@pytest.mark.parametrize("kind", ["crash_before", "crash_after", "lose_response", "throttle"])
def test_a_fault_of_a_checkpoint_ends_with_the_same_result(
    client: SessionClient, kind: str
) -> None:
    arn = client.start("order", "a")
    row = client.until_waiting("a")
    client.post(execution("a", "/crash"), {"kind": kind, "operation": "again"})
    client.answer(row)
    assert client.until_activity("a", "ended")["status"] == "SUCCEEDED"
    result = client.get(execution(arn, "/payload"), kind="result")["payload"]
    assert json.loads(result) == ["first", "first"]
    failed = [each for each in client.get(execution(arn))["invocations"] if each["error"]]
    assert len(failed) == (1 if kind.startswith("crash") else 0)


def test_a_planned_fault_outlives_the_server_and_strikes_once(tmp_path: Path, folder: Path) -> None:
    store, kept = tmp_path / "x.db", tmp_path / "x.db.faults.json"
    fault = {"kind": "crash_before", "operation": "again"}
    with session_of(store, declared(folder, ["order"])) as client:
        arn = client.start("order", "a")
        client.until_waiting("a")
        client.post(execution("a", "/crash"), {"kind": "throttle", "operation": "again"})
        assert len(client.post(execution("a", "/crash"), fault)["planned"]) == 2
        over = client.start("order", "over")
        client.until_waiting("over")
        client.post(execution("over", "/crash"), fault)
        client.session.server.emulator.stop(over)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with session_of(store, declared(folder, ["order"])) as client:
        assert over not in kept.read_text()
        client.answer(client.until_waiting("a"))
        assert client.until_activity("a", "ended")["status"] == "SUCCEEDED"
        failed = [each for each in client.get(execution(arn))["invocations"] if each["error"]]
        assert len(failed) == 1
        assert not kept.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"arn": [{"kind": "flood"}]}'])
def test_a_file_of_faults_that_cannot_be_read_keeps_no_server_from_starting(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "x.db.faults.json").write_bytes(content)
    with session_of(tmp_path / "x.db", []) as client:
        assert client.get("/_durable/executions")["executions"] == []


def test_executions_stay_on_a_version_also_after_a_restart(tmp_path: Path, folder: Path) -> None:
    store = tmp_path / "x.db"
    with session_of(store, declared(folder, ["order"])) as client:
        published = client.post("/_durable/functions/order/versions", {"alias": "live"})
        assert (published["version"], published["alias"]) == ("1", "live")
        old = client.start("order", "old", qualifier="live")
        assert ":order:1/" in old
        client.until_waiting("old")
    (folder / "helper.py").write_text("word = 'second'\n")
    with session_of(store, declared(folder, ["order"])) as client:
        [function] = client.get("/_durable/functions")["functions"]
        assert (function["versions"], function["aliases"]) == (["1"], {"live": "1"})
        new = client.start("order", "new")
        assert ":order:$LATEST/" in new
        for name, said in (("old", ["first", "first"]), ("new", ["second", "second"])):
            client.answer(client.until_waiting(name))
            client.until_activity(name, "ended")
            result = client.get(execution(name, "/payload"), kind="result")["payload"]
            assert json.loads(result) == said
        again = client.post("/_durable/functions/order/versions")
        assert again["version"] == "2"
        back = client.post("/_durable/functions/order/versions", {"alias": "live", "version": "2"})
        assert back["version"] == "2"
        status, body = client.posted(
            "/_durable/functions/order/versions", b'{"alias": "live", "version": "9"}'
        )
        assert (status, "order has no version '9'; it has 1, 2, $LATEST" in body) == (400, True)
        status, body = client.posted("/_durable/functions/..%2F..%2Fx/versions", b"{}")
        assert (status, "there is no function '../../x'" in body) == (400, True)


PAGE = (Path(__file__).parents[2] / "docs" / "dev-api.md").read_text("utf-8")


def documented(part: str) -> list[str]:
    (line,) = re.findall(rf"^\| {part} \| (.*) \|$", PAGE, re.MULTILINE)
    return re.findall(r"`(\w+)`", line)


def test_the_page_lists_the_members_of_what_processes_tell(client: SessionClient) -> None:
    client.start("spread", "m")
    client.until_waiting("m")
    client.start("order", "a")
    client.until_waiting("a")
    message = client.until(execution("m", "/events"), lambda m: m["data"].get("places"))
    assert list(message["data"]["places"][0]) == documented("place")
    waits = placed(client, "a", 2, lambda each: bool(each["approval"]["awaited_at"]))
    assert list(waits["approval"]["awaited_at"]) == documented("source line")
    batch = client.get(execution("m"))["operations"][0]
    assert list(batch["progress"]) == documented("progress")
    assert list(client.get(execution("a", "/logs"))["lines"][0]) == documented("line")
    workers = client.get("/_durable/functions")["functions"][0]["workers"]
    assert list(workers[0]) == documented("worker")
