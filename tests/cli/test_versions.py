"""``durable versions`` over a server: counts, waits, replay and verdicts of each version."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.cli.command import CommandOutput, Durable, Write
from tests.cli.remote_shop import CODE, RemoteShop

from durable_execution_sdk.cli.remote.versions import OpenVersion
from durable_execution_sdk.emulator.functions.catalog import Catalog
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import ExecutionSummary, PauseRequest
from durable_execution_sdk.protocol.functions import AliasPage, AliasRouting
from durable_execution_sdk.server import routes


def by_version(output: CommandOutput) -> dict[str, Any]:
    return {each["version"]: each for each in output.document["versions"]}


@pytest.fixture
def at(remote_shop: RemoteShop) -> tuple[str, str]:
    """Leave executions: two open on version 1, one ended on 2, one open on 3, one on $LATEST."""
    # The clock goes on until this one has ended, so the others begin after it.
    remote_shop.start({}, "third", "2", until_end=True)
    remote_shop.start({}, "first", "1")
    remote_shop.start({"ask": True}, "second", "1")
    remote_shop.start({"ask": True}, "fourth", "3")
    remote_shop.start({"ask": True}, "fifth")
    return "--endpoint", remote_shop.url


def test_each_version_says_what_is_open_what_it_waits_for_and_whether_it_can_go(
    durable: Durable, at: tuple[str, str]
) -> None:
    output = durable("versions", "workflow", *at, "--json")
    assert output.code == 0, output.err
    found = by_version(output)
    assert [*found] == ["$LATEST", "3", "2", "1"]
    assert {
        key: (each["open_executions"], each["aliases"], each["verdict"])
        for key, each in found.items()
    } == {
        "$LATEST": (1, [], "always there"),
        "3": (1, ["live"], "needed by an alias"),
        "2": (0, [], "can go"),
        "1": (2, [], "needed by its executions"),
    }
    assert found["1"]["oldest"]["durable_execution_name"] == "first"
    assert sorted(
        (each["waits_for"], each["name"], each["executions"]) for each in found["1"]["waits"]
    ) == [
        ("answer", "approve", 1),
        ("time", "pause", 1),
    ]
    assert found["2"]["oldest"] is None
    assert found["1"]["replayed"] is None


@pytest.mark.parametrize(("name", "fits"), [("charge", True), ("pay", False)])
def test_the_code_at_hand_decides_if_executions_can_be_moved(
    name: str, fits: bool, durable: Durable, at: tuple[str, str], write: Write, place: Path
) -> None:
    file = write(CODE.format(name))
    output = durable("versions", "workflow", file, *at, "--json")
    assert output.code == (0 if fits else 1)
    found = by_version(output)
    assert (found["1"]["sample"], found["1"]["replayed"]) == (2, 2 if fits else 0)
    assert found["1"]["verdict"] == (
        "can go once its executions are forked" if fits else "needed by its executions"
    )
    assert [each["ok"] for each in found["1"]["reports"]] == [fits, fits]
    table = durable("versions", "workflow", file, *at)
    row = next(line for line in table.out.splitlines() if line.startswith("1 "))
    assert ("2 of 2" if fits else "0 of 2") in row
    assert table.out.count("replay found another operation") == (0 if fits else 1)
    assert table.out.count("It is the same in 3 more: ") == (0 if fits else 1)
    assert not [*place.glob("*.json")]


@pytest.mark.parametrize(
    ("function", "versions", "code"),
    [
        ("workflow:1", ["1"], 1),
        ("workflow:2", ["2"], 0),
        ("workflow:3", ["3"], 1),
        ("workflow:live", ["3"], 1),
        ("workflow:$LATEST", ["$LATEST"], 0),
    ],
)
def test_the_exit_code_says_if_a_version_that_is_named_can_go(
    function: str, versions: list[str], code: int, durable: Durable, at: tuple[str, str]
) -> None:
    output = durable("versions", function, *at, "--json")
    assert ([*by_version(output)], output.code) == (versions, code)


def test_a_version_whose_executions_are_still_to_be_forked_cannot_go_yet(
    durable: Durable, at: tuple[str, str], write: Write, remote_shop: RemoteShop
) -> None:
    file = write(CODE.format("charge"))
    before = durable("versions", "workflow:1", file, *at, "--json")
    assert by_version(before)["1"]["verdict"] == "can go once its executions are forked"
    assert before.code == 1
    ended = durable("versions", "workflow:2", file, *at, "--json")
    assert (by_version(ended)["2"]["verdict"], ended.code) == ("can go", 0)


@pytest.mark.parametrize("kind", ["patch", "child"])
def test_what_was_recorded_by_its_end_alone_does_not_hold_up_the_table(
    kind: str, durable: Durable, remote_shop: RemoteShop
) -> None:
    remote_shop.start({kind: True}, "one", "1")
    output = durable("versions", "workflow:1", "--endpoint", remote_shop.url, "--json")
    assert output.code == 1, output.err
    assert by_version(output)["1"]["waits"] == [
        {"waits_for": "time", "name": "pause", "executions": 1}
    ]


def test_a_wait_for_a_callback_has_the_name_that_commands_take(
    durable: Durable, remote_shop: RemoteShop
) -> None:
    remote_shop.start({"submit": True}, "one", "1")
    at = ("--endpoint", remote_shop.url)
    assert by_version(durable("versions", "workflow", *at, "--json"))["1"]["waits"] == [
        {"waits_for": "answer", "name": "approve", "executions": 1}
    ]
    assert "1 for an answer (approve)" in durable("versions", "workflow", *at).out


def test_code_that_ends_its_process_needs_the_version(
    durable: Durable, at: tuple[str, str], write: Write
) -> None:
    file = write(CODE.format("charge").replace("print(", "os._exit(0); print("))
    output = durable("versions", "workflow:1", file, *at, "--json")
    assert output.code == 1
    found = by_version(output)["1"]
    assert ["ended (exit code 0)" in each for each in found["faults"]] == [True, True]
    assert found["verdict"] == "needed by its executions"


def test_a_paused_execution_needs_its_version(durable: Durable, remote_shop: RemoteShop) -> None:
    arn = remote_shop.start({}, "one", "2")
    remote_shop.rig.emulator.pause(arn, PauseRequest())
    output = durable("versions", "workflow:2", "--endpoint", remote_shop.url, "--json")
    assert output.code == 1
    found = by_version(output)["2"]
    assert (found["open_executions"], found["waits"]) == (
        1,
        [{"waits_for": "paused", "name": None, "executions": 1}],
    )


def test_the_size_of_the_sample_is_said(durable: Durable, remote_shop: RemoteShop) -> None:
    for n in range(7):
        remote_shop.start({}, f"order-{n}", "1")
    at = ("--endpoint", remote_shop.url, "--sample", "3")
    found = by_version(durable("versions", "workflow", *at, "--json"))["1"]
    assert (found["open_executions"], found["sample"]) == (7, 3)
    assert "3 for time (pause) (of 3)" in durable("versions", "workflow", *at).out


def test_an_endpoint_that_does_not_list_versions_tells_those_of_open_executions(
    durable: Durable, at: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [
        each
        for each in routes.ROUTES
        if each.operation not in {"ListVersionsByFunction", "ListAliases"}
    ]
    monkeypatch.setattr(routes, "ROUTES", tuple(left))
    output = durable("versions", "workflow", *at, "--json")
    assert output.code == 0, output.err
    assert {key: each["verdict"] for key, each in by_version(output).items()} == {
        "$LATEST": "always there",
        "3": "needed by its executions",
        "1": "needed by its executions",
    }
    assert len(output.document["notes"]) == 2
    named = durable("versions", "workflow:2", *at, "--json")
    assert (named.code, by_version(named)["2"]["verdict"]) == (0, "can go")


def test_histories_that_cannot_be_read_are_told_beside_the_counts(
    durable: Durable, at: tuple[str, str], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = control_plane_codec.encode_history_page
    monkeypatch.setattr(
        control_plane_codec,
        "encode_history_page",
        lambda page: encode(page).replace(b'"EventTimestamp"', b'"Left"'),
    )
    output = durable("versions", "workflow:1", write(CODE.format("charge")), *at, "--json")
    assert output.code == 1
    found = by_version(output)["1"]
    assert (found["open_executions"], found["replayed"], found["waits"]) == (2, None, [])
    assert ["EventTimestamp" in each for each in found["faults"]] == [True, True]


def test_all_pages_of_versions_and_aliases_are_read(
    durable: Durable, remote_shop: RemoteShop
) -> None:
    functions = remote_shop.rig.emulator.functions
    function = functions.get("workflow")
    assert function is not None
    for n in range(4, 121):
        functions.add_version(str(n), function)
        functions.add_alias("workflow", f"alias-{n:03}", str(n))
    found = by_version(durable("versions", "workflow", "--endpoint", remote_shop.url, "--json"))
    assert [*found] == ["$LATEST", *(str(n) for n in range(120, 0, -1))]
    assert [found[str(n)]["aliases"] for n in range(4, 121)] == [
        [f"alias-{n:03}"] for n in range(4, 121)
    ]


def test_an_alias_that_shares_its_calls_needs_both_versions(
    durable: Durable, remote_shop: RemoteShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Catalog.aliases

    def aliases(self: Catalog, name: str, **options: Any) -> AliasPage:
        page = whole(self, name, **options)
        shared = AliasRouting(additional_version_weights={"2": 0.1})
        return AliasPage(aliases=[replace(each, routing_config=shared) for each in page.aliases])

    monkeypatch.setattr(Catalog, "aliases", aliases)
    found = by_version(durable("versions", "workflow", "--endpoint", remote_shop.url, "--json"))
    assert {key: each["aliases"] for key, each in found.items()} == {
        "$LATEST": [],
        "3": ["live"],
        "2": ["live"],
        "1": [],
    }
    assert durable("versions", "workflow:2", "--endpoint", remote_shop.url).code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "there is no function nothing at http://127.0.0.1"),
        (["workflow:9"], "there is no function workflow:9 at http://127.0.0.1"),
        (["greet"], "greet is no durable function"),
        (["workflow", "none.py"], "there is no file none.py"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], said: str, durable: Durable, at: tuple[str, str]
) -> None:
    output = durable("versions", *words, *at)
    assert (output.code, output.out) == (2, "")
    assert said in output.err


@pytest.mark.parametrize("most", [1, 2, 3, 20])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 40, 41, 1_000])
def test_a_sample_has_the_oldest_and_is_spread(count: int, most: int) -> None:
    version = OpenVersion("1", most)
    executions = [
        ExecutionSummary(
            durable_execution_arn=f"arn-{n}",
            durable_execution_name=f"n-{n}",
            function_arn="f",
            status="RUNNING",
            start_timestamp=1_000_000 - n,
        )
        for n in range(count)
    ]
    for execution in executions:
        version.take(execution)
    places = [executions.index(each) for each in version.sample]
    assert len(places) == len(set(places)) == min(count, most)
    assert version.count == count
    if count:
        assert places[-1] == count - 1
    if most == 20 and count == 1_000:
        assert max(b - a for a, b in pairwise(places)) < 4 * count / most
