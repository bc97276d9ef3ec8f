"""The version of the SDK, kept apart because reading package metadata is slow to import."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.2.0"
