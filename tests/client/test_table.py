"""The page about the client names what the endpoints of its suite lack."""

from __future__ import annotations

from pathlib import Path

from tests.client.endpoints import LACKS

PAGE = Path(__file__).parents[2] / "docs" / "client.md"


def test_the_page_has_the_table_of_the_suite() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    table = rows[rows.index("| part | AWS's emulator |") + 1 :]
    assert table == [f"| {part} | {text} |" for part, text in LACKS["AWS's emulator"].items()]
    assert not LACKS["engine"] and not LACKS["durable dev"]
