"""Write docs/examples.md, the page that lists every example, from the examples themselves.

``python -m tests.examples.catalogue`` writes the page, and a test compares it with the file.
"""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from durable_execution_sdk import DurableContext

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "examples.md"
ADDRESS = "https://github.com/durable-execution-sdk/durable-execution-sdk/tree/main"

HEAD = """\
# Examples

Each example shows one thing. Its folder has the workflow, `app.py`; a test that you can copy; and a golden history,
`histories/*.txt`, of what an execution records. The first lines of `app.py` have the command that runs it and say what
to change. Nothing outside of your computer is needed:

```bash
git clone https://github.com/durable-execution-sdk/durable-execution-sdk
cd durable-execution-sdk
pip install -e '.[cli]'
durable run examples/waits/trial_period/app.py --skip-time --input '"ada@example.com"'
```

Every example is killed at each of its checkpoints by [`check_crash_safety`](proofs.md#a-crash-at-every-point), and does
the same as undisturbed.

A table has the counterpart of [each example of the Rust crates](coming-from/rust-examples.md).
"""

# The topics in the order of the page, each with its heading and a line about it. "" is for examples/NAME itself.
TOPICS = {
    "": ("A whole workflow", "Most operations together, in what `make demo` runs."),
    "steps": ("Steps", "Work that is recorded, and tried again: [steps.md](steps.md)."),
    "waits": ("Waits", "Time, polls and timers; nothing runs meanwhile."),
    "callbacks": ("Callbacks", "Answers from people and systems: [callbacks.md](callbacks.md)."),
    "invoke": ("Invoke", "Other functions, durable or not: [functions.md](functions.md)."),
    "map": ("Map", "The same for many items: [batches.md](batches.md)."),
    "parallel": ("Parallel", "Several things at once: [batches.md](batches.md)."),
    "combinators": (
        "Combinators",
        "All, the first, the first good one: [concurrency.md](concurrency.md).",
    ),
    "children": (
        "Child contexts",
        "Parts of a workflow with operations of their own: [concurrency.md](concurrency.md).",
    ),
    "sagas": ("Sagas", "Undoing what was done: [concurrency.md](concurrency.md#sagas)."),
    "errors": ("Errors", "Failures that the workflow expects: [errors.md](errors.md)."),
    "values": ("Values", "Types on the wire: [values.md](values.md)."),
    "testing": ("Testing", "Tests of workflows: [testing.md](testing.md), [proofs.md](proofs.md)."),
    "logging": ("Logging", "Lines, metrics and traces: [observability.md](observability.md)."),
    "agents": ("Agents", "Models and tools whose calls are recorded: [agents.md](agents.md)."),
    "patterns": ("Patterns", "Whole jobs, put together from the above."),
}

# Modules whose functions have names of operations.
MODULES = {"asyncio", "uuid", "anyio"}


@dataclass(frozen=True)
class Example:
    """An example: ``examples/TOPIC/NAME/app.py`` and its test."""

    folder: Path

    @property
    def path(self) -> str:
        """Return the path of its folder in the repository."""
        return str(self.folder.relative_to(ROOT))

    @property
    def topic(self) -> str:
        """Return its topic, or an empty text for an example without one."""
        return "" if self.folder.parent == EXAMPLES else self.folder.parent.name

    @cached_property
    def trees(self) -> list[ast.Module]:
        """Return the syntax trees of its modules, tests excluded, ``app.py`` first."""
        modules = [path for path in self.folder.glob("*.py") if not path.name.startswith("test_")]
        modules.sort(key=lambda path: (path.name != "app.py", path.name))
        return [ast.parse(path.read_text(encoding="utf-8")) for path in modules]

    @property
    def docstring(self) -> str:
        """Return the docstring of ``app.py``."""
        return ast.get_docstring(self.trees[0]) or ""

    @property
    def shows(self) -> str:
        """Return the first line of the docstring, as Markdown."""
        return re.sub("``([^`]+)``", r"`\1`", self.docstring.partition("\n")[0])

    @property
    def tests(self) -> list[Path]:
        """Return its test files."""
        return sorted(self.folder.glob("test_*.py"))

    @property
    def histories(self) -> list[Path]:
        """Return its golden histories."""
        return sorted((self.folder / "histories").glob("*.txt"))

    @property
    def command(self) -> list[str]:
        """Return the words of its ``durable run`` command, or of ``durable dev`` if it has none."""
        text = self.docstring.replace("\\\n", " ")
        lines = [line.strip() for line in text.splitlines()]
        commands = [line for line in lines if line.startswith(("durable run ", "durable dev "))]
        return shlex.split(commands[0]) if commands else []

    @property
    def operations(self) -> list[str]:
        """Return the names of the context's methods that it calls, in the order of the text."""
        names: dict[str, None] = {}
        for tree in self.trees:
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                owner, name = node.func.value, node.func.attr
                is_context = isinstance(owner, ast.Name) and owner.id not in MODULES
                if is_context and name in OPERATIONS:
                    names.setdefault("log" if name.startswith("log_") else name)
        return sorted(names, key=list(OPERATIONS).index)


# What the page calls an operation, in the order in which a row names them.
OPERATIONS = dict.fromkeys(
    (
        *("step", "wait", "wait_until", "wait_for_condition", "create_callback"),
        *("wait_for_callback", "invoke", "map", "parallel", "all", "any", "race", "all_settled"),
        *("run_in_child_context", "saga", "with_retry", "inbox", "continue_as_new", "patched"),
        *("set_status", "progress", "complete_execution_success", "complete_execution_failure"),
        *("now", "uuid4", "log"),
        *("log_debug", "log_info", "log_warn", "log_error"),
    )
)
assert set(OPERATIONS) - {"log"} <= set(dir(DurableContext))


def examples() -> list[Example]:
    """Return all examples, by topic and name."""
    folders = [path.parent for path in EXAMPLES.rglob("app.py")]
    found = [Example(folder) for folder in folders]
    return sorted(found, key=lambda example: (list(TOPICS).index(example.topic), example.path))


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for topic, (heading, line) in TOPICS.items():
        rows = [_row(example) for example in examples() if example.topic == topic]
        if rows:
            table = "\n".join(["| example | shows | operations |", "|---|---|---|", *rows])
            parts.append(f"## {heading}\n\n{line}\n\n{table}\n")
    return "\n".join(parts)


def _row(example: Example) -> str:
    link = f"[{example.folder.name}]({ADDRESS}/{example.path})"
    operations = ", ".join(f"`{name}`" for name in example.operations) or "-"
    return f"| {link} | {example.shows} | {operations} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
