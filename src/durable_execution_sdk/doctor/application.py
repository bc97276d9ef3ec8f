"""The subject of the checks: a template, the code of its functions, and their packages."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from durable_execution_sdk.doctor.module import Module
from durable_execution_sdk.doctor.package import Package, is_built
from durable_execution_sdk.doctor.references import References
from durable_execution_sdk.doctor.roles import Roles
from durable_execution_sdk.doctor.source import Handler, Sources
from durable_execution_sdk.doctor.template import LambdaFunction, Template
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.lint.workflows import Function

__all__ = ["Application"]


class Application:
    """A template with the code that it names. Raises ``ConfigError`` if the template or the package cannot be read.

    ``package`` is the package of all functions; without it, each function's is looked for where SAM and CDK
    leave it.
    """

    def __init__(self, file: Path, package: Path | None = None) -> None:
        self.template = Template(file)
        self.references = References(self.template)
        self.roles = Roles(self.references)
        self._folder = file.parent
        self._package = package
        self._sources: dict[Path, Sources] = {}
        self._packages: dict[Path, Package | None] = {}
        self._reached: dict[str, list[tuple[Module, Function]]] = {}
        if package is not None:
            try:
                self._packages[package] = Package(package)
            except (OSError, zipfile.BadZipFile) as error:
                raise ConfigError(f"the package {package} cannot be read: {error}") from error

    @property
    def durable(self) -> Iterator[LambdaFunction]:
        """The functions that have a ``DurableConfig``."""
        return (each for each in self.template.functions.values() if each.is_durable)

    def code_path(self, function: LambdaFunction) -> Path | None:
        """Return the folder or the zip of a function's code, if it is here.

        That of an image is the folder from which it is built, or the folder ``src`` in it, by the module of the handler.
        """
        if function.is_image:
            return _image_code(function)
        asset = function.metadata.get("aws:asset:path")
        given = function.properties.get("CodeUri", function.properties.get("Code", "."))
        code = asset if asset is not None else self.template.value(given)
        if "InlineCode" in function.properties or not isinstance(code, str):
            return None
        path = self._folder / code
        return path if path.exists() else None

    @property
    def notes(self) -> list[str]:
        """Sentences about the parts that cannot be examined."""
        found = [
            f"{self.template.file}: no code of {name} is found, so it is not examined"
            for name, function in self.template.functions.items()
            if function.is_durable and function.may_be_python and name not in self.handlers
            if function not in self.without_module and not self._is_broken(function)
        ]
        found += [
            f"{self.template.file}: the handler {self.template.functions[name].handler} of {name} is no function that"
            " can be read, so its code is not examined"
            for name, handler in self.handlers.items()
            if self.template.functions[name].is_durable
            if handler.function is None and handler.durable is not False
        ]
        is_unbuilt = [
            self.package(each) is None for each in self.durable if self._may_be_built(each)
        ]
        if is_unbuilt and all(is_unbuilt):
            found.append(
                f"{self.template.file}: no package is found, so DOC601, DOC603 and DOC604 are not checked:"
                " build it first, or name it with --package"
            )
        found += self.template.unread_parts
        if not any(self.durable):
            found.append(f"{self.template.file} has no function with a DurableConfig")
        return found

    @property
    def broken(self) -> Iterator[tuple[Path, Exception]]:
        """The files of the functions' code that cannot be read as Python, with the reason."""
        assert self.modules is not None  # all that the handlers need are read
        for sources in self._sources.values():
            yield from sources.broken.items()

    def _may_be_built(self, function: LambdaFunction) -> bool:
        """Tell if the code is here, and its package would be all that Lambda gets."""
        is_open = function.properties.get("Layers") or function.is_image
        return function.logical_id in self.handlers and not is_open

    def _is_broken(self, function: LambdaFunction) -> bool:
        sources = self.sources(function)
        return sources is not None and sources.breaks(function.handler)

    def reached(self, function: LambdaFunction) -> list[tuple[Module, Function]]:
        """Return the functions of the code that a handler names, directly or not."""
        if function.logical_id not in self._reached:
            handler, sources = self.handlers.get(function.logical_id), self.sources(function)
            if handler is None or sources is None:
                return []
            self._reached[function.logical_id] = sources.reachable(handler)
        return self._reached[function.logical_id]

    def code(self, function: LambdaFunction) -> list[tuple[Module, Function | ast.expr]]:
        """Return the functions that a handler names, and the values of the names of modules, directly or not."""
        handler, sources = self.handlers.get(function.logical_id), self.sources(function)
        return [] if handler is None or sources is None else sources.code(handler)

    @cached_property
    def handlers(self) -> dict[str, Handler]:
        """The handlers that can be read, by the logical ids of their functions."""
        found: dict[str, Handler] = {}
        for name, function in self.template.functions.items():
            sources = self.sources(function)
            if sources is not None and function.may_be_python and function.handler:
                read = sources.handler(function.handler)
                if read is not None:
                    found[name] = read
        return found

    @cached_property
    def without_module(self) -> list[LambdaFunction]:
        """The functions whose handler names no module, or one that their code, which is here, certainly lacks."""
        found: list[LambdaFunction] = []
        for function in self.template.functions.values():
            sources = self.sources(function)
            if not function.is_python or not function.handler:
                continue
            if "." not in function.handler:
                found.append(function)
                continue
            if sources is None:
                continue
            # A layer may have the module, and a build of the application's own may make it.
            is_open = function.properties.get("Layers") or "BuildMethod" in function.metadata
            is_missing = not is_open and sources.lacks(function.handler)
            if is_missing or sources.contradicts(function.handler):
                found.append(function)
        return found

    def sources(self, function: LambdaFunction) -> Sources | None:
        """Return the modules of a function's code, if it lies in a folder."""
        root = self.code_path(function)
        if root is None or not root.is_dir():
            return None
        if root not in self._sources:
            self._sources[root] = Sources(root)
        return self._sources[root]

    @cached_property
    def modules(self) -> list[Module]:
        """The modules of the handlers, and those of the application that they import."""
        modules: dict[Path, Module] = {}
        for name, handler in self.handlers.items():
            sources = self.sources(self.template.functions[name])
            assert sources is not None
            for module in sources.modules(handler.module):
                modules.setdefault(module.file.resolve(), module)
        return [*modules.values()]

    def package(self, function: LambdaFunction) -> Package | None:
        """Return what Lambda gets of a function; ``None`` if it is not built yet, or not here."""
        built = self._folder / ".aws-sam" / "build" / function.logical_id
        path = self._package or (built if built.is_dir() else self.code_path(function))
        if path is None:
            return None
        is_final = (
            path in {self._package, built} or path.is_file() or not _is_source(function, path)
        )
        if not is_final and not is_built(path):
            return None
        if path not in self._packages:
            try:
                self._packages[path] = Package(path)
            except (OSError, zipfile.BadZipFile):
                self._packages[path] = None
        return self._packages[path]


def _image_code(function: LambdaFunction) -> Path | None:
    folder = function.image_folder
    module = function.handler.replace("/", ".").partition(".")[0]
    if folder is None or not module:
        return None
    roots = (folder, folder / "src")
    return next(
        (each for each in roots if (each / f"{module}.py").is_file() or (each / module).is_dir()),
        None,
    )


def _is_source(function: LambdaFunction, folder: Path) -> bool:
    """Tell if ``sam build`` is to make the package of a folder; CDK and CloudFormation take it as it is."""
    if function.is_serverless:
        return True
    is_staged = "aws:asset:path" in function.metadata
    return not is_staged and (folder / "requirements.txt").is_file()
