"""The pictures of replay show what executions do now, and are readable in light and dark surroundings."""

from __future__ import annotations

import re

import pytest
from tests.docs.tables import DOCS

from tools import replay_pictures

READABLE = 4.5  # the contrast that WCAG 2.2 asks of text


@pytest.mark.parametrize("file", replay_pictures.PICTURES)
def test_a_picture_is_that_of_an_execution_of_now(file: str) -> None:
    drawn = (replay_pictures.IMAGES / file).read_text(encoding="utf-8")
    assert drawn == replay_pictures.PICTURES[file](), "run: python tools/replay_pictures.py"


@pytest.mark.parametrize("file", replay_pictures.PICTURES)
def test_a_picture_is_on_the_page_with_a_text_in_its_place(file: str) -> None:
    page = (DOCS / "how-replay-works.md").read_text(encoding="utf-8")
    [words] = re.findall(rf"!\[([^]]+)\]\(images/{file}\)", page)
    assert len(words.split()) > 10


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [replay_pictures.LIGHT, replay_pictures.DARK])
def test_the_text_of_each_cell_can_be_read(colours: dict[str, tuple[str, str]]) -> None:
    assert colours.keys() == replay_pictures.LIGHT.keys()
    for fill, text in colours.values():
        dark, light = sorted((luminance(fill), luminance(text)))
        assert (light + 0.05) / (dark + 0.05) >= READABLE
