"""Prints the bytes that training takes on top of what a process holds: as estimated, or its peak as it was.

python peak_memory.py estimate|measure SIZE VOCABULARY LENGTH ROWS
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import weft
from weft.codecs.vocabulary import Vocabulary
from weft.models.config import ModelConfig
from weft.models.sizes import pick_size
from weft.training.data import Row
from weft.training.estimate import Estimator, program_bytes
from weft.training.footprint import measure
from weft.training.loop import Loop, LoopSettings
from weft.training.next_token import NextTokenTrainer, TrainingContext

WARM = ModelConfig(300, 16, layers=1, width=32, heads=1, kv_heads=1, head_size=32, hidden=64)


class Repeated(weft.Dataset[Row]):
    def __init__(self, length: int) -> None:
        self._row = Row(np.arange(length + 1) % 256, np.ones(length + 1, dtype=np.bool_), "text")

    def __len__(self) -> int:
        return 1

    def draw(self, index: int, epoch: int) -> Row:
        return self._row


def loop_of(config: ModelConfig, length: int, rows: int) -> Loop:
    vocabulary = Vocabulary.build({"text": config.vocab_size - 2})
    context = TrainingContext(config, vocabulary, ["text"], [1] * (config.vocab_size - 2))
    settings = LoopSettings(steps=10, batch_size=rows)
    return Loop(NextTokenTrainer(context), Repeated(length), settings, torch.device("cpu"))


def peak() -> int:
    """Of this program alone: what the kernel tells by getrusage begins with the memory of whoever started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main() -> None:
    what, dial = sys.argv[1:3]
    vocabulary, length, rows = map(int, sys.argv[3:])
    torch.set_num_threads(1)
    config = pick_size(dial).config(vocabulary, length)
    loop_of(WARM, 16, 1).train_step()  # libraries are loaded, and count as held before
    if what == "estimate":
        footprint = measure(
            lambda layers, count: (loop_of(replace(config, layers=layers), length, count), length * count)
        )
        print(json.dumps(Estimator(footprint, config.layers, length, False, 0).at(rows).total))
        return
    before = program_bytes()
    loop = loop_of(config, length, rows)
    for _ in range(2):
        loop.train_step()
    print(json.dumps(peak() - before))


if __name__ == "__main__":
    main()
