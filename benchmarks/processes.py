"""Two processes beside one, with one thread each, at an equal global batch: tokens a second of `weft train`.

    python benchmarks/processes.py [--rounds N] [--shard full]

Limit: 1.7 times. One line a size; start-up is left out, since it does not grow with the training,
and so are evaluations, which the processes share as they share steps.
"""

from __future__ import annotations

import argparse
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


def tokens_per_second(corpus: Path, run: Path, size: str, processes: int, shard: str) -> float:
    """As logged: the median of the rows, of all processes together."""
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
    # The first has the start in it; how long evaluations and checkpoints take is in none.
    return statistics.median(row["tokens_per_second"] for row in rows[1:] if "tokens_per_second" in row)


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
                    tokens_per_second(corpus.path, folder / f"{size}-{number}-{count}", size, count, arguments.shard)
                    for count in (1, 2)
                )
                ratios.append(two / one)
                print(f"{size}: one process {one:,.0f} tokens/s, two {two:,.0f}: {two / one:.2f} times", flush=True)
            ratio = statistics.median(ratios)
            missed += ratio < LIMIT
            print(f"{size}: median {ratio:.2f} times  limit {LIMIT}: {'kept' if ratio >= LIMIT else 'MISSED'}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
