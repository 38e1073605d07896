"""How long the command line and ``import weft`` take to start, with all installed plugins.

Limits: 300 ms for ``weft --help`` and ``weft plugins``, 150 ms for ``import weft``. The best of several runs
is printed, beside the time of a bare interpreter, since other work on the machine only ever adds to it.

    python benchmarks/startup.py [RUNS]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

CASES = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    "import weft": ([sys.executable, "-c", "import weft"], 150),
    "weft --help": ([sys.executable, "-m", "weft", "--help"], 300),
    "weft plugins": ([sys.executable, "-m", "weft", "plugins"], 300),
    "weft plugins --check": ([sys.executable, "-m", "weft", "plugins", "--check"], None),
}


def measure(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    missed = 0
    for name, (command, limit) in CASES.items():
        wall, cpu = min(measure(command) for _ in range(runs))
        verdict = "" if limit is None else f"  limit {limit} ms: {'kept' if wall * 1000 <= limit else 'MISSED'}"
        missed += "MISSED" in verdict
        print(f"{name:22} {wall * 1000:6.0f} ms wall, {cpu * 1000:6.0f} ms CPU{verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
