"""Lay out the sources of the documentation site in build/docs, from docs/.

Links that leave docs/ become those of the repository, the page of the command is written from its help, and that for
assistants holds what the package gives them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tools.site.commands import markdown

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
STAGE = ROOT / "build" / "docs"
REPOSITORY = "https://github.com/durable-execution-sdk/durable-execution-sdk"
PACKAGE = ROOT / "src" / "durable_execution_sdk"
COMMANDS = "<!-- commands -->"
AGENTS = "<!-- AGENTS.md -->"

_LINK = re.compile(r"(!?\[[^\]]*\]\()(\.\.?/[^)\s]+)(\))")


def staged(page: Path) -> str:
    """Return the text of a page of docs/, as the site has it."""

    def outward(match: re.Match[str]) -> str:
        target, mark, anchor = match[2].partition("#")
        path = (page.parent / target).resolve()
        if path.is_relative_to(DOCS):
            return match[0]
        kind = "tree" if path.is_dir() else "blob"
        link = f"{REPOSITORY}/{kind}/main/{path.relative_to(ROOT).as_posix()}"
        return f"{match[1]}{link}{mark}{anchor}{match[3]}"

    text = _LINK.sub(outward, page.read_text("utf-8"))
    if COMMANDS in text:
        text = text.replace(COMMANDS, markdown())
    if AGENTS in text:
        text = text.replace(AGENTS, (PACKAGE / "AGENTS.md").read_text("utf-8").partition("\n")[2])
    return text


def main() -> None:
    """Write the files anew."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for source in sorted(path for path in DOCS.rglob("*") if path.is_file()):
        target = STAGE / source.relative_to(DOCS)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            target.write_text(staged(source), "utf-8")
        else:
            shutil.copyfile(source, target)
    # Where assistants look for them: at the root of the site.
    shutil.copyfile(PACKAGE / "llms.txt", STAGE / "llms.txt")


if __name__ == "__main__":
    main()
