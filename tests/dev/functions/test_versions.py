from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.dev.dev_rig import DevRig

from durable_execution_sdk.dev.functions import versions as versions_module
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.dev.functions.versions import Versions, versions_path
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.errors import ConfigError

pytestmark = pytest.mark.dev

PLAIN = "from helper import word\n\ndef handler(event, context):\n    return word\n"
WAITS = """
from durable_execution_sdk import DurableContext, durable_execution
from helper import word

@durable_execution
async def handler(event: None, ctx: DurableContext) -> str:
    callback = await ctx.create_callback(name="go")
    await callback
    return await ctx.step(lambda: word, name="say")
"""


@pytest.fixture
def versions(rig: DevRig, tmp_path: Path) -> Versions:
    rig.folder = tmp_path / "project"
    rig.write("helper.py", "word = 'first'\n")
    return Versions(tmp_path / "versions", rig.host, rig.functions)


def change(rig: DevRig, declared: Declaration, word: str) -> None:
    rig.write("helper.py", f"word = {word!r}\n")
    rig.host.add(declared)


def test_a_version_keeps_its_sources(rig: DevRig, versions: Versions) -> None:
    declared = rig.add_plain("say", PLAIN)
    assert versions.publish("say") == "1"
    change(rig, declared, "second")
    assert rig.invoke("say") == ("second", None)
    assert rig.invoke("say:1") == ("first", None)
    assert versions.publish("say") == "2"
    assert rig.invoke("say:2") == ("second", None)
    assert rig.functions.versions("say") == ["1", "2"]


def test_a_version_of_unchanged_code_is_the_last_one(rig: DevRig, versions: Versions) -> None:
    declared = rig.add_plain("say", PLAIN)
    assert versions.publish("say") == versions.publish("say") == "1"
    change(rig, declared, "second")
    assert versions.publish("say") == "2"


def test_a_store_in_the_folder_of_the_code_is_no_source(rig: DevRig, tmp_path: Path) -> None:
    folder = rig.folder = tmp_path / "project"
    rig.write("helper.py", "word = 'first'\n")
    rig.add_plain("say", PLAIN)
    store = folder / "mine.db"
    with closing(SqliteStore(store)):
        store.with_name("mine.db.leases").mkdir(exist_ok=True)
        versions = Versions(versions_path(store), rig.host, rig.functions)
        for name in ("mine.db.logs", "mine.db-other", "mine.db.server.json"):
            for text in ("one", "another"):
                (folder / name).write_text(text)
                assert versions.publish("say") == "1"
        copied = folder / "mine.db.versions" / "say" / "1" / "code"
        assert sorted(path.name for path in copied.iterdir()) == ["helper.py", "say.py"]
        (folder / "mine.dbase.py").write_text("a source like any other\n")
        assert versions.publish("say") == "2"


def test_executions_go_on_with_their_version(rig: DevRig, versions: Versions) -> None:
    declared = rig.add("wait", WAITS)
    versions.publish("wait")
    response = rig.client.invoke(
        FunctionName="wait:1", InvocationType="Event", Payload=json.dumps(None).encode()
    )
    arn = response["DurableExecutionArn"]
    assert ":wait:1/" in arn
    rig.records.wait_for(lambda record: getattr(record, "ended_at", None))
    change(rig, declared, "second")
    (callback,) = [each for each in rig.emulator.operations(arn) if each.name == "go"]
    assert callback.callback_details is not None
    callback_id = callback.callback_details.callback_id
    rig.client.send_durable_execution_callback_success(CallbackId=callback_id, Result=b"1")
    assert rig.finish(arn).result == '"first"'


def test_versions_and_aliases_are_there_after_a_restart(
    rig: DevRig, versions: Versions, tmp_path: Path
) -> None:
    declared = rig.add_plain("say", PLAIN)
    versions.publish("say")
    versions.set_alias("say", "live", "1")
    change(rig, declared, "second")
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    with DevRig(other_folder) as restarted:
        Versions(tmp_path / "versions", restarted.host, restarted.functions).restore()
        restarted.host.add(declared)
        assert restarted.invoke("say:live") == ("first", None)
        assert restarted.invoke("say") == ("second", None)


def test_sources_that_cannot_be_read_are_told(
    rig: DevRig, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.add_plain("say", PLAIN)

    def gone(_file: Path) -> bytes:
        raise FileNotFoundError(2, "No such file", "helper.py")

    monkeypatch.setattr(Path, "read_bytes", gone)
    with pytest.raises(ConfigError, match=r"the sources of say cannot be copied: .*helper\.py"):
        versions.publish("say")


def test_what_cannot_be_published_is_told(
    rig: DevRig, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.add_plain("say", PLAIN)
    with pytest.raises(ConfigError, match="there is no function 'nothing'; there are say"):
        versions.publish("nothing")
    with pytest.raises(ConfigError, match="say has no version '7'; it has"):
        versions.set_alias("say", "live", "7")
    monkeypatch.setattr(versions_module, "MOST_BYTES", 10)
    with pytest.raises(ConfigError, match="the sources of say in"):
        versions.publish("say")
    assert rig.functions.versions("say") == []


def test_paths_of_a_command_below_the_sources_are_those_of_the_copy(
    rig: DevRig, versions: Versions, tmp_path: Path
) -> None:
    program = rig.write("run.sh", "#!/bin/sh\n")
    rig.write(".hidden/secret", "")
    rig.write("venv/pyvenv.cfg", "")
    rig.write("node_modules/x/index.js", "")
    rig.host.add(
        Declaration(
            name="native",
            runtime=Runtime.COMMAND,
            root=str(rig.folder),
            command=("/bin/sh", str(program)),
        )
    )
    versions.publish("native")
    kept = rig.host.declaration("native", "1")
    code = tmp_path / "versions" / "native" / "1" / "code"
    assert kept is not None
    assert kept.command == ("/bin/sh", str(code / "run.sh"))
    assert sorted(path.name for path in code.iterdir()) == ["helper.py", "node_modules", "run.sh"]
    assert (code / "node_modules").is_symlink()
