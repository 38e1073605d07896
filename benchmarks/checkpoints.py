"""What saving costs: the pause of a checkpoint as a share of the training time.

Weights, averaged weights and the optimizer's state of a real loop are copied, written, hashed, synced and named, as
after a step of a run. At nano the pauses of a run of five minutes are counted, with all its evaluations; at 124 million
parameters one pause for each default interval. Medians; wall time, since waiting for the disk is most of it.
Limit: under 5 % of the training time.

    python benchmarks/checkpoints.py [--sizes nano small] [--repeats N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from weft.codecs.vocabulary import Vocabulary
from weft.interfaces.trainer import Dataset
from weft.models.sizes import pick_size
from weft.storage.checkpoints import CheckpointStore, TrainingState
from weft.storage.keep import Keep
from weft.training.calibration import EVALUATIONS
from weft.training.data import Row
from weft.training.decisions import DEFAULT_MINUTES, KEEP
from weft.training.keeping import MINUTES, PAUSE_SHARE
from weft.training.loop import Loop, LoopSettings
from weft.training.next_token import NextTokenTrainer, TrainingContext

LIMIT = 0.05
VOCABULARY = {"nano": 512, "small": 32_000}
LENGTH = 64


class Noise(Dataset[Row]):
    """Rows of random ids."""

    def __init__(self, ids: int) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return 8

    def draw(self, index: int, epoch: int) -> Row:
        ids = np.random.default_rng(index).integers(2, self._ids, LENGTH + 1)
        return Row(ids, np.ones(LENGTH + 1, np.bool_), "text")


def make_loop(size: str) -> Loop:
    """A loop after its first step, so that the optimizer has a state."""
    vocabulary = Vocabulary.build({"text": VOCABULARY[size]})
    config = pick_size(size).config(vocabulary.size, LENGTH)
    trainer = NextTokenTrainer(TrainingContext(config, vocabulary, ["text"]))
    settings = LoopSettings(steps=100, batch_size=1, ema=0.999)
    loop = Loop(trainer, Noise(vocabulary.size), settings, torch.device("cpu"))
    loop.train_step()
    return loop


def size_of(state: TrainingState) -> int:
    parts = (state.model, state.optimizer, state.average)
    return sum(tensor.numel() * tensor.element_size() for part in parts for tensor in part.values())


def pauses(loop: Loop, folder: Path, repeats: int) -> list[float]:
    """Seconds of some checkpoints, after as many as stay."""
    store, seconds = CheckpointStore(folder), []
    for step in range(1, KEEP + repeats + 1):
        loop.step = step
        began = time.perf_counter()
        store.save(loop.state({}), best=False, keep=Keep(KEEP))
        seconds.append(time.perf_counter() - began)
    return seconds[KEEP:]


def share_of(size: str, pause: float) -> tuple[str, float]:
    if size == "nano":
        saved = max(EVALUATIONS) + 1
        return f"{saved} in a run of {DEFAULT_MINUTES:g} minutes", saved * pause / (60 * DEFAULT_MINUTES)
    interval = max(60 * MINUTES, pause / PAUSE_SHARE)
    return f"one in {interval / 60:.1f} minutes", pause / interval


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(VOCABULARY), default=list(VOCABULARY))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the disk is that is measured")
    given = parser.parse_args()
    within = True
    for size in given.sizes:
        loop = make_loop(size)
        with tempfile.TemporaryDirectory(prefix="weft-benchmark-", dir=given.folder) as name:
            pause = statistics.median(pauses(loop, Path(name) / "checkpoints", given.repeats))
        how_often, share = share_of(size, pause)
        megabytes = size_of(loop.state({})) / 1e6
        print(
            f"{size}: {megabytes:,.0f} MB, pause {pause:.3f} s, {how_often}: {share:.2%} of the time "
            f"(limit {LIMIT:.0%})"
        )
        within = within and share < LIMIT
    return 0 if within else 1


if __name__ == "__main__":
    raise SystemExit(main())
