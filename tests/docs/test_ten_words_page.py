"""The glossary of the documentation has the words of ARCHITECTURE.md, with the same meanings."""

from __future__ import annotations

import re

from tests.docs.tables import DOCS

PAGE = (DOCS / "ten-words.md").read_text(encoding="utf-8")
ARCHITECTURE = (DOCS.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_ten_words_are_those_of_the_architecture() -> None:
    section = ARCHITECTURE.partition("## Ten words")[2].partition("\n## ")[0]
    meanings = dict(re.findall(r"^\| ([a-z]+) \| (.+) \|$", section, re.MULTILINE))
    meanings.pop("word")
    paragraphs = PAGE.partition("## Other words")[0].split("\n\n")
    told = [
        re.match(r"\*\*(\w+)\*\*: (.*)", each, re.DOTALL)
        for each in paragraphs
        if each.startswith("**")
    ]
    assert len(meanings) == len(told) == 10
    for match in told:
        assert match is not None
        word, text = match.groups()
        assert " ".join(text.split()).startswith(meanings[word.lower()]), word
