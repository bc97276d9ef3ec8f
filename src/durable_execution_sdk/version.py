"""The version of the SDK, a constant because reading package metadata slows the cold start."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.2.0"
"""The version of the package, as text."""
