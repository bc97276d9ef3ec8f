"""Runs the order in the foreground, and plays the warehouse that answers the callback.

``durable run`` shows the progress; meanwhile this script does what a second terminal would do: it
looks at what the execution waits for, and answers.
"""

import json
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

HERE = Path(__file__).parent
DURABLE = [sys.executable, "-m", "durable_execution_sdk.cli.main"]
ANSWER_AFTER = 2.0


def play_warehouse(name: str, over: threading.Event) -> None:
    while not over.wait(0.5):
        for waiting in waits(name):
            if waiting["callback_id"]:
                time.sleep(ANSWER_AFTER)
                answer = json.dumps({"picked_by": "Ada"})
                durable("callback", "succeed", waiting["callback_id"], "--data", answer)


def waits(name: str) -> list[dict[str, str | None]]:
    shown = durable("show", name, "--json")
    return [] if shown.returncode else json.loads(shown.stdout)["waiting"]


def durable(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DURABLE, *words], capture_output=True, text=True, check=False)


def main() -> int:
    name = f"demo-{uuid.uuid4().hex[:6]}"
    over = threading.Event()
    warehouse = threading.Thread(target=play_warehouse, args=(name, over))
    warehouse.start()
    try:
        order = f"@{HERE / 'order.json'}"
        workflow = f"{HERE / 'app.py'}:process_order"
        run = [*DURABLE, "run", workflow, "--input", order, "--name", name, *sys.argv[1:]]
        return subprocess.run(run, check=False).returncode
    except KeyboardInterrupt:
        # The run got it too, and has said how to go on.
        return 3
    finally:
        over.set()
        warehouse.join()


if __name__ == "__main__":
    sys.exit(main())
