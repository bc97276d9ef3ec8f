"""Writing of a program as Python source, which is both run and printed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.generated.programs import OPERATIONS, STATEMENTS, Block, Node, Program

HEADER = "from tests.generated.program_api import *  # what a program calls\n\n\n"


class Writer:
    """Source that grows line by line."""

    def __init__(self, *, is_old: bool = False) -> None:
        self.lines: list[str] = []
        self.at = "at"
        # True to write the program as it was before its patches were added.
        self.is_old = is_old
        self._indent = 0
        self._count = 0
        self._names = 0

    # Methods for statements.

    def line(self, text: str) -> None:
        self.lines.append("    " * self._indent + text)

    @contextlib.contextmanager
    def under(self, header: str) -> Iterator[None]:
        """Write a line that ends in a colon, and indent the lines of the block below it."""
        self.line(header)
        self._indent += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.line("pass")
        self._indent -= 1

    def number(self) -> int:
        """Return the number of the next place of the program."""
        self._count += 1
        return self._count

    @contextlib.contextmanager
    def apart(self, number: int) -> Iterator[None]:
        """Number the places and names of a block apart, so that they shift no other ones."""
        counted, self._count, names = self._count, number * 1000, self._names
        self._names += number * 1000
        yield
        self._count, self._names = counted, names

    def name(self, stem: str) -> str:
        """Return the name of a new variable."""
        self._names += 1
        return f"{stem}{self._names}"

    def key(self, n: int | None = None, suffix: str = "") -> str:
        """Return the expression of a key at this place."""
        return f'f"{{{self.at}}}.{self.number() if n is None else n}{suffix}"'

    def start(self, op: Node) -> str:
        """Return the expression that starts an operation; write the functions that it needs before."""
        expression: str = OPERATIONS[op.kind].emit(self, op)
        return expression

    def may_fail(self, op: Node) -> bool:
        fails = OPERATIONS[op.kind].fails
        return (fails(op.data) if callable(fails) else fails) or any(map(self.may_fail, op.ops))

    def observe(self, expression: str, *, catch: str | None = None, key: str | None = None) -> None:
        """Write an await whose outcome is observed."""
        key = key or self.key()
        line = f"out.append(see(c, {key}, await {expression}))"
        if catch is None:
            self.line(line)
            return
        with self.under("try:"):
            self.line(line)
        with self.under(f"except {catch} as error:"):
            self.line(f"out.append(see(c, {key}, error))")

    def tell(self, expression: str) -> None:
        """Write an observation of a value that is not awaited."""
        self.line(f"out.append(see(c, {self.key()}, {expression}))")

    def observe_op(self, op: Node, expression: str | None = None) -> None:
        started = expression or self.start(op)
        self.observe(started, catch="Exception" if self.may_fail(op) else None)

    def block(self, block: Block) -> None:
        for node in block:
            STATEMENTS[node.kind].emit(self, node)

    def function(
        self,
        name: str,
        block: Block,
        *,
        context: bool = False,
        raises: bool = False,
        params: str = "at",
        at: str | None = None,
        large: bool = False,
        first: str | None = None,
    ) -> str:
        """Write an async function of a block; return its name.

        With ``context``, its first parameter is a context of its own. ``at`` is the default of its key.
        """
        key_parameter = f"at={at}" if at else params
        names = ", ".join(filter(None, ["c" if context else "", key_parameter]))
        outer, self.at = self.at, "at"
        with self.under(f"async def {name}({names}):"):
            if first:
                self.line(first)
            self.line("out = []")
            self.block(block)
            if raises:
                self.line(f"raise Declined({self.key()})")
            else:
                self.line('return [out, "x" * 270_000]' if large else "return out")
        self.at = outer
        return name


def render(program: Program, *, is_old: bool = False) -> str:
    """Return the source of a program; with ``is_old``, as it was before its patches were added."""
    if program.source:
        return program.source
    w = Writer(is_old=is_old)
    with w.under("async def workflow(event, c):"):
        w.line('at, out = "", []')
        w.block(program.body)
        if program.fails:
            w.line('raise Declined("in the end")')
        else:
            w.line("return out")
    return HEADER + "\n".join(w.lines) + "\n"
