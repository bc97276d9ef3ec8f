"""Lines that are held while it is not known if they are new: they are as they were written, and harm no execution."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from tests.memory_service import MemoryService

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.protocol.operations import OperationStatus

LOGGER = logging.getLogger("tests.held")


class Handler(logging.Handler):
    """A handler that formats as it emits, and whose device may be full."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, object]] = []
        self.errors: list[logging.LogRecord] = []
        self.is_full = False

    def emit(self, record: logging.LogRecord) -> None:
        if self.is_full:
            raise OSError("no space left on device")
        try:
            self.written.append((record.getMessage(), getattr(record, "cart", None)))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        self.errors.append(record)


@pytest.fixture
def handler() -> Iterator[Handler]:
    added = Handler()
    LOGGER.addHandler(added)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    yield added
    LOGGER.removeHandler(added)


async def one() -> int:
    return 1


def run(write: Callable[[DurableContext], object], *, is_new: bool) -> Any:
    """Run over a log with news; ``is_new``: the code then shows that the last invocation did not come so far."""

    async def workflow(event: Any, ctx: DurableContext) -> None:
        news = ctx.wait(Duration.from_seconds(60), name="news")
        if service.operations:
            write(ctx)
            if is_new:
                await ctx.step(one)
        await news

    service = MemoryService()
    bound = durable_execution(logger=LOGGER)(workflow).bind(service)
    assert bound(service.event("null"), None)["Status"] == "PENDING"
    [wait] = service.operations.values()
    service.operations[wait.id] = msgspec.structs.replace(
        wait, status=OperationStatus.SUCCEEDED, end_timestamp=61_000
    )
    return bound({**service.event("null"), "UpdatedOperationIds": [wait.id]}, None)["Status"]


class Wordless:
    """An object that cannot be shown."""

    def __str__(self) -> str:
        raise LookupError("no words")


WRONG: dict[str, Callable[[DurableContext], object]] = {
    "arguments of another type": lambda ctx: ctx.logger.info("%d items", "many"),
    "too few arguments": lambda ctx: ctx.logger.info("%s and %s", 1),  # noqa: PLE1206
    "an argument without a text": lambda ctx: ctx.logger.info("%s", Wordless()),
    "a message without a text": lambda ctx: ctx.logger.info(Wordless()),
    "of another logger": lambda ctx: LOGGER.info("%d items", "many"),
}


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("line", WRONG)
def test_a_line_that_cannot_be_formatted_is_the_handlers_to_report(
    line: str, is_new: bool, handler: Handler
) -> None:
    assert run(WRONG[line], is_new=is_new) == "SUCCEEDED"
    assert handler.written == []
    # As in a single invocation: each line that is written is reported once.
    assert len(handler.errors) == is_new


@pytest.mark.parametrize("is_new", [False, True])
def test_a_handler_that_fails_when_a_line_is_written_later_harms_no_execution(
    is_new: bool, handler: Handler, capfd: pytest.CaptureFixture[str]
) -> None:
    def write(ctx: DurableContext) -> None:
        ctx.log_info("one")
        ctx.log_info("two")

    handler.is_full = True
    assert run(write, is_new=is_new) == "SUCCEEDED"
    told = capfd.readouterr().err
    assert told.count("OSError: no space left on device") == 2 * is_new
    assert all((f"Message: '{line}'" in told) == is_new for line in ("one", "two"))


@dataclass
class Cart:
    items: list[int]


@pytest.mark.parametrize(
    "make", [list, Cart, lambda items: {"items": items}], ids=["list", "object", "mapping"]
)
def test_fields_are_those_of_the_moment_in_which_the_line_was_written(
    make: Callable[[list[int]], object], handler: Handler
) -> None:
    def write(ctx: DurableContext) -> None:
        items = [1]
        cart = items if make is list else make(items)
        ctx.log_info("asked", cart=cart)
        ctx.logger.info("asked", extra={"cart": cart})
        LOGGER.info("asked", extra={"cart": cart})
        items.append(2)

    assert run(write, is_new=True) == "SUCCEEDED"
    assert handler.written == [("asked", make([1]))] * 3


def test_a_field_that_cannot_be_copied_is_written_as_it_is(handler: Handler) -> None:
    lock = Uncopied()
    assert run(lambda ctx: ctx.log_info("held", cart=lock), is_new=True) == "SUCCEEDED"
    assert handler.written == [("held", lock)]


class Uncopied:
    """An object that refuses to be copied."""

    def __deepcopy__(self, memo: object) -> Uncopied:
        raise TypeError("cannot be copied")
