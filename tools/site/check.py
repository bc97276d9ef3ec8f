"""Check the built site: a page for each source, and nothing that a browser would load from elsewhere.

Zensical itself reports links and headings that are not there. A page that it cannot write, as one that names an
object that does not exist, it leaves out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from tools.site.stage import ROOT, STAGE

SITE = ROOT / "site"
# Elements by which a page loads a file. A link of an `a` only leads somewhere.
_LOADED = re.compile(
    r"<(?:script|link|img|iframe|source|video)\b[^>]*\b(?:src|href)=\"?((?:https?:)?//[^\">\s]*)"
)


def _headings(text: str) -> int:
    return len(
        re.findall(
            r"^#+ ", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
        )
    )


def complaints() -> Iterator[str]:
    """Yield a sentence for each mistake."""
    for source in sorted(STAGE.rglob("*.md")):
        name = source.relative_to(STAGE)
        page = SITE / name.with_suffix(".html")
        if not page.exists():
            yield f"{name} could not be written: see above for the name that was not found"
            continue
        written, shown = (
            _headings(source.read_text("utf-8")),
            page.read_text("utf-8").count('class="headerlink"'),
        )
        if shown < written:
            yield f"{name} has {written} headings, of which the site shows {shown}: a block of code before one is not closed"
    for page in sorted(SITE.rglob("*.html")):
        for address in _LOADED.findall(page.read_text("utf-8")):
            yield f"{page.relative_to(SITE)} loads {address}"


if __name__ == "__main__":
    found = list(complaints())
    print(*found, sep="\n")
    sys.exit(bool(found))
