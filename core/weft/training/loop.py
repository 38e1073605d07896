"""The one training loop: for the next-token objective, for codecs, for any :class:`weft.Trainer`.

A step draws its examples by global sample index, sums losses and gradients over micro-batches, divides once by the
global weight, clips, and moves the optimizers. Everything random in a step is seeded from (seed, step, micro-batch,
rank), so a run that is resumed from a checkpoint is the run that was never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from weft.errors import TrainingError
from weft.interfaces.trainer import Batch, Dataset, LossSum, Trainer
from weft.storage.checkpoints import TrainingState
from weft.training.optimizers import build_optimizers
from weft.training.order import SampleOrder
from weft.training.schedule import trapezoid


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What the loop needs to know besides objective and data.

    Attributes:
        steps: Optimizer steps in all.
        batch_size: Examples a step.
        micro_batches: Parts that a step's examples are computed in, to save memory; the result is the same.
        learning_rate: Muon's peak rate.
        weight_decay: Muon's decoupled decay.
        clip: Largest norm of the gradient; larger ones are scaled down to it.
        seed: Of everything random.
        autocast: Type of mixed precision (``"bfloat16"``), or ``None``.
    """

    steps: int
    batch_size: int
    micro_batches: int = 1
    learning_rate: float = 0.02
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    autocast: str | None = None

    @property
    def rows_at_once(self) -> int:
        """Examples of the largest micro-batch: so many fit into memory."""
        return -(-self.batch_size // self.micro_batches)


class Callback:
    """Something that happens beside the loop; each does one thing. Called in the order in which they were given."""

    def begin(self, loop: Loop) -> None:
        """Before the first step of this process."""

    def after_step(self, loop: Loop, figures: Mapping[str, float]) -> None:
        """After a step; ``loop.step`` counts it already."""


def derive_seed(*keys: int) -> int:
    """A 63-bit seed for torch from several numbers."""
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> 1)


def to_device(batch: Batch, device: torch.device) -> Batch:
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


class Loop:
    """One training, from its first step or from a state.

    Args:
        trainer: The objective.
        data: Training examples.
        settings: See there.
        device: Where to train.
        callbacks: In order.
    """

    def __init__(
        self,
        trainer: Trainer[Any],
        data: Dataset[Any],
        settings: LoopSettings,
        device: torch.device,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        if len(data) == 0:
            raise TrainingError("there is nothing to train on: the training part is empty")
        self.trainer = trainer
        self.data = data
        self.settings = settings
        self.device = device
        self.callbacks = callbacks
        self.step = 0
        self.order = SampleOrder(len(data), settings.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(settings.seed))
            self.model: nn.Module = trainer.build_model().to(device)
        self.optimizers = build_optimizers(self.model, settings.learning_rate, settings.weight_decay)
        self._peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]

    def run(self) -> None:
        """Train to the last step.

        Raises:
            TrainingError: A loss or a gradient is not finite; the weights are those before that step.
        """
        self.model.train()
        for callback in self.callbacks:
            callback.begin(self)
        while self.step < self.settings.steps:
            figures = self.train_step()
            for callback in self.callbacks:
                callback.after_step(self, figures)

    def train_step(self) -> dict[str, float]:
        """One optimizer step; returns what is worth logging."""
        total, weight = 0.0, 0.0
        with torch.random.fork_rng(devices=[]):
            for index, batch in enumerate(self._micro_batches()):
                torch.manual_seed(derive_seed(self.settings.seed, self.step, index, 0))
                loss = self._loss(batch)
                loss.total.backward()  # type: ignore[no-untyped-call]
                total += float(loss.total.detach())
                weight += float(loss.weight)
        norm = self._normalize_gradients(weight)
        if not np.isfinite(total) or not np.isfinite(norm):
            self._clear_gradients()
            raise TrainingError(self._explain_not_finite("gradient" if np.isfinite(total) else "loss"))
        share = trapezoid(self.step, self.settings.steps)
        for optimizer, peaks in zip(self.optimizers, self._peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            optimizer.step()
        self._clear_gradients()
        self.step += 1
        return {"loss": total / max(weight, 1e-12), "learning_rate_share": share, "gradient_norm": norm}

    def state(self, notes: Mapping[str, Any]) -> TrainingState:
        """A copy of everything that a resumed loop needs."""
        tensors: dict[str, Tensor] = {}
        for number, optimizer in enumerate(self.optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"{number}.{index}.{name}": value for name, value in state.items()}
        model = {name: tensor.detach().cpu().contiguous() for name, tensor in self.model.state_dict().items()}
        optimizer_state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        return TrainingState(self.step, model, optimizer_state, notes)

    def restore(self, state: TrainingState) -> None:
        """Go on from a state made by :meth:`state`."""
        self.model.load_state_dict(dict(state.model))
        for number, optimizer in enumerate(self.optimizers):
            tensors: dict[int, dict[str, Tensor]] = {}
            for name, tensor in state.optimizer.items():
                owner, index, key = name.split(".", 2)
                if int(owner) == number:
                    tensors.setdefault(int(index), {})[key] = tensor
            optimizer.load_state_dict({"state": tensors, "param_groups": optimizer.state_dict()["param_groups"]})
        self.step = state.step

    def _micro_batches(self) -> Iterator[Batch]:
        first = self.step * self.settings.batch_size
        places = [self.order.at(first + i) for i in range(self.settings.batch_size)]
        for part in np.array_split(np.arange(len(places)), self.settings.micro_batches):
            yield self.trainer.collate([self.data.draw(*places[i]) for i in part])

    def _loss(self, batch: Batch) -> LossSum:
        with precision(self.device, self.settings.autocast):
            return self.trainer.loss(self.model, to_device(batch, self.device))

    def _normalize_gradients(self, weight: float) -> float:
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, 1 / max(weight, 1e-12))
        return float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip))

    def _explain_not_finite(self, what: str) -> str:
        first = self.step * self.settings.batch_size
        return (
            f"the {what} of step {self.step + 1} is not finite (examples {first} to "
            f"{first + self.settings.batch_size - 1} of the order); lower the learning rate"
        )

    def _clear_gradients(self) -> None:
        for parameter in self.model.parameters():
            parameter.grad = None


def precision(device: torch.device, autocast: str | None) -> AbstractContextManager[Any]:
    """Mixed precision, or nothing."""
    if autocast is None:
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, autocast))
