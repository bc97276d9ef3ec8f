"""Replay a recorded history in this process: ``python -m tests.agents.replay_elsewhere ADAPTER SCENARIO HISTORY``."""

from __future__ import annotations

import sys

from tests.agents.scenarios import WORLD, handler_of

from durable_execution_sdk.testing import check_replay_sync

if __name__ == "__main__":
    adapter, scenario, history = sys.argv[1:]
    check_replay_sync(handler_of(adapter, scenario, pause=True), history).raise_if_failed()
    if WORLD.done:
        sys.exit(f"replay ran code of steps: {WORLD.done}")
