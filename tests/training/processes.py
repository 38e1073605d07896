"""What the tests run in one process, or in several by torchrun: ``python processes.py '[[CASE, OUT, {}], ...]'``.

Not a test itself; see test_parallel.py.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import weft
from weft.cli.leaving import leave
from weft.codecs.vocabulary import Vocabulary
from weft.models.config import ModelConfig
from weft.storage.checkpoints import CheckpointStore
from weft.training.data import Row
from weft.training.loop import Loop, LoopSettings
from weft.training.next_token import NextTokenTrainer, TrainingContext
from weft.training.parallel import whole
from weft.training.world import World, open_world

ROWS = 23
CPU = torch.device("cpu")


class Documents(weft.Dataset[Row]):
    """Token rows of unequal length, of which unequal parts are learned."""

    def __len__(self) -> int:
        return ROWS

    def draw(self, index: int, epoch: int) -> Row:
        generator = np.random.default_rng([index, epoch])
        length = int(generator.integers(3, 17))
        learned = np.arange(length) >= generator.integers(0, length - 1)
        return Row(generator.integers(0, 40, length), learned, "text")


class Doubles(NextTokenTrainer):
    """The real objective, in a chosen precision, of a model whose blocks do not begin as the identity."""

    def __init__(self, dtype: torch.dtype, dropout: float = 0.0, adapter_rank: int = 0) -> None:
        shape = ModelConfig(50, 16, 3, 32, 2, 1, 16, 64, dropout=dropout, adapter_rank=adapter_rank)
        super().__init__(TrainingContext(shape, Vocabulary.build({"text": 40}), ["text"]))
        self._dtype = dtype

    def build_model(self) -> nn.Module:
        model = super().build_model().to(self._dtype)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.1)
        return model


class Counting(Doubles):
    """Writes down which examples it was given."""

    def __init__(self, log: Path) -> None:
        super().__init__(torch.float64, dropout=0.1)
        self._log = log

    def collate(self, items: Sequence[Any]) -> weft.Batch:
        with self._log.open("a") as file:
            file.writelines(f"{item.index}\n" for item in items)
        return super().collate([item.row for item in items])


class Numbered:
    def __init__(self, index: int, row: Row) -> None:
        self.index = index
        self.row = row


class NumberedDocuments(weft.Dataset[Numbered]):
    def __len__(self) -> int:
        return ROWS

    def draw(self, index: int, epoch: int) -> Numbered:
        return Numbered(index, Documents().draw(index, epoch))


def gradients(out: Path, world: World, *, dtype: str, size: int, micro: int, shard: str = "none") -> None:
    """The gradient of one step, after it was divided by the global weight, and its loss."""
    settings = LoopSettings(
        steps=3,
        batch_size=size,
        micro_batch_size=micro,
        clip=1e9,
        optimizer="adamw",
        shard=shard,  # type: ignore[arg-type]
    )
    loop = Loop(Doubles(getattr(torch, dtype)), Documents(), settings, CPU, world=world)
    caught: dict[str, Tensor] = {}

    def catch() -> float:
        caught.update({n: whole(p.grad) for n, p in loop.model.named_parameters() if p.grad is not None})
        return 1.0

    loop._move = catch  # type: ignore[method-assign]
    figures = loop.train_step()
    if world.is_main:
        np.savez(out, loss=np.float64(figures["loss"]), **{name: value.numpy() for name, value in caught.items()})


def weights(
    out: Path,
    world: World,
    *,
    shard: str = "none",
    ema: float | None = None,
    optimizer: str = "muon",
    adapter_rank: int = 0,
    steps: int = 4,
) -> None:
    """The weights after a few steps."""
    settings = LoopSettings(steps=steps, batch_size=7, micro_batch_size=2, shard=shard, ema=ema, optimizer=optimizer)  # type: ignore[arg-type]
    trainer = Doubles(torch.float64, adapter_rank=adapter_rank)
    loop = Loop(trainer, Documents(), settings, CPU, world=world, held_out=Documents())
    loop.run()
    judged = loop.evaluate()["loss"]
    state = loop.state({})
    if world.is_main:
        tensors = {**state.model, **{f"average/{name}": value for name, value in state.average.items()}}
        np.savez(out, loss=np.float64(judged), **{name: value.numpy() for name, value in tensors.items()})


def piece(out: Path, world: World, *, until: int, shard: str = "none") -> None:
    """Some steps of a run of 12, from its last checkpoint to another one; each process logs its examples."""
    settings = LoopSettings(steps=12, batch_size=5, micro_batch_size=2, seed=3, shard=shard)  # type: ignore[arg-type]
    trainer = Counting(out / f"seen-{until}-{world.rank}.txt")
    loop = Loop(trainer, NumberedDocuments(), settings, CPU, world=world)
    store = CheckpointStore(out / "checkpoints")
    if store.steps():
        loop.restore(store.load("last"))
    while loop.step < until:
        loop.train_step()
    state = loop.state({})
    if world.is_main:
        store.save(state, best=True)
    world.wait()


def failing(out: Path, world: World, *, how: str, shard: str = "none") -> None:
    """In its third step one process alone fails, in the middle of what all of them compute together."""
    settings = LoopSettings(steps=9, batch_size=5, micro_batch_size=2, shard=shard)  # type: ignore[arg-type]
    trainer = Doubles(torch.float64)
    loop = Loop(trainer, Documents(), settings, CPU, world=world)
    loss = trainer.loss

    def lose(*arguments: Any) -> weft.LossSum:
        if loop.step == 2 and world.rank == 1:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("the moon is in the way")
        return loss(*arguments)

    trainer.loss = lose  # type: ignore[method-assign]
    loop.run()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with open_world() as joined:
        for case, out, options in json.loads(sys.argv[1]):
            globals()[case](Path(out), joined, **options)
    leave(0)
