"""Every row of the tables on the page about values is true, and its example runs."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from durable_execution_sdk import ConfigError, SerDesError, durable_execution
from durable_execution_sdk.serdes import JsonSerDes, SerDesContext
from durable_execution_sdk.serdes.round_trip.fidelity import difference
from durable_execution_sdk.testing import LocalDurableTestRunner

PAGE = (Path(__file__).parents[2] / "docs" / "values.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CONTEXT = SerDesContext(operation_id="1", operation_name="load")


def names_of(number: int) -> dict[str, Any]:
    """Return the names that a block of the page defines in a new module."""
    module = types.ModuleType(f"values_page_{number}")
    sys.modules[module.__name__] = module
    exec(compile(BLOCKS[number], module.__name__, "exec", dont_inherit=True), vars(module))
    return vars(module)


NAMES = names_of(0)


def rows(heading: str) -> list[tuple[str, ...]]:
    """Return the cells of the table below a heading, without the head."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = (re.split(r"(?<!\\)\|", line)[1:-1] for line in lines)
    return [tuple(cell.strip().replace("\\|", "|") for cell in row) for row in cells]


def evaluated(cell: str) -> Any:
    return eval(cell.strip("`"), NAMES)


WITH = rows("With an annotation")
WITHOUT = rows("Without an annotation")


@pytest.mark.parametrize(("annotation", "value", "told"), WITH)
def test_with_an_annotation(annotation: str, value: str, told: str) -> None:
    kind = evaluated(annotation)
    if told.startswith("kept"):
        serdes: JsonSerDes[Any] = JsonSerDes(kind)
        given = evaluated(value)
        made = serdes.deserialize(serdes.serialize(given, CONTEXT), CONTEXT)
        assert made == given
        assert difference(given, made) is None
        return
    match = re.match(r"(refused|ConfigError) at `(.*?)`", told)
    assert match is not None, told
    with pytest.raises(SerDesError if match[1] == "refused" else ConfigError) as caught:
        JsonSerDes(kind).serialize(evaluated(value), CONTEXT)
    assert re.search(rf"[ `]{re.escape(match[2])}[ `,]", str(caught.value))


@pytest.mark.parametrize(("value", "told"), WITHOUT)
def test_without_an_annotation(value: str, told: str) -> None:
    serdes = JsonSerDes()
    if told.startswith("refused"):
        with pytest.raises(SerDesError, match=r"operation 'load' \(1\): \$ "):
            serdes.serialize(evaluated(value), CONTEXT)
        return
    made = serdes.deserialize(serdes.serialize(evaluated(value), CONTEXT), CONTEXT)
    assert difference(evaluated(told), made) is None


def test_the_page_has_its_rows() -> None:
    assert len(WITH) > 30
    assert len(WITHOUT) > 5


def test_the_example_asks_again() -> None:
    approval = names_of(1)["approval"]

    @durable_execution
    async def workflow(event: Any, ctx: Any) -> bool:
        decision = await approval(ctx, lambda callback_id: None)
        return bool(decision.approved)

    runner = LocalDurableTestRunner(workflow).sync
    runner.start()
    runner.wait_for_callback("approval-0 create callback id").succeed(
        {"aproved": True}, check=False
    )
    runner.wait_for_callback("approval-1 create callback id").succeed({"approved": True})
    assert json.dumps(runner.complete().result) == "true"


def test_the_result_of_a_handler_is_checked_by_its_reader_only() -> None:
    @durable_execution
    async def wrong(event: None, ctx: Any) -> str:
        result: Any = {"a": 1}
        return result  # type: ignore[no-any-return]

    outcome = LocalDurableTestRunner(wrong).run_sync(None)
    assert (outcome.status, outcome.described.result) == ("SUCCEEDED", '{"a":1}')
    with pytest.raises(SerDesError, match=r"does not fit str.*at `\$`"):
        assert outcome.result
