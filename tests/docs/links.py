"""Find the files that pages link to, by relative links and by those of the repository on the web."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPOSITORY = "durable-execution-sdk/durable-execution-sdk"
PREFIXES = (
    f"https://github.com/{REPOSITORY}/blob/main/",
    f"https://raw.githubusercontent.com/{REPOSITORY}/main/",
)


def targets_of(page: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield each link of a page, with the file that it leads to; ``None`` for one that leads elsewhere."""
    text = page.read_text(encoding="utf-8")
    # What is in blocks of code is no link.
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        for prefix in PREFIXES:
            if link.startswith(prefix):
                yield link, ROOT / link.removeprefix(prefix)
                break
        else:
            is_elsewhere = link.startswith(("https://", "http://"))
            yield link, None if is_elsewhere else (page.parent / link).resolve()


def files_linked_from(*pages: Path) -> set[Path]:
    """Return the files to which the pages lead."""
    return {target for page in pages for _, target in targets_of(page) if target is not None}


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def anchors_linked_from(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield the headings to which a page leads: each with its page."""
    text = page.read_text(encoding="utf-8")
    for link, anchor in re.findall(r"\]\(([^):#]*)#([^)]+)\)", text):
        target = (page.parent / link).resolve() if link else page
        if target.suffix == ".md":
            yield target, anchor
