"""Every public name stands in the reference, and has a docstring that the reference can show."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
from tests.architecture.test_exports import FRAMEWORKS
from tools.site.commands import markdown

from durable_execution_sdk.cli.main import durable

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "durable_execution_sdk"
REFERENCE = ROOT / "docs" / "reference"
TEXTS = {page.name: page.read_text("utf-8") for page in REFERENCE.glob("*.md")}
FACE = "durable_execution_sdk"
ALL_DIRECTIVES = re.findall(r"^#* ?::: ([\w.]+)$", "\n".join(TEXTS.values()), re.MULTILINE)
# Adapters of agents import their frameworks, which are not here.
OF_ADAPTERS = [
    path
    for path in ALL_DIRECTIVES
    if path.rpartition(".")[0] in {f"{FACE}.agents.{name}" for name in FRAMEWORKS}
]
DIRECTIVES = [path for path in ALL_DIRECTIVES if path not in OF_ADAPTERS]

# Packages whose __all__ is public as a whole.
MODULES = [
    FACE,
    *(
        f"{FACE}.{name}"
        for name in (
            "agents",
            "client",
            "middleware",
            "otel",
            "plugins",
            "replay_safe",
            "telemetry",
            "testing",
        )
    ),
]
NAMES = [
    f"{module}.{name}" for module in MODULES for name in importlib.import_module(module).__all__
]


def loaded(path: str) -> Any:
    """Return the object of a directive."""
    if importlib.util.find_spec(path.rpartition(".")[0]) is None:
        raise LookupError(path)
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", MODULES)
def test_each_public_name_is_in_the_reference(module: str) -> None:
    public = {name for name in NAMES if name.rpartition(".")[0] == module}
    # Some names are public in two modules.
    objects = [loaded(path) for path in DIRECTIVES]
    missing = [
        name
        for name in sorted(public)
        if name not in DIRECTIVES and not any(loaded(name) is each for each in objects)
    ]
    assert not missing, "add '## ::: NAME' to a page of docs/reference for " + ", ".join(missing)


def test_each_name_of_an_adapter_is_in_the_reference_and_has_a_docstring() -> None:
    documented: set[str] = set()
    public: set[str] = set()
    for adapter in FRAMEWORKS:
        places = (
            SOURCES / "agents" / f"{adapter}.py",
            SOURCES / "agents" / adapter / "__init__.py",
        )
        for place in filter(Path.exists, places):
            tree = ast.parse(place.read_text("utf-8"))
            public |= {f"{FACE}.agents.{adapter}.{name}" for name in names_in_all(tree)}
        for place in (*places[:1], *(SOURCES / "agents" / adapter).glob("*.py")):
            if place.exists():
                documented |= {
                    f"{FACE}.agents.{adapter}.{node.name}"
                    for node in ast.walk(ast.parse(place.read_text("utf-8")))
                    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                    and ast.get_docstring(node)
                }
    assert public
    assert sorted(public.difference(OF_ADAPTERS)) == [], (
        "add '### ::: NAME' to docs/reference/agents.md"
    )
    assert sorted(set(OF_ADAPTERS) - documented) == []


def names_in_all(tree: ast.Module) -> list[str]:
    """Return the names in ``__all__`` of a module."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def test_no_name_is_in_the_reference_twice() -> None:
    assert len(ALL_DIRECTIVES) == len(set(ALL_DIRECTIVES))


def documented_attributes(source: str) -> set[str]:
    """Return the module-level names of a file that a docstring follows."""
    body = ast.parse(source).body
    return {
        target.id
        for before, after in pairwise(body)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        for target in (
            before.targets if isinstance(before, ast.Assign) else [getattr(before, "target", None)]
        )
        if isinstance(target, ast.Name)
    }


@cache
def all_documented_attributes() -> set[str]:
    return {
        name
        for path in SOURCES.rglob("*.py")
        for name in documented_attributes(path.read_text("utf-8"))
    }


def complaint(path: str) -> str | None:
    """Return the reason why the reference can show nothing for a name."""
    found = loaded(path)
    name = path.rpartition(".")[2]
    if not (inspect.isclass(found) or inspect.isroutine(found) or inspect.ismodule(found)):
        documented = name in all_documented_attributes()
        return None if documented else f"{path} has no docstring below its assignment"
    # A class inherits the docstring of its base.
    own = vars(found).get("__doc__") if inspect.isclass(found) else found.__doc__
    if not own or own.startswith(f"{name}("):
        return f"{path} has no docstring"
    return None


def test_each_entry_of_the_reference_has_a_docstring() -> None:
    assert [said for path in DIRECTIVES if (said := complaint(path)) is not None] == []


def public_methods() -> Iterator[tuple[str, Any]]:
    for path in DIRECTIVES:
        found = loaded(path)
        if inspect.isclass(found) and found.__module__.startswith(FACE):
            for name, member in vars(found).items():
                plain = getattr(member, "__func__", member)
                if (
                    not name.startswith("_")
                    and getattr(plain, "__name__", name) != "<lambda>"
                    and (inspect.isfunction(plain) or isinstance(plain, property))
                ):
                    yield f"{path}.{name}", plain


def test_each_public_method_and_hook_has_a_docstring() -> None:
    methods = dict(public_methods())
    assert f"{FACE}.plugins.DurablePlugin.on_invocation_start" in methods
    assert [path for path, method in methods.items() if not method.__doc__] == []


# Bases, whose subclasses tell the cure.
BASES = {"DurableError", "OperationError", "DurableTestError"}


def test_each_error_tells_its_cure() -> None:
    errors = [path for path in DIRECTIVES if path.endswith("Error")]
    assert len(errors) > 40
    assert [
        path
        for path in errors
        if path.rpartition(".")[2] not in BASES and "Cure: " not in loaded(path).__doc__
    ] == []


def test_the_page_of_errors_has_all_of_them() -> None:
    from durable_execution_sdk import errors

    on_page = {path.rpartition(".")[2] for path in re.findall(r"::: ([\w.]+)", TEXTS["errors.md"])}
    of_other_modules = {name.rpartition(".")[2] for name in NAMES if name.endswith("Error")}
    assert on_page == {*errors.__all__, *of_other_modules}


def commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(f"{path} {name}", inner)


def test_the_page_of_the_command_has_each_command_with_its_options() -> None:
    sections = dict(
        zip(
            *[iter(re.split(r"^#+ `(durable[^`]*)`$", markdown(), flags=re.MULTILINE)[1:])] * 2,
            strict=True,
        )
    )
    expected = dict(commands("durable", durable))
    assert sections.keys() == expected.keys()
    for path, command in expected.items():
        assert command.help, path
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.hidden or option.opts[-1] in sections[path].replace("&#95;", "_"), (
                    path
                )
    assert "<!-- commands -->" in TEXTS["command.md"]


VARIABLE = re.compile(
    r"_?(?:AWS|DURABLE|LAMBDA|OTEL|PYTHON|SSL|WAYLAND|X_AMZN)_?[A-Z0-9_]+|_X_AMZN_TRACE_ID|_HANDLER|DISPLAY|HOME|NO_PROXY|TERM|TZ"
)
# Texts of the same form that name something else.
NO_VARIABLES = {"AWS4", "DURABLE_POLICY"}


def variables_in(source: str) -> set[str]:
    """Return the environment variables that a file names in its texts."""
    return {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and VARIABLE.fullmatch(node.value)
    }


def test_each_environment_variable_is_in_the_reference_and_the_reverse() -> None:
    read = {
        name
        for path in SOURCES.parent.rglob("*.py")
        if "scaffold" not in path.parts
        for name in variables_in(path.read_text("utf-8"))
    }
    listed = set(re.findall(r"`(\w+)`", TEXTS["environment.md"]))
    assert sorted(read - NO_VARIABLES - listed) == []
    assert sorted({name for name in listed if VARIABLE.fullmatch(name)} - read) == []


def test_the_files_beside_a_store_are_in_the_reference() -> None:
    named = {
        ending
        for path in SOURCES.rglob("*.py")
        for ending in re.findall(
            r'f"\{store(?:\.name|\.absolute\(\))?\}(\.[\w.]+)"', path.read_text("utf-8")
        )
    }
    assert named
    listed = set(re.findall(r"`executions\.db(\.[\w.]+)`", TEXTS["files.md"]))
    assert named <= listed
    assert listed - named <= {".versions"}


def test_the_names_of_the_pytest_plugin_are_in_the_reference(pytestconfig: pytest.Config) -> None:
    source = (ROOT / "src" / "pytest_durable_execution" / "__init__.py").read_text("utf-8")
    for name in [
        *re.findall(r'addoption\(\s*"([^"]+)"', source),
        *re.findall(r"^def (durable_\w+)\(request", source, re.MULTILINE),
    ]:
        assert f"`{name}`" in TEXTS["testing.md"], name
    assert "`durable(**options)`" in TEXTS["testing.md"]
