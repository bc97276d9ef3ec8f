"""No Python block of a page is left out by the tests: each page with one has a test that runs it."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore import xform_name
from botocore.validate import ParamValidator
from tests.docs import test_examples_run
from tests.docs.aws_command_lines import SESSION
from tests.docs.page_modules import module_of
from tests.docs.tables import DOCS

ROOT = DOCS.parent
# Pages that other tests run: as files of a project, with stubs, or by a linter, for instance.
RUN_BY = {
    "README.md": "tests/examples/test_readme.py",
    "docs/agents.md": "tests/docs/test_agents_page.py",
    "docs/agents-langchain.md": "tests/docs/test_agents_page.py",
    "docs/agents-strands.md": "tests/docs/test_agents_page.py",
    "docs/changing-code.md": "tests/docs/test_changing_code_page.py",
    "docs/continue-as-new.md": "tests/docs/test_continue_as_new_page.py",
    "docs/deploy.md": "tests/docs/test_deploy_page.py",
    "docs/determinism.md": "tests/lint/test_check.py",
    "docs/dev-api.md": "tests/docs/test_every_snippet.py",
    "docs/dev.md": "tests/dev/test_command.py",
    "docs/fork.md": "tests/docs/test_every_snippet.py",
    "docs/powertools.md": "tests/powertools/page.py",
    "docs/mistakes.md": "tests/docs/test_mistakes_page.py",
    "docs/proofs.md": "tests/docs/test_proofs_page.py",
    "docs/quick-start.md": "tests/docs/test_quick_start_page.py",
    "docs/testing.md": "tests/docs/test_testing_page.py",
    "docs/values.md": "tests/docs/test_values_page.py",
    "docs/waiting-and-people.md": "tests/docs/test_waiting_page.py",
    "src/durable_execution_sdk/AGENTS.md": "tests/site/test_assistants.py",
}


def pages_with_python() -> set[str]:
    pages = [
        ROOT / "README.md",
        ROOT / "src" / "durable_execution_sdk" / "AGENTS.md",
        *DOCS.rglob("*.md"),
    ]
    return {
        page.relative_to(ROOT).as_posix()
        for page in pages
        if re.search(r"^ *```(?:python|py)\b", page.read_text("utf-8"), re.MULTILINE)
    }


def test_each_page_with_python_has_a_test_that_runs_it() -> None:
    run = {f"docs/{page}" for page in test_examples_run.PAGES}
    left_out = pages_with_python() - run - RUN_BY.keys()
    assert not left_out, (
        "add them to PAGES of test_examples_run.py, or run them elsewhere and say so in RUN_BY"
    )
    assert not RUN_BY.keys() - pages_with_python()


@pytest.mark.parametrize("page", RUN_BY)
def test_the_test_that_runs_a_page_names_it(page: str) -> None:
    name = page.rpartition("/")[2]
    assert re.search(rf'["/]{name}"', (ROOT / RUN_BY[page]).read_text("utf-8"))


def test_the_call_of_the_page_about_the_api_fits_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Run docs/dev-api.md with a client that looks at the parameters."""
    service = SESSION.get_service_model("lambda")
    calls: list[str] = []

    class Client:
        def __getattr__(self, name: str) -> Any:
            [operation] = [each for each in service.operation_names if xform_name(each) == name]
            shape = service.operation_model(operation).input_shape

            def call(**parameters: Any) -> None:
                report = ParamValidator().validate(parameters, shape)
                assert not report.has_errors(), report.generate_report()
                calls.append(operation)

            return call

    boto3: Any = ModuleType("boto3")
    boto3.client = lambda name: {"lambda": Client()}[name]
    monkeypatch.setitem(sys.modules, "boto3", boto3)
    text = (DOCS / "dev-api.md").read_text("utf-8")
    [block] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(block, vars(SimpleNamespace(callback_id="abc")))
    assert calls == ["SendDurableExecutionCallbackSuccess"]


def test_the_call_of_the_page_about_forks_fits_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = module_of("fork.md", monkeypatch)
    signature = inspect.signature(module.fork)
    bound: list[dict[str, Any]] = []

    async def fork(*args: Any, **options: Any) -> str:
        bound.append(signature.bind(*args, **options).arguments)
        return "arn:new"

    monkeypatch.setattr(module, "default_control_plane", lambda: "a control plane")
    monkeypatch.setattr(module, "fork", fork)
    assert asyncio.run(module.move("arn:old")) == "arn:new"
    assert [each["function"] for each in bound] == ["shop:8"]
