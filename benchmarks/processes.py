"""Two processes beside one, with one thread each, at an equal global batch: tokens a second of `weft train`.

    python benchmarks/processes.py [--rounds N] [--shard full]

Limit: 1.7 times. One line a size; start-up is left out, since it does not grow with the training.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import weft

DATA = Path(__file__).parents[2] / "shared" / "data" / "text" / "tinyshakespeare"
LIMIT = 1.7
CASES = {"nano": ["--steps", "60", "--batch-size", "16"], "5M": ["--steps", "30", "--batch-size", "16"]}


def seconds_a_step(corpus: Path, run: Path, size: str, processes: int, shard: str) -> float:
    """Of the rows of the log after the first, which has the start in it."""
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(several if processes > 1 else []), "-m", "weft", "train", str(corpus)]
    options = ["--out", str(run), "--size", size, *CASES[size], "--context", "128", "--seed", "1", "--threads", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if processes > 1:
        options += ["--shard", shard]
    done = subprocess.run([*command, *options, "--quiet"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = [row for row in rows if "seconds" in row]
    pairs = itertools.pairwise(logged)
    paces = [(b["seconds"] - a["seconds"]) / (b["step"] - a["step"]) for a, b in pairs]
    return statistics.median(paces)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shard", default="none", choices=["none", "full"])
    arguments = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as name:
        folder = Path(name)
        corpus = weft.prepare(DATA, out=folder / "corpus")
        for size in CASES:
            ratios = []
            for number in range(arguments.rounds):
                one, two = (
                    seconds_a_step(corpus.path, folder / f"{size}-{number}-{count}", size, count, arguments.shard)
                    for count in (1, 2)
                )
                ratios.append(one / two)
                print(f"{size}: one process {one:.3f} s a step, two {two:.3f} s: {one / two:.2f} times", flush=True)
            ratio = statistics.median(ratios)
            missed += ratio < LIMIT
            print(f"{size}: median {ratio:.2f} times  limit {LIMIT}: {'kept' if ratio >= LIMIT else 'MISSED'}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
