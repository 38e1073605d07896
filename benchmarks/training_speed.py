"""Training tokens a second beside a plain loop around transformers' Qwen3.

Same architecture, batch, precision and optimizer (fused AdamW) on both sides, turn by turn; medians. Each side has a
process of its own, as in use: there `weft train` keeps freed memory for the next step, and a plain loop does not.
Limit: at least 1.15 times as fast at 1, 5 and 30 million parameters on the CPU, compiled where `weft train` compiles a
run that is long enough, else as it is. Both ways, and Muon, are timed beside it.
On CUDA (bfloat16, compiled) at 124 and 350 million parameters the share of the card's peak is printed; at least 45 %.

    python benchmarks/training_speed.py [--device cpu|cuda] [--threads N] [--repeats N] [--sizes 1M ...]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Self

import torch
from qwen3_peer import Step, batch_of, config_of, our_step, peer_step
from torch import nn

from weft.models.allocation import freed_memory_kept
from weft.models.config import ModelConfig
from weft.models.transformer import Transformer, parameter_count
from weft.training.optimizers import build_optimizers
from weft.training.precision import SHORTEST_COMPILED, choose_compile
from weft.training.throughput import peak_of, training_flops_per_token

Make = partial[Step]
"""Makes the step of a side, in its process."""

LIMIT = 1.15
SHARE_OF_PEAK = 0.45
SECONDS = 2.0
"""A figure is the mean of as many steps as this takes, and of one at least."""

CPU = {
    "1M": (config_of(512, 128, 4, 128, 32, 352), 8),
    "5M": (config_of(2048, 256, 6, 256, 64, 672), 8),
    "30M": (config_of(4096, 512, 10, 512, 64, 1376), 4),
}
CUDA = {
    "124M": (config_of(32_000, 1024, 12, 832, 64, 2208), 32),
    "350M": (config_of(32_000, 1024, 22, 1152, 64, 3072), 16),
}
"""Shape and rows of a batch. That of 1M is the size nano with its batch."""


def seconds_a_step(step: Step, steps: int, device: torch.device) -> float:
    began = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / steps


def compare(sides: Mapping[str, Make], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of a step of each side in each turn; taken in turn so that other load meets all of them alike."""
    with ExitStack() as stack:
        running = {name: stack.enter_context(Side(make, device)) for name, make in sides.items()}
        for side in running.values():
            side.turn(2)
        steps = max(1, round(SECONDS / next(iter(running.values())).turn(1)))
        times: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(repeats):
            for name, side in running.items():
                times[name].append(side.turn(steps))
    return times


class Side:
    """A process that takes steps when it is its turn."""

    def __init__(self, make: Make, device: torch.device) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, device, torch.get_num_threads()))

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # where it has failed
            self._pipe.send(0)
        self._process.join()

    def turn(self, steps: int) -> float:
        """Seconds of one of so many steps."""
        try:
            self._pipe.send(steps)
            return float(self._pipe.recv())
        except (EOFError, OSError) as error:
            raise RuntimeError("a side of the comparison failed; see above") from error


def _serve(pipe: Connection, make: Make, device: torch.device, threads: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with freed_memory_kept() if make.func is our_step else nullcontext():
        step = make()
        while steps := pipe.recv():
            pipe.send(seconds_a_step(step, steps, device))


def ratio_of(peer: Sequence[float], ours: Sequence[float]) -> float:
    """How many times as fast: the median of the turns, so that a machine that slows down meanwhile does not count."""
    return statistics.median(a / b for a, b in zip(peer, ours, strict=True))


def muon(model: nn.Module) -> list[torch.optim.Optimizer]:
    return build_optimizers(model, 0.02, 0.0)


def on_cpu(name: str, config: ModelConfig, rows: int, repeats: int) -> bool:
    device, ids = torch.device("cpu"), batch_of(config, rows)
    sides = {"transformers": partial(peer_step, config, ids, device), "weft": partial(our_step, config, ids, device)}
    chosen = "weft"
    if choose_compile(None, device, SHORTEST_COMPILED, config.width).value:
        chosen = "weft, compiled"
        sides[chosen] = partial(our_step, config, ids, device, compiled=True)
    sides["weft, Muon"] = partial(our_step, config, ids, device, muon)
    times = compare(sides, repeats, device)
    ratios = {side: ratio_of(times["transformers"], seconds) for side, seconds in times.items()}
    kept = ratios[chosen] >= LIMIT
    for side, seconds in times.items():
        verdict = f"  limit {LIMIT}: {'kept' if kept else 'MISSED'}" if side == chosen else ""
        pace = rows * config.context_length / statistics.median(seconds)
        print(f"{name:5} {side:14} {pace:9,.0f} tokens/s  ratio {ratios[side]:.3f}{verdict}")
    return kept


def on_cuda(name: str, config: ModelConfig, rows: int, repeats: int) -> bool:
    device, ids = torch.device("cuda"), batch_of(config, rows)
    with torch.device("meta"):
        flops = training_flops_per_token(Transformer(config), config.context_length)
    peak = peak_of(device, "bfloat16")
    assert flops is not None
    sides = {
        "transformers": partial(peer_step, config, ids, device, compiled=True),
        "weft": partial(our_step, config, ids, device, compiled=True),
    }
    times = {side: statistics.median(seconds) for side, seconds in compare(sides, repeats, device).items()}
    share = {side: rows * config.context_length / seconds * flops / peak.flops for side, seconds in times.items()}
    kept = share["weft"] >= SHARE_OF_PEAK
    for side, seconds in times.items():
        verdict = f"  limit {SHARE_OF_PEAK:.0%}: {'kept' if kept else 'MISSED'}" if side == "weft" else ""
        print(
            f"{name:5} {side:14} {rows * config.context_length / seconds:11,.0f} tokens/s, {share[side]:.1%} of the "
            f"{peak.source} peak{verdict}"
        )
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sizes", nargs="*", choices=[*CPU, *CUDA])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cases, run = (CUDA, on_cuda) if given.device == "cuda" else (CPU, on_cpu)
    print(f"{given.device}, torch {torch.__version__}, {given.threads} threads, medians of {given.repeats}")
    kept = True
    for name, (config, rows) in cases.items():
        if given.sizes and name not in given.sizes:
            continue
        with torch.device("meta"):
            count = parameter_count(Transformer(config))
        print(f"{name}: {count / 1e6:.2f} M parameters, {rows} rows of {config.context_length} tokens")
        kept &= run(name, config, rows, given.repeats)
    if given.device != "cuda":
        print("no GPU was measured")
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
