"""The version of the SDK, a constant because reading package metadata slows the cold start, and where its pages are."""

from __future__ import annotations

__all__ = ["PAGES", "__version__"]

__version__ = "0.2.0"
"""The version of the package, as text."""

PAGES = "https://github.com/durable-execution-sdk/durable-execution-sdk/blob/main/docs"
"""The address of the documentation's pages, for messages, since an installed package has none of them."""
