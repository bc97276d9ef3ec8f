"""The commands and the workflow on the page about changing code are such as `durable` and GitHub Actions take."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml
from tests.cli.remote_shop import RemoteShop
from tests.docs.command_lines import parsed
from tests.docs.tables import DOCS

from durable_execution_sdk.cli.main import durable
from durable_execution_sdk.cli.remote.versions import Verdict
from durable_execution_sdk.server.http_server import serve

TEXT = (DOCS / "changing-code.md").read_text(encoding="utf-8")
(YAML,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
WORKFLOW: dict[Any, Any] = yaml.safe_load(YAML)
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["replay"]["steps"]


def lines_of_shells() -> list[str]:
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL))
    return [line for line in blocks.splitlines() if line.startswith("durable ")]


IN_WORKFLOW = [
    step["run"].replace("\\\n", " ") for step in STEPS if step.get("run", "").startswith("durable ")
]


def test_there_are_commands() -> None:
    assert len(lines_of_shells()) == 8
    assert len(IN_WORKFLOW) == 2


@pytest.mark.parametrize("line", [*lines_of_shells(), *IN_WORKFLOW])
def test_a_command_has_the_options_that_the_page_gives_it(line: str) -> None:
    with parsed(line) as context:
        assert context.params


def test_the_workflow_has_the_keys_of_one() -> None:
    # YAML 1.1 reads the key "on" as true.
    assert set(WORKFLOW) == {"name", True, "permissions", "jobs"}
    assert WORKFLOW["permissions"] == {"contents": "read", "id-token": "write"}
    for step in STEPS:
        assert len(step.keys() & {"uses", "run"}) == 1
        assert set(step) <= {"uses", "run", "with"}
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])


def test_the_workflow_only_runs_code_of_this_repository() -> None:
    assert "head.repo.full_name == github.repository" in WORKFLOW["jobs"]["replay"]["if"]


def test_the_verdicts_are_those_of_the_command() -> None:
    section = TEXT.partition("| verdict | meaning |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([a-z][^|]+) \|", section, re.MULTILINE) == [
        Verdict.CAN_GO,
        Verdict.CAN_GO_FORKED,
        Verdict.NEEDED,
        Verdict.ALIASED,
        Verdict.LATEST,
    ]


def test_the_commands_of_the_workflow_end_well_for_code_that_fits(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Run them over a server, whose function has another name."""
    shop = RemoteShop()
    shop.start({"ask": True}, "one")
    (tmp_path / "app.py").write_text(
        "from tests.cli.remote_shop import workflow as order\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    # The command runs the code in a process of its own.
    monkeypatch.setenv("PYTHONPATH", str(DOCS.parent))
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with serve(shop.rig.driver, workers=0) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        for line in IN_WORKFLOW:
            _, *words = shlex.split(line.replace("shop", "workflow"))
            assert durable.main(words, standalone_mode=False) == 0, capfd.readouterr().err
    out = capfd.readouterr().out
    assert "workflow replays its history" in out
    assert "1 of 1" in out
