"""The handler that a template names is found behind other names, wrappers, packages and encodings."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import Durable
from tests.doctor.findings import WORKFLOW, codes, found, write

DURABLE = "Order: {Type: AWS::Serverless::Function, Properties: {DurableConfig: {ExecutionTimeout: 3600}}}"
PLAIN = "Order: {Type: AWS::Serverless::Function}"
LONG = """
from datetime import timedelta
from aws_lambda_powertools import Logger, Tracer
from durable_execution_sdk import DurableContext, durable_execution

logger, tracer = Logger(), Tracer()

@durable_execution
async def order(event: dict, ctx: DurableContext) -> int:
    await ctx.wait(timedelta(days=400))
    return 1

"""
ALIASES = [
    "handler = order",
    "handler = logger.inject_lambda_context(order)",
    "handler = logger.inject_lambda_context(clear_state=True)(order)",
    "handler = logger.inject_lambda_context(tracer.capture_lambda_handler(order), clear_state=True)",
    "traced = tracer.capture_lambda_handler(order)\nhandler = logger.inject_lambda_context(traced)",
]


@pytest.mark.parametrize("alias", ALIASES)
def test_the_code_of_a_handler_with_another_name_is_examined(alias: str, tmp_path: Path) -> None:
    code = {"src/app.py": LONG + alias}
    assert found(write(tmp_path, DURABLE, code)) == [
        ("DOC702", "this waits for 34560000 s, and Order has the ExecutionTimeout 3600")
    ]
    assert codes(write(tmp_path, PLAIN, code)) == ["DOC102"]


def test_an_unknown_wrapper_is_not_taken_for_a_durable_handler(tmp_path: Path) -> None:
    code = {"src/app.py": f"{LONG}handler = starter_of(order)\n"}
    assert codes(write(tmp_path, PLAIN, code)) == []
    assert codes(write(tmp_path, DURABLE, code)) == ["DOC702"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def plain(event, context):\n    return 1\nhandler = plain\n", ["DOC103"]),
        ("handler = print\n", []),
        ("handler = handler\n", []),
        ("a = b\nb = a\nhandler = a\n", []),
        ("handler = f(f(f(f(f(f(f(1)))))))\n", []),
    ],
)
def test_another_name_of_what_is_no_durable_handler(
    code: str, expected: list[str], tmp_path: Path
) -> None:
    assert codes(write(tmp_path, DURABLE, {"src/app.py": code})) == expected


def test_the_modules_of_a_package_that_imports_relatively_are_examined(tmp_path: Path) -> None:
    code = {
        "src/app.py": "from shop.flow import handler\n",
        "src/shop/__init__.py": "",
        "src/shop/flow.py": """
            from durable_execution_sdk import DurableContext, durable_execution
            from . import more
            from .limits import LONG
            from .steps import slow

            @durable_execution
            async def handler(event: dict, ctx: DurableContext) -> int:
                await ctx.wait(LONG)
                await more.ship(ctx)
                return await ctx.step(slow)
            """,
        "src/shop/limits.py": "from durable_execution_sdk import Duration\nLONG = Duration.from_days(3)\n",
        "src/shop/more.py": """
            from durable_execution_sdk import DurableContext

            async def ship(ctx: DurableContext) -> None:
                await ctx.invoke("ship:live", 1)
            """,
        "src/shop/steps/__init__.py": "from .slow import slow\n",
        "src/shop/steps/slow.py": """
            from durable_execution_sdk import Duration, durable_step

            @durable_step(timeout=Duration.from_seconds(300))
            def slow() -> int:
                return 1
            """,
    }
    assert sorted(codes(write(tmp_path, DURABLE, code))) == ["DOC302", "DOC701", "DOC702"]


def test_a_parameter_is_not_the_function_of_its_name(tmp_path: Path) -> None:
    code = """
        from durable_execution_sdk import DurableContext, durable_execution

        def charge(order: dict) -> str:
            def key(ship: str) -> str:
                return ship
            return key(f"{order}") + "".join(ask for ask in "abc")

        @durable_execution
        async def handler(event: dict, ctx: DurableContext) -> str:
            return await ctx.step(charge, event)

        @durable_execution
        async def order(event: dict, ctx: DurableContext) -> str:
            return await ctx.invoke("ship:live", event)

        ship = ask = order
        """
    assert codes(write(tmp_path, DURABLE, {"src/app.py": code})) == []


@pytest.mark.parametrize(
    "code",
    [
        b"\xef\xbb\xbf" + WORKFLOW.encode(),
        b"# -*- coding: latin-1 -*-\n# \xe9t\xe9\n" + WORKFLOW.encode(),
    ],
    ids=["mark", "named encoding"],
)
def test_code_is_decoded_as_python_decodes_it(
    code: bytes, tmp_path: Path, durable: Durable, write_bytes: Path
) -> None:
    assert codes(write(tmp_path, PLAIN, {"src/app.py": code})) == ["DOC102"]
    write_bytes.write_bytes(code)
    assert durable("lint", write_bytes.name).code == 0


@pytest.fixture
def write_bytes(place: Path) -> Path:
    """Return the place of a module of the command's folder."""
    return place / "encoded.py"


@pytest.mark.parametrize(
    "requirements",
    [
        b"\xef\xbb\xbfdurable-execution-sdk\r\n",
        "durable-execution-sdk\r\n".encode("utf-16"),
        "\ufeffdurable-execution-sdk\n".encode("utf-16-be"),
    ],
    ids=["utf-8", "utf-16", "utf-16-be"],
)
def test_requirements_are_decoded_as_pip_decodes_them(requirements: bytes, tmp_path: Path) -> None:
    assert codes(write(tmp_path, DURABLE, {"src/requirements.txt": requirements})) == []


@pytest.mark.parametrize("handler", ["app:handler", "handler", "app/handler"])
def test_a_handler_without_a_module_is_refused(handler: str, tmp_path: Path) -> None:
    resource = DURABLE.replace("DurableConfig", f"Handler: '{handler}', DurableConfig")
    assert codes(write(tmp_path, resource)) == ["DOC108"]


IMAGES = {
    "ImageConfig: {Command: [app.handler]}": "Metadata: {DockerContext: src}",
    "Description: by its CMD": "Metadata: {DockerContext: src}",
    "Description: by the CMD of another file": "Metadata: {DockerContext: src, Dockerfile: Other}",
    "Description: below src": "Metadata: {DockerContext: .}",
    "Description: by CDK": "Metadata: {'aws:asset:path': src, 'aws:asset:dockerfile-path': Other}",
}
DOCKERFILES = {
    "src/Dockerfile": "FROM public.ecr.aws/lambda/python:3.13\nCOPY . ./\nCMD [ 'app.handler' ]\n",
    "src/Other": 'FROM a\nCMD ["other.handler"]\nCMD ["app.handler"]\n',
    "Dockerfile": 'FROM a\nCOPY src/ ./\nCMD ["app.handler"]\n',
}


@pytest.mark.parametrize("properties", IMAGES)
def test_the_code_of_an_image_is_examined(properties: str, tmp_path: Path) -> None:
    image = (
        f"Order: {{Type: AWS::Serverless::Function, {IMAGES[properties]},"
        f" Properties: {{PackageType: Image, {properties}%s}}}}"
    )
    durable = image % ", DurableConfig: {ExecutionTimeout: 3600}"
    app = write(tmp_path, durable, {**DOCKERFILES, "src/app.py": f"{LONG}handler = order\n"})
    assert codes(app) == ["DOC702"]
    assert app.notes == []
    assert codes(write(tmp_path, image % "", DOCKERFILES)) == ["DOC102"]
    assert codes(write(tmp_path, durable, DOCKERFILES)) == []


@pytest.mark.parametrize(
    ("properties", "metadata"),
    [
        ("ImageUri: a", "{}"),
        ("ImageConfig: {Command: [python, app.py]}", "{DockerContext: src}"),
        ("ImageConfig: {EntryPoint: [/run], Command: [app.handler]}", "{DockerContext: src}"),
        ("ImageConfig: {Command: [other.handler]}", "{DockerContext: src}"),
        ("Description: no Dockerfile", "{DockerContext: src/nowhere}"),
        ("Description: not here", "{DockerContext: !Ref Folder}"),
    ],
)
def test_an_image_whose_code_is_not_found_is_noted(
    properties: str, metadata: str, tmp_path: Path
) -> None:
    image = (
        f"Order: {{Type: AWS::Serverless::Function, Metadata: {metadata}, Properties: {{PackageType: Image,"
        f" {properties}, DurableConfig: {{ExecutionTimeout: 3600}}}}}}"
    )
    app = write(tmp_path, image, DOCKERFILES)
    assert codes(app) == []
    assert "no code of Order is found, so it is not examined" in app.notes[0]


@pytest.mark.parametrize(
    "code",
    [
        {"src/app.py": "import os\nif os.environ.get('A'):\n    handler = None\nelse:\n"},
        {"src/app.py": "try:\n    import a\nexcept ImportError:\n"},
        {
            "src/app.py": "from shop import *\n",
            "src/shop/__init__.py": "from .other import *\nfrom .flow import *\n",
            "src/shop/other.py": "",
            "src/shop/flow.py": "",
        },
    ],
    ids=["branch", "except", "all names"],
)
def test_handlers_in_branches_and_among_all_names_of_a_module(
    code: dict[str, str], tmp_path: Path
) -> None:
    name = [*code][-1]
    body = f"{LONG}handler = order\n"
    indented = body if name == "src/shop/flow.py" else body.replace("\n", "\n    ")
    app = write(tmp_path, DURABLE, {**code, name: code[name] + indented})
    assert codes(app) == ["DOC702"]
    assert not [note for note in app.notes if "examined" in note]


@pytest.mark.parametrize(
    "code",
    [
        "handler, other = order, order\n",
        "class Flow:\n    run = order\nhandler = durable_execution(Flow().run)\n",
        "HANDLERS = {'a': order}\nhandler = HANDLERS['a']\n",
    ],
)
def test_a_handler_that_cannot_be_read_is_noted(code: str, tmp_path: Path) -> None:
    app = write(tmp_path, DURABLE, {"src/app.py": LONG + code})
    assert app.notes[0].endswith(
        "the handler app.handler of Order is no function that can be read, so its code is not examined"
    )
