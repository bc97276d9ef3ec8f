from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from durable_execution_sdk.dev.discovery import discover
from durable_execution_sdk.dev.discovery.files import find_functions, named_function
from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.errors import ConfigError

pytestmark = pytest.mark.dev

APP = """
from durable_execution_sdk import DurableContext, durable_execution

print("noise at import")

@durable_execution
async def order(event: dict, ctx: DurableContext) -> None: ...

@durable_execution(max_threads=2)
async def refund(event: dict, ctx: DurableContext) -> None: ...

def plain(event, context): ...
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(found: Found) -> list[str]:
    return [declaration.name for declaration in found.declarations]


def test_the_handlers_of_a_file_are_found_without_importing_it_here(tmp_path: Path) -> None:
    file = write(tmp_path / "app.py", APP + "\nimport sys; sys.modules['imported_here'] = sys\n")
    found = find_functions([file])
    assert names(found) == ["order", "refund"]
    assert found.notices == []
    first = found.declarations[0]
    assert (first.runtime, first.root, first.handler) == (
        Runtime.PYTHON,
        str(tmp_path),
        "app.order",
    )
    assert first.durable
    assert "imported_here" not in sys.modules


def test_a_handler_whose_name_no_function_can_have_is_told_and_the_others_run(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "app.py", APP.replace("async def refund", "async def gr\u00f6\u00dfe"))
    found = find_functions([file])
    assert names(found) == ["order"]
    (notice,) = found.notices
    assert f"--function NAME={file}:gr\u00f6\u00dfe" in notice
    assert named_function(f"size={file}:gr\u00f6\u00dfe").name == "size"


def test_a_folder_is_searched_and_only_files_with_workflows_are_imported(tmp_path: Path) -> None:
    write(tmp_path / "flows" / "__init__.py", "")
    write(tmp_path / "flows" / "one.py", "from .deep import value\n" + APP)
    write(tmp_path / "flows" / "deep.py", "value = 1\n")
    write(tmp_path / "imports.py", "from flows.one import order\nraise SystemExit('imported')\n")
    write(tmp_path / "broken.py", "durable_execution (\n")
    for ignored in (".hidden", "node_modules", "venv"):
        write(tmp_path / ignored / "app.py", APP)
    write(tmp_path / "venv" / "pyvenv.cfg", "")
    found = find_functions([tmp_path])
    assert names(found) == ["order", "refund"]
    assert found.declarations[0].root == str(tmp_path)
    assert found.declarations[0].handler == "flows/one.order"


def test_functions_of_one_name_get_that_of_their_file(tmp_path: Path) -> None:
    write(tmp_path / "a.py", APP)
    write(tmp_path / "b.py", APP.replace("refund", "cancel"))
    assert names(find_functions([tmp_path])) == ["a_order", "refund", "b_order", "cancel"]


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a" / "app.py", APP)
    write(tmp_path / "b" / "app.py", APP)
    found = find_functions([tmp_path])
    assert names(found) == ["app_order", "app_refund"]
    assert len(found.notices) == 2
    assert "two functions are called app_order" in found.notices[0]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise KeyError('at import')", "KeyError: 'at import'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os.write(2, b'gone'); os._exit(1)", "gone"),
        ("def f(:", "SyntaxError"),
    ],
)
def test_an_import_that_fails_is_told_with_its_traceback(
    tmp_path: Path, code: str, reason: str
) -> None:
    file = write(tmp_path / "app.py", code)
    found = find_functions([file])
    assert found.declarations == []
    assert f"{file} cannot be imported" in found.notices[0]
    assert reason in found.notices[0]


def test_exports_of_javascript_are_found(tmp_path: Path) -> None:
    write(
        tmp_path / "app.mjs",
        "import { withDurableExecution } from 'x';\n"
        "export const order = withDurableExecution(async () => {});\nexport const other = 1;\n",
    )
    write(tmp_path / "old.js", "exports.refund = sdk.withDurableExecution(async () => {});\n")
    found = find_functions([tmp_path])
    assert [(each.name, each.runtime, each.handler) for each in found.declarations] == [
        ("order", Runtime.NODE, "app.order"),
        ("refund", Runtime.NODE, "old.refund"),
    ]


def test_a_function_is_named_by_the_user(tmp_path: Path) -> None:
    file = write(tmp_path / "app.py", APP)
    plain = named_function(f"mine={file}:plain")
    assert (plain.name, plain.handler, plain.durable) == ("mine", "app.plain", False)
    assert named_function(f"mine={file}:order").durable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "NAME=FILE:ATTRIBUTE"),
        ("x=app.py", "NAME=FILE:ATTRIBUTE"),
        ("x=none.py:f", "there is no file none.py"),
        ("x={file}:nothing", "has no function nothing"),
    ],
)
def test_a_wrong_name_is_refused_in_words(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path / "app.py", APP)
    with pytest.raises(ConfigError, match=message):
        named_function(text.replace("{file}", str(file)))


def test_the_handler_of_a_file_is_refused_with_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "app.py", APP)
    with pytest.raises(ConfigError, match=rf"there is no file {file}:order: give the file alone"):
        find_functions([Path(f"{file}:order")])


def test_a_file_of_another_language_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "app.rb", "")
    with pytest.raises(ConfigError, match="neither a Python file nor a JavaScript one"):
        find_functions([file])


def test_the_script_prints_nothing_but_its_document(tmp_path: Path) -> None:
    file = write(tmp_path / "app.py", APP)
    done = subprocess.run(
        [sys.executable, "-P", discover.__file__, file.parent, "app", "plain"],
        capture_output=True,
        check=True,
    )
    assert [
        (each["attribute"], each["durable"]) for each in json.loads(done.stdout)["handlers"]
    ] == [
        ("order", True),
        ("refund", True),
        ("plain", False),
    ]
    assert b"noise at import" in done.stderr


def test_a_declaration_without_code_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no command"):
        Declaration(name="f", runtime=Runtime.COMMAND, root=".")
    with pytest.raises(ConfigError, match="is MODULE"):
        Declaration(name="f", runtime=Runtime.PYTHON, root=".", handler="app")
    with pytest.raises(ConfigError, match="more than 0"):
        Declaration(name="f", runtime=Runtime.PYTHON, root=".", handler="a.b", timeout=0)
