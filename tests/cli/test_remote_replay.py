"""``durable replay --function``: histories are fetched from a server over HTTP, and rehearsed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.cli.command import Durable, Write
from tests.cli.remote_shop import CODE, RemoteShop

from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest


def test_the_code_at_hand_replays_what_runs_at_the_endpoint(
    durable: Durable, remote_shop: RemoteShop, write: Write, place: Path
) -> None:
    remote_shop.start({}, "one")
    ended = remote_shop.start({}, "two", "2", until_end=True)
    same, at = write(CODE.format("charge"), "same.py"), ("--endpoint", remote_shop.url)
    output = durable("replay", same, "--function", "workflow", *at)
    assert output.code == 0, output.err
    assert "2 executions of workflow\n" in output.err
    assert output.out.count("workflow replays its history") == 2
    closed = ("--status", "succeeded", "--json")
    document = durable("replay", same, "--function", "workflow", *closed, *at).document
    assert [(each["history"], each["ok"]) for each in document] == [(ended, True)]
    told = durable("replay", same, "--function", "workflow", *closed[:2], *at)
    assert "1 execution of workflow that is SUCCEEDED" in told.err
    assert not [*place.glob("*.json")]


@pytest.mark.parametrize(
    ("function", "found"),
    [("workflow:2", ["two"]), ("workflow:live", ["three"]), ("workflow", ["one", "three", "two"])],
)
def test_a_qualifier_chooses_and_divergences_are_told_and_can_be_replayed_from_files(
    function: str,
    found: list[str],
    durable: Durable,
    remote_shop: RemoteShop,
    write: Write,
    place: Path,
) -> None:
    for name, version in (("one", "$LATEST"), ("two", "2"), ("three", "3")):
        remote_shop.start({}, name, version)
    other = write(CODE.format("pay"), "other.py")
    at = ("--endpoint", remote_shop.url, "--save", "kept/histories")
    output = durable("replay", other, "--function", function, *at)
    assert output.code == 1
    files = sorted(place.glob("kept/histories/*.json"))
    assert [path.name.partition("-")[0] for path in files] == found
    assert output.out.count("replay found another operation in invocation 1") == 1
    assert output.out.count("code:     step 'pay' (another name)") == 1
    assert all(output.out.count(str(path.relative_to(place))) == 1 for path in files)
    if len(found) > 1:
        assert f"It is the same in {len(found) - 1} more: " in output.out
        assert f"0 of {len(found)} histories are replayed" in output.err
    names = [str(path.relative_to(place)) for path in files]
    offline = durable("replay", other, *names)
    assert offline.code == 1
    assert len(offline.out.splitlines()) == len(output.out.splitlines())
    assert durable("replay", write(CODE.format("charge"), "same.py"), *names).code == 0


def test_the_newest_are_replayed(durable: Durable, remote_shop: RemoteShop, write: Write) -> None:
    arns = [remote_shop.start({}, f"order-{n}") for n in range(4)]
    output = durable(
        *("replay", write(CODE.format("charge")), "--function", "workflow", "--last", "2"),
        *("--endpoint", remote_shop.url, "--json"),
    )
    assert [each["history"] for each in output.document] == [arns[3], arns[2]]


def test_many_are_replayed_by_several_processes_whose_output_stays_out_of_the_document(
    durable: Durable, remote_shop: RemoteShop, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    arns = [remote_shop.start({}, f"order-{n}") for n in range(8)]
    output = durable(
        *("replay", write(CODE.format("pay")), "--function", "workflow"),
        *("--endpoint", remote_shop.url, "--json"),
    )
    assert output.code == 1
    assert [each["history"] for each in output.document] == arns[::-1]
    assert {each["divergence"]["actual"] for each in output.document} == {
        "step 'pay' (another name)"
    }
    printed = set(re.findall(r"running in (\d+)", output.err))
    assert printed
    assert str(os.getpid()) not in printed


def test_a_process_that_ends_is_told(
    durable: Durable, remote_shop: RemoteShop, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    for n in range(8):
        remote_shop.start({}, f"order-{n}")
    file = write(CODE.format("charge").replace("print(", "os._exit(3); print("))
    output = durable("replay", file, "--function", "workflow", "--endpoint", remote_shop.url)
    assert output.code == 2
    assert output.err.count("replayed it with app.py ended (exit code 3)") == 8


def test_histories_that_are_cut_off_are_told_and_the_others_are_replayed(
    durable: Durable, remote_shop: RemoteShop, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote_shop.start({}, "one")
    cut = remote_shop.start({}, "two")
    emulator = remote_shop.rig.emulator
    whole = emulator.history

    # A service that does not show the data of one execution.
    def history(request: HistoryRequest) -> HistoryPage:
        page = whole(request)
        if request.durable_execution_arn != cut:
            return page
        return whole(replace(request, include_execution_data=False))

    monkeypatch.setattr(emulator, "history", history)
    at = ("--endpoint", remote_shop.url)
    output = durable("replay", write(CODE.format("charge")), "--function", "workflow", *at)
    assert output.code == 2
    assert output.out.count("workflow replays its history") == 1
    told = next(line for line in output.err.splitlines() if "cannot be replayed" in line)
    assert told.startswith(f"{cut}: cannot be replayed: {cut}")
    assert "IncludeExecutionData=true" in told


def test_no_executions_are_told_and_no_failure(
    durable: Durable, remote_shop: RemoteShop, write: Write
) -> None:
    at = ("--function", "workflow", "--status", "FAILED", "--endpoint", remote_shop.url)
    output = durable("replay", write(CODE.format("charge")), *at)
    assert (output.code, output.out) == (0, "")
    assert "workflow has no executions that are FAILED: there is nothing to replay" in output.err
    for qualifier in ("1", "live", "$LATEST"):
        named = durable("replay", "app.py", "--function", f"workflow:{qualifier}", *at[2:])
        assert (named.code, named.out) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--function", "nothing"], "there is no function nothing at http://127.0.0.1"),
        (["--function", "workflow:77"], "there is no function workflow:77 at http://127.0.0.1"),
        (["--function", "workflow:liv"], "there is no function workflow:liv at http://127.0.0.1"),
        (["--function", "workflow:"], "names no function"),
        (["--function", "workflow", "--arn", "x"], "leave out --function, or the files and --arn"),
        (["--function", "workflow", "x.json"], "leave out --function, or the files and --arn"),
        (["x.json", "--last", "3"], "add --function NAME[:QUALIFIER]"),
        (["--function", "workflow", "--save", "app.py"], "cannot make the directory"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], said: str, durable: Durable, remote_shop: RemoteShop, write: Write
) -> None:
    remote_shop.start({}, "one")
    output = durable(
        *("replay", write(CODE.format("charge")), *words, "--endpoint", remote_shop.url)
    )
    assert (output.code, output.out) == (2, "")
    assert said in output.err


def test_an_endpoint_without_credentials_or_an_answer_is_told(
    durable: Durable, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, none = write(CODE.format("charge")), ("--region", "eu-west-1", "--profile", "nobody")
    output = durable("replay", file, "--function", "workflow", *none)
    assert output.code == 2
    assert "nobody" in output.err
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "none")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    without = durable("replay", file, "--function", "workflow", "--region", "eu-west-1")
    assert without.code == 2
    assert "no AWS credentials" in without.err
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    nowhere = durable("replay", file, "--function", "workflow")
    assert nowhere.code == 2
    assert "workflow is read at an endpoint of Lambda's API, but: no AWS region" in nowhere.err
    closed = durable("replay", file, "--function", "workflow", "--endpoint", "http://127.0.0.1:1")
    assert closed.code == 2
    assert "http://127.0.0.1:1 does not answer" in closed.err


def test_saved_histories_have_the_form_of_the_service(
    durable: Durable, remote_shop: RemoteShop, write: Write, place: Path
) -> None:
    arn = remote_shop.start({}, "one")
    at = ("--function", "workflow", "--endpoint", remote_shop.url, "--save", "kept")
    assert durable("replay", write(CODE.format("charge")), *at).code == 0
    (path,) = place.glob("kept/*.json")
    document = json.loads(path.read_text())
    assert document["DurableExecutionArn"] == arn
    assert document["Events"][0]["EventType"] == "ExecutionStarted"
