"""CPU time of importing the SDK, beside that of importing asyncio and msgspec alone.

Each import runs in a fresh interpreter, in turn; the figures are CPU milliseconds beyond a bare
interpreter, the best of several runs, with compiled byte code.

    python benchmarks/import_time.py [RUNS]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

STATEMENTS = {
    "bare interpreter": "pass",
    "asyncio, msgspec": "import asyncio, msgspec",
    "durable_execution_sdk": "import durable_execution_sdk",
}


def cpu(statement: str, environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    cpu("import durable_execution_sdk", environment)
    best = dict.fromkeys(STATEMENTS, float("inf"))
    for _ in range(runs):
        for name, statement in STATEMENTS.items():
            best[name] = min(best[name], cpu(statement, environment))
    bare = best.pop("bare interpreter")
    for name, seconds in best.items():
        print(f"  {name:24s} {(seconds - bare) * 1e3:6.1f} ms")
    floor, ours = (best[name] - bare for name in best)
    print(f"  ratio {ours / floor:.2f} (target: at most 1.3)")


if __name__ == "__main__":
    main()
