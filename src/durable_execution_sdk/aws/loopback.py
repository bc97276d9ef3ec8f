"""Addresses of this computer, whose servers need no credentials of AWS."""

from __future__ import annotations

import ipaddress

__all__ = ["is_loopback"]


def is_loopback(name: str) -> bool:
    """Tell whether a host's name or address is reachable from this computer only."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
