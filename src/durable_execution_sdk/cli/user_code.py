"""Import a user's files and find the workflows in them.

A file is imported as ``python FILE`` does: with its directory first on ``sys.path``. A file in a
package is imported as a module of that package, so that its relative imports work.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.emulator.functions.invokers import Handler
from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.serdes import ValueContext, parameter_text

_OURS = str(Path(__file__).parent.parent)


class BrokenCode(Refusal):
    """A file cannot be imported."""


class UserCode:
    """The user's modules by file; each file is imported once."""

    def __init__(self) -> None:
        self._modules: dict[Path, ModuleType] = {}

    def module(self, file: str) -> ModuleType:
        """Import a file, or return its module if it was imported before."""
        path = Path(file)
        if not path.exists():
            raise Refusal(f"there is no file {file}{_meant(file)}")
        if path.is_dir() or path.suffix != ".py":
            raise Refusal(f"{file} is not a Python file; name the .py file that has the workflow")
        path = path.resolve()
        if path not in self._modules:
            self._modules[path] = _import(path, file)
        return self._modules[path]

    def handlers(self, file: str) -> dict[str, AnyHandler]:
        """Return the durable handlers of a file by their names in its module."""
        members = vars(self.module(file)).items()
        return {name: value for name, value in members if isinstance(value, DurableHandler)}

    def choose(self, file: str, wanted: str | None) -> str:
        """Return the name of the handler to run: ``wanted``, or the only one that the file defines.

        Raises ``Refusal`` if there is no such handler, none, or several to choose from.
        """
        handlers = self.handlers(file)
        if wanted is not None:
            return self._handler_name(file, wanted, handlers)
        if not handlers:
            raise Refusal(
                f"{file} has no workflow: decorate an `async def handler(event, ctx)` with"
                " @durable_execution"
            )
        home = self.module(file).__name__
        own = [name for name, handler in handlers.items() if handler.__module__ == home]
        names = own or list(handlers)
        if len(names) > 1:
            raise Refusal(
                f"{file} has {len(names)} workflows: {', '.join(names)}. Say which one:"
                f" {file}:{names[0]}"
            )
        return names[0]

    def function(self, file: str, name: str) -> AnyHandler | Handler:
        """Return a durable handler or a plain Lambda handler of a file."""
        handler = self.handlers(file).get(name)
        if handler is not None:
            return handler
        function: Handler | None = getattr(self.module(file), name, None)
        if function is None:
            raise Refusal(f"{file} has no function {name}")
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise Refusal(
                f"{name} in {file} is neither a @durable_execution workflow nor a plain Lambda"
                " handler, `def handler(event, context)`"
            )
        return function

    def _handler_name(self, file: str, name: str, handlers: dict[str, AnyHandler]) -> str:
        if name in handlers:
            return name
        workflows = (
            f"Its workflows: {', '.join(handlers)}" if handlers else "It has no workflow at all"
        )
        if hasattr(self.module(file), name):
            raise Refusal(
                f"{name} in {file} is no workflow: it is not decorated with @durable_execution."
                f" {workflows}"
            )
        raise Refusal(f"{file} has no workflow {name}. {workflows}")


def needed_input(handler: AnyHandler) -> str | None:
    """Return the parameter that takes the input, if it does not take ``{}``; else ``None``."""
    return None if input_fault(handler, "{}") is None else parameter_text(handler.__wrapped__, 0)


def input_fault(handler: AnyHandler, payload: str) -> str | None:
    """Return the reason for which an input does not fit the annotation of a handler; ``None`` if it does.

    A serdes of the user's own, or middleware, may make anything of an input, so it is not asked.
    """
    if handler.settings.serdes is not None or handler.settings.middleware is not None:
        return None
    subject = f"the input, for {parameter_text(handler.__wrapped__, 0)}"
    context = ValueContext(operation_id="", subject=subject, is_outward=True)
    try:
        handler.event_serdes.deserialize(payload, context)
    except SerDesError as error:
        return str(error)
    return None


def split_target(target: str) -> tuple[str, str | None]:
    """Split ``FILE[:HANDLER]``; the file's name itself may contain a colon."""
    file, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier() or Path(target).exists():
        return target, None
    return file, name


def _meant(file: str) -> str:
    """Return the file that was probably meant by a module, or by the handler's name of Lambda."""
    module, _, name = file.replace("/", ".").rpartition(".")
    for path, handler in ((file.replace(".", "/"), ""), (module.replace(".", "/"), f":{name}")):
        if path and Path(f"{path}.py").is_file():
            return f"; did you mean {path}.py{handler}? A workflow is named as FILE:HANDLER"
    return ""


def _import(path: Path, file: str) -> ModuleType:
    name, root = _place(path)
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) != str(path):
        # A workflow in json.py must not take the place of the standard library's json.
        name = f"{name}_workflow"
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    writes_bytecode = not sys.dont_write_bytecode
    # Compiled code counts as fresh after an edit in the same second that leaves the size as it was.
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        raise BrokenCode(f"{file} cannot be imported:", _own_traceback(error, path)) from error
    finally:
        sys.dont_write_bytecode = not writes_bytecode
    return module


def _place(path: Path) -> tuple[str, Path]:
    """Return the module's dotted name, and the directory to import it from."""
    names = [path.stem]
    root = path.parent
    while (root / "__init__.py").exists():
        names.insert(0, root.name)
        root = root.parent
    return ".".join(names), root


def _own_traceback(error: BaseException, path: Path) -> str:
    """Format a traceback from the user's file on, without frames of this package."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((n for n, frame in enumerate(frames) if frame.filename == str(path)), len(frames))
    own = [frame for frame in frames[first:] if not frame.filename.startswith(_OURS)]
    header = ["Traceback (most recent call last):\n"] if own else []
    lines = header + traceback.format_list(own) + traceback.format_exception_only(error)
    return "".join(lines).rstrip()
