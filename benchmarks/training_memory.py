"""Peak memory of a training step at 124 million parameters and 1,024 tokens, beside a plain loop around transformers.

Each side has a process of its own; on the CPU the largest resident set of the process is read, libraries included, on
CUDA the largest allocation. Full precision on the CPU, bfloat16 on CUDA; fused AdamW on both sides; medians.
Limit: at most 0.8 of the plain loop.

    python benchmarks/training_memory.py [--device cpu|cuda] [--repeats N]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from contextlib import nullcontext

import torch
from qwen3_peer import batch_of, config_of, our_step, peer_step

from weft.models.allocation import freed_memory_kept

LIMIT = 0.8
CONFIG = config_of(32_000, 1024, 12, 832, 64, 2208)
STEPS = 2
"""The second has the optimizer's state from the first."""
SIDES = {"transformers": peer_step, "weft": our_step}


def measure(side: str, device: torch.device) -> float:
    """Peak memory in GiB of this process after some steps."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    # As `weft train` does.
    with freed_memory_kept() if side == "weft" else nullcontext():
        step = SIDES[side](CONFIG, batch_of(CONFIG, 1), device)
        for _ in range(STEPS):
            step()
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    # Kilobytes, but on macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def in_process(side: str, device: str) -> float:
    command = [sys.executable, __file__, "--side", side, "--device", device]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(measure(given.side, torch.device(given.device)))
        return 0
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(given.repeats):
        for side, values in found.items():
            values.append(in_process(side, given.device))
    peaks = {side: statistics.median(values) for side, values in found.items()}
    ratio = peaks["weft"] / peaks["transformers"]
    print(f"{given.device}: " + ", ".join(f"{side} {peak:.2f} GiB" for side, peak in peaks.items()))
    print(f"ratio {ratio:.3f}  limit {LIMIT}: {'kept' if ratio <= LIMIT else 'MISSED'}")
    if given.device != "cuda":
        print("no GPU was measured")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
