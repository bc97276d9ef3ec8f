"""Write llms.txt, the list of all pages for coding assistants, from the navigation of the site.

python -m tools.site.llms
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from tools.site.stage import DOCS, PACKAGE, ROOT

RAW = "https://raw.githubusercontent.com/durable-execution-sdk/durable-execution-sdk/main"
FILE = PACKAGE / "llms.txt"


def text() -> str:
    """Return the file: the package in a sentence, and a link to each page in the sections of the navigation."""
    project: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
    head = (
        f"# {project['site_name']}\n\n> {project['site_description']}\n\n"
        "The rules of replay, the API and the commands on one page:"
        f" [AGENTS.md]({RAW}/src/durable_execution_sdk/AGENTS.md), which is in the package too."
        " The reference is in the docstrings: `python -m pydoc durable_execution_sdk.StepConfig`.\n"
    )
    sections = {title: entries for section in project["nav"] for title, entries in section.items()}
    # The pages of the reference are made from the code.
    del sections["Reference"]
    return head + "".join(_section(title, entries) for title, entries in sections.items())


def _section(title: str, entries: Any) -> str:
    lines = [f"- [{name}]({RAW}/docs/{page})" for name, page in _pages(entries)]
    return f"\n## {title}\n\n" + "\n".join(lines) + "\n"


def _pages(place: Any) -> Iterator[tuple[str, str]]:
    """Yield the title and the path of each page."""
    if isinstance(place, str):
        heading = (DOCS / place).read_text("utf-8").partition("\n")[0]
        yield heading.removeprefix("# ").replace("`", ""), place
    elif isinstance(place, dict):
        for inner in place.values():
            yield from _pages(inner)
    else:
        for inner in place:
            yield from _pages(inner)


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
