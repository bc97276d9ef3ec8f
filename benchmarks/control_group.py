"""A process on a fraction of a core, by the kernel's control groups.

Lambda gives a function a share of a core that grows with its memory: 1,769 MB are a whole one. The kernel
lets a group run for its quota in each period, and then stops it until the next one begins.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD = 20_000  # microseconds


class NoControlGroupError(Exception):
    """This process may not make control groups; on most machines only root may."""


@contextmanager
def fraction_of_core(cores: float) -> Iterator[list[str]]:
    """Provide the start of a command line whose process runs on so much of a core."""
    quota = round(cores * PERIOD)
    second = (ROOT / "cgroup.controllers").exists()
    parent = ROOT if second else ROOT / "cpu"
    group = parent / f"bench-{os.getpid()}-{quota}"
    try:
        group.mkdir()
    except OSError as error:
        raise NoControlGroupError(str(error)) from error
    try:
        try:
            if second:
                (group / "cpu.max").write_text(f"{quota} {PERIOD}")
            else:
                (group / "cpu.cfs_period_us").write_text(str(PERIOD))
                (group / "cpu.cfs_quota_us").write_text(str(quota))
        except OSError as error:
            raise NoControlGroupError(str(error)) from error
        # The shell joins the group, and becomes the process. It takes about a millisecond itself.
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        group.rmdir()
