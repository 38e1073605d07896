"""Loss for cost: what Weft reaches on tiny Shakespeare at the cost of nanoGPT's CPU configuration.

    python benchmarks/loss_for_cost.py [--iterations N] [--peer-seconds S]

The peer is that configuration (character level, 4 layers, 4 heads, width 128, blocks of 64, batches of 12, 2,000
steps, AdamW from 1e-3 down to 1e-4 by a cosine, 100 steps of warm-up, beta2 .99, no dropout, last tenth held out)
built on `transformers`' GPT-2 in a plain loop. Its cost is the CPU-seconds of its steps, on one thread, up to the
first evaluation of at most 2.54 bits per byte; where it ends above that, those of all its steps, which is less than
2.54 would take. Weft then gets so many steps as cost the same. On both sides the steps are counted: what
preparation, the start and evaluations of Weft cost is printed beside them.

Limit: at most 2.15 bits per byte of the last tenth.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stopwatch import Stopwatch

import weft
from weft.training.loop import Loop

DATA = Path(__file__).parents[2] / "shared" / "data" / "text" / "tinyshakespeare"
PEER_GOAL, LIMIT = 2.54, 2.15
BLOCK, BATCH, ITERATIONS, WARMUP = 64, 12, 2_000, 100
PROBE = 60
"""Steps of Weft that tell what one costs."""
PEAK, FLOOR = 1e-3, 1e-4
EVALUATE_EVERY = 200


@dataclass(frozen=True)
class Point:
    """A point of a curve: CPU-seconds of training so far, and bits per byte of the held-out tenth."""

    step: int
    seconds: float
    bits: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="Steps of the peer.")
    parser.add_argument("--peer-seconds", type=float, help="CPU-seconds of the peer, from an earlier run of this file.")
    arguments = parser.parse_args()
    peer_seconds = arguments.peer_seconds or measured_peer(arguments.iterations)
    watch, steps_of = Stopwatch(), count_steps()
    with tempfile.TemporaryDirectory(prefix="weft-benchmark-") as name:
        with watch("prepare"):
            corpus = weft.prepare(DATA, out=Path(name) / "corpus")
        with watch("probe"):
            train(corpus, Path(name) / "probe", PROBE)
        steps = round(peer_seconds / (steps_of.seconds / steps_of.count))
        before = steps_of.seconds
        with watch("train"):
            summary = train(corpus, Path(name) / "run", steps)
    reached = summary["validation"]["text"]["bits_per_byte"]
    print(f"weft    step {steps:5}  {steps_of.seconds - before:6.1f} CPU-seconds  {reached:.3f} bits per byte")
    watch.report()
    print(f"bits per byte {reached:.3f}, limit {LIMIT}: {'kept' if reached <= LIMIT else 'MISSED'}")
    return int(reached > LIMIT)


def measured_peer(iterations: int) -> float:
    """CPU-seconds that the peer needs to its goal."""
    curve = []
    for point in peer(iterations):
        curve.append(point)
        print(
            f"peer    step {point.step:5}  {point.seconds:6.1f} CPU-seconds  {point.bits:.3f} bits per byte", flush=True
        )
    there = next((point for point in curve if point.bits <= PEER_GOAL), curve[-1])
    print(f"peer: {there.bits:.3f} bits per byte at {there.seconds:.1f} CPU-seconds (step {there.step})")
    if there.bits > PEER_GOAL:
        print(f"      which is its end: {PEER_GOAL} would take longer, and Weft gets no more than this")
    return there.seconds


def peer(iterations: int) -> Iterator[Point]:
    """nanoGPT's CPU configuration with so many steps, one thread."""
    import numpy as np
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(1)
    torch.manual_seed(1337)
    content = (DATA / "input.txt").read_bytes()
    ids = torch.from_numpy(np.unique(np.frombuffer(content, np.uint8), return_inverse=True)[1]).long()
    train, held_out = ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]
    config = GPT2Config(
        vocab_size=int(ids.max()) + 1, n_positions=BLOCK, n_embd=128, n_layer=4, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, use_cache=False,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    decayed = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    other = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": 0.1}, {"params": other, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.99), fused=True)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        logits = model(rows[:, :-1]).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())

    @torch.no_grad()
    def bits() -> float:
        """Of every character but the first, in blocks that do not overlap."""
        total, count = 0.0, 0
        windows = held_out.unfold(0, BLOCK + 1, BLOCK)
        for rows in windows.split(64):
            total += float(loss(rows)) * rows[:, 1:].numel()
            count += rows[:, 1:].numel()
        return total / count / math.log(2)

    spent = 0.0
    for step in range(iterations):
        began = time.process_time()
        share = (step + 1) / WARMUP if step < WARMUP else cosine((step - WARMUP) / (iterations - WARMUP))
        for group in optimizer.param_groups:
            group["lr"] = PEAK * share
        starts = torch.randint(len(train) - BLOCK, (BATCH,))
        loss(torch.stack([train[start : start + BLOCK + 1] for start in starts])).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        spent += time.process_time() - began
        if (step + 1) % EVALUATE_EVERY == 0:
            yield Point(step + 1, spent, bits())


def cosine(place: float) -> float:
    """Share of the peak rate at a place from 0 to 1 of the descent."""
    floor = FLOOR / PEAK
    return floor + (1 - floor) * (1 + math.cos(math.pi * place)) / 2


@dataclass
class Steps:
    """CPU-seconds of optimizer steps, and their number."""

    seconds: float = 0.0
    count: int = 0


def count_steps() -> Steps:
    """Watch the steps of the loop from now on."""
    steps, whole = Steps(), Loop.train_step

    def train_step(loop: Loop) -> dict[str, float]:
        began = time.process_time()
        figures = whole(loop)
        steps.seconds += time.process_time() - began
        steps.count += 1
        return figures

    Loop.train_step = train_step  # type: ignore[method-assign]
    return steps


def train(corpus: weft.Corpus, out: Path, steps: int) -> dict[str, Any]:
    return weft.train(corpus, out=out, steps=steps, seed=1, threads=1, previews=0).summary()


if __name__ == "__main__":
    sys.exit(main())
