"""Call the overridden hooks of plugins in order, and isolate the execution from their exceptions."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from durable_execution_sdk.errors import ConfigError

__all__ = ["Hooks"]

_Hook = Callable[[object], object]


class Hooks:
    """The overridden hooks of a handler's plugins, by name."""

    def __init__(self, base: type, plugins: Sequence[object], logger: logging.Logger) -> None:
        self._logger = logger
        self._logged: set[int] = set()
        names = _hooks_of(base)
        self._hooks: dict[str, list[_Hook]] = {name: [] for name in names}
        for plugin in plugins:
            _check(base, plugin, names)
            if sum(each is plugin for each in plugins) > 1:
                raise ConfigError(
                    f"durable_execution(plugins=...) has the same {type(plugin).__qualname__} twice, which would"
                    " observe everything twice: leave one out"
                )
            for name in names:
                hook = getattr(plugin, name)
                if getattr(hook, "__func__", hook) is not getattr(base, name):
                    self._hooks[name].append(hook)

    def wants(self, name: str) -> bool:
        """True when a plugin overrides this hook."""
        return bool(self._hooks[name])

    def fire(
        self, name: str, info: object, answers: list[tuple[_Hook, object]] | None = None
    ) -> None:
        """Call this hook of every plugin that overrides it; collect return values in ``answers``.

        Exceptions are logged, once for each hook, and not raised; only ``KeyboardInterrupt`` is.
        """
        for hook in self._hooks[name]:
            try:
                result = hook(info)
            except KeyboardInterrupt:
                raise  # from the user at the keyboard, not from the hook
            except BaseException as error:  # here, CancelledError and SystemExit come from the hook
                self._log(hook, "raised", error)
            else:
                if inspect.iscoroutine(result):
                    result.close()
                    self._log(hook, "returned a coroutine, which is not awaited", None)
                elif answers is not None and result is not None:
                    answers.append((hook, result))

    def ask(self, name: str, info: object, longest: int) -> str | None:
        """Return the first header of 1 to ``longest`` characters that a plugin returns, if any.

        What is none is logged, once for each hook: the execution would fail when it is sent.
        """
        answers: list[tuple[_Hook, object]] = []
        self.fire(name, info, answers)
        for hook, answer in answers:
            if isinstance(answer, str) and 0 < len(answer) <= longest and _is_header(answer):
                return answer
            self._log(
                hook, f"returned no header of 1 to {longest} printable ASCII characters", None
            )
        return None

    def _log(self, hook: _Hook, what: str, error: BaseException | None) -> None:
        if (
            id(hook) in self._logged
        ):  # ids, because hooks may be unhashable; they live as long as this
            return
        self._logged.add(id(hook))
        with suppress(Exception):  # the user's logging filters may raise too
            self._logger.error(
                "the plugin hook %s %s; the execution goes on, and this is logged only once",
                getattr(hook, "__qualname__", hook),
                what,
                exc_info=error,
            )


def _is_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _hooks_of(cls: type) -> list[str]:
    return [name for name in dir(cls) if name.startswith("on_")]


def _check(base: type, plugin: object, names: Sequence[str]) -> None:
    """Raise ``ConfigError`` for a plugin that observes nothing, or has a wrong method."""
    if isinstance(plugin, type):
        raise ConfigError(
            f"durable_execution(plugins=...) takes plugins, not classes: {plugin.__qualname__}()"
        )
    what = type(plugin).__qualname__
    if not isinstance(plugin, base):
        raise ConfigError(
            f"durable_execution(plugins=...) takes subclasses of {base.__qualname__}, and {what} is"
            f" not one: class {what}({base.__qualname__})"
        )
    unknown = [name for name in _hooks_of(type(plugin)) if name not in names]
    if unknown:
        raise ConfigError(
            f"{what}.{unknown[0]} is not a hook, so it would never be called; the hooks are"
            f" {', '.join(names)}"
        )
    overridden = False
    for name in names:
        hook = getattr(plugin, name)
        if inspect.iscoroutinefunction(hook) or inspect.isasyncgenfunction(hook):
            raise ConfigError(
                f"{what}.{name} is a coroutine function, and hooks are not awaited: make it a plain"
                " `def`, and do slow work on a thread of your own"
            )
        overridden = overridden or getattr(hook, "__func__", hook) is not getattr(base, name)
    if not overridden:
        raise ConfigError(f"{what} has no hook, so it observes nothing: override {names[0]}, ...")
