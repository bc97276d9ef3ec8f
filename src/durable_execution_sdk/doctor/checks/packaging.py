"""Checks of the package that Lambda gets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.findings import Fault, Level, Place, check
from durable_execution_sdk.doctor.package import Package, requirements_text
from durable_execution_sdk.doctor.template import LambdaFunction, items
from durable_execution_sdk.version import PAGES

_SDK = "durable_execution_sdk/__init__.py"
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
_AWS_SDK = "aws_durable_execution_sdk_python/__init__.py"
_IMPORTED = re.compile(r"\bdurable_execution_sdk\b")
_HEADER_BYTES = 8
# Of each adapter for agents: the framework's package, the extra, and the names of distributions that have it.
_FRAMEWORKS = {
    "pydantic_ai": ("pydantic_ai", "pydantic-ai", r"pydantic[-_.]ai([-_.]slim)?"),
    "openai": ("agents", "openai-agents", r"openai[-_.]agents"),
    "strands": ("strands", "strands", r"strands[-_.]agents"),
    "langchain": ("langchain", "langchain", r"langchain"),
}
_OURS = re.compile(r"^\s*durable[-_.]execution[-_.]sdk\b", re.IGNORECASE | re.MULTILINE)
_OPAQUE = re.compile(
    r"^\s*(-r|-e|--requirement|--editable|\.|/|[^#\s]+\.whl|[^#\s]+\s*@|git\+|https?:)",
    re.MULTILINE,
)


def _packages(app: Application) -> Iterator[tuple[LambdaFunction, Package]]:
    """Yield the packages that are built, with the first function of each."""
    seen: set[int] = set()
    for function in _ours(app):
        package = app.package(function)
        if package is not None and id(package) not in seen:
            seen.add(id(package))
            yield function, package


def _ours(app: Application) -> Iterator[LambdaFunction]:
    """Yield the durable functions whose code may use this SDK: in Python, and in no image."""
    for function in app.durable:
        handler = app.handlers.get(function.logical_id)
        is_python = function.is_python or handler is not None
        if not is_python or function.is_image or function.properties.get("Layers"):
            continue
        if handler is None or _IMPORTED.search(handler.module.text):
            yield function


def _code(function: LambdaFunction) -> Place:
    return function.place("CodeUri" if function.is_serverless else "Code")


@check(
    "DOC601",
    Level.ERROR,
    reason="Lambda's runtimes do not have this SDK",
    fix="install it into the package: pip install --target PACKAGE durable-execution-sdk",
)
def sdk_in_package(app: Application) -> Iterator[Fault]:
    """Find packages without the SDK."""
    for function, package in _packages(app):
        if _SDK not in package.names and _AWS_SDK not in package.names:
            place = Place.of(package.path)
            yield (
                _code(function),
                f"the package of {function.logical_id}, {place}, has no durable_execution_sdk",
            )


@check(
    "DOC602",
    Level.ERROR,
    reason="sam build installs what requirements.txt names, and Lambda's runtimes do not have this SDK",
    fix="add a line durable-execution-sdk to requirements.txt",
)
def sdk_in_requirements(app: Application) -> Iterator[Fault]:
    """Find folders of code for SAM whose requirements do not name the SDK."""
    for function in _ours(app):
        root = app.code_path(function)
        if root is None or not root.is_dir() or not _installs_requirements(function, root):
            continue
        if function.logical_id not in app.handlers or app.package(function) is not None:
            continue
        file = root / "requirements.txt"
        if not file.is_file():
            yield (
                _code(function),
                f"the folder {Place.of(root)} of {function.logical_id} has no requirements.txt",
            )
            continue
        text = requirements_text(file)
        if not _OURS.search(text) and not _OPAQUE.search(text):
            yield (
                Place.of(file, 1),
                f"the requirements of {function.logical_id} do not name durable-execution-sdk",
            )


def _installs_requirements(function: LambdaFunction, root: Path) -> bool:
    """Tell if ``sam build`` installs what the requirements name: by itself, or by the Makefile of the folder."""
    method = function.metadata.get("BuildMethod")
    makefile = root / "Makefile"
    if method == "makefile" and makefile.is_file():
        return "requirements.txt" in makefile.read_text(encoding="utf-8", errors="replace")
    return method is None


@check(
    "DOC605",
    Level.ERROR,
    reason="the adapter imports its framework, which the SDK does not install by itself",
    fix="add the extra to requirements.txt, such as durable-execution-sdk[pydantic-ai], and build the package again",
)
def agent_frameworks(app: Application) -> Iterator[Fault]:
    """Find code that imports an adapter for agents whose framework is neither required nor in the package."""
    for function in _ours(app):
        root, package = app.code_path(function), app.package(function)
        handler, sources = app.handlers.get(function.logical_id), app.sources(function)
        if root is None or handler is None or sources is None:
            continue
        modules = sources.modules(handler.module)
        imported = {name for module in modules for name in sources.imports(module)}
        for adapter, (folder, extra, distribution) in _FRAMEWORKS.items():
            if f"durable_execution_sdk.agents.{adapter}" not in imported:
                continue
            if package is not None:
                if f"{folder}/__init__.py" not in package.names:
                    yield _code(function), f"the package of {function.logical_id} has no {folder}"
                continue
            file = root / "requirements.txt"
            if not file.is_file() or not _installs_requirements(function, root):
                continue
            text = requirements_text(file)
            named = rf"^\s*({distribution}(?![\w.-])|durable[-_.]execution[-_.]sdk\s*\[[^]]*\b{extra}\b)"
            if not _OPAQUE.search(text) and not re.search(
                named, text, re.MULTILINE | re.IGNORECASE
            ):
                yield (
                    Place.of(file, 1),
                    (
                        f"{function.logical_id} imports durable_execution_sdk.agents.{adapter}, and its requirements"
                        f" name neither durable-execution-sdk[{extra}] nor the framework"
                    ),
                )


@check(
    "DOC603",
    Level.ERROR,
    reason="an extension module is loaded only by the Python version and on the processor that it was compiled for",
    fix="install wheels of the function's platform: pip install --target PACKAGE --only-binary=:all:"
    " --platform manylinux2014_aarch64 (or manylinux2014_x86_64) --python-version 3.13 ...",
)
def wheels(app: Application) -> Iterator[Fault]:
    """Find extension modules for another platform, and a package without that of msgspec."""
    for function, package in _packages(app):
        version = re.fullmatch(r"python3\.(\d+)", function.runtime)
        given = function.template.value(
            (items(function.properties.get("Architectures")) or ["x86_64"])[0]
        )
        if version is None or str(given) not in _MACHINES:
            continue
        wanted = f"3{version[1]}", f"{_MACHINES[given]}-linux-gnu"
        wrong = [each for each in package.extensions if (each.python, each.platform) != wanted]
        right = {each.name.partition("/")[0] for each in package.extensions if each not in wrong}
        # A package may have an extension for several platforms.
        bad = [each for each in wrong if each.name.partition("/")[0] not in right]
        platform = f"{function.runtime} on {given}"
        if bad:
            yield (
                _code(function),
                f"{bad[0].name} in the package of {function.logical_id} is not for {platform}",
            )
        elif _SDK in package.names and "msgspec" not in right:
            yield (
                _code(function),
                f"the package of {function.logical_id} has no msgspec for {platform}",
            )


@check(
    "DOC604",
    Level.NOTE,
    reason="Lambda then compiles each module anew in each cold start, of which one execution has many",
    fix=f"compile the package last, as {PAGES}/deploy.md tells: python3.13 -m compileall -q"
    " --invalidation-mode unchecked-hash PACKAGE",
)
def bytecode(app: Application) -> Iterator[Fault]:
    """Find packages without bytecode of the runtime's version, or with bytecode that names a time."""
    for function, package in _packages(app):
        tag = f"cpython-{function.runtime.removeprefix('python').replace('.', '')}"
        name = f"durable_execution_sdk/__pycache__/__init__.{tag}.pyc"
        if _SDK not in package.names or not function.runtime:
            continue
        if name not in package.names:
            yield (
                _code(function),
                f"the package of {function.logical_id} has no bytecode of {function.runtime}",
            )
        elif not int.from_bytes(package.start(name, _HEADER_BYTES)[4:], "little") & 1:
            yield (
                _code(function),
                f"the bytecode of {function.logical_id} depends on the times of its sources",
            )


CHECKS = (sdk_in_package, sdk_in_requirements, wheels, bytecode, agent_frameworks)
