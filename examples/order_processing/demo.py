"""Run the order in the foreground, and complete its callback as the warehouse does.

``durable run`` shows the progress. Meanwhile this script does the same as a user in a second terminal: it
lists the callbacks that the execution waits for, and completes them.
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


def simulate_warehouse(name: str, is_over: threading.Event) -> None:
    while not is_over.wait(0.5):
        for operation in pending_operations(name):
            if operation["callback_id"]:
                time.sleep(ANSWER_AFTER)
                result = json.dumps({"picked_by": "Ada"})
                durable("callback", "succeed", operation["callback_id"], "--data", result)


def pending_operations(name: str) -> list[dict[str, str | None]]:
    process = durable("show", name, "--json")
    return [] if process.returncode else json.loads(process.stdout)["waiting"]


def durable(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DURABLE, *words], capture_output=True, text=True, check=False)


def main() -> int:
    name = f"demo-{uuid.uuid4().hex[:6]}"
    is_over = threading.Event()
    warehouse = threading.Thread(target=simulate_warehouse, args=(name, is_over))
    warehouse.start()
    try:
        order = f"@{HERE / 'order.json'}"
        workflow = f"{HERE / 'app.py'}:process_order"
        command = [*DURABLE, "run", workflow, "--input", order, "--name", name, *sys.argv[1:]]
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        # ``durable run`` was interrupted as well, and has printed the command that continues.
        return 3
    finally:
        is_over.set()
        warehouse.join()


if __name__ == "__main__":
    sys.exit(main())
