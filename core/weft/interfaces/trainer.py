"""Stage 2, the part that differs between objectives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import nn

ItemT = TypeVar("ItemT")
ItemT_co = TypeVar("ItemT_co", covariant=True)

Batch: TypeAlias = "Mapping[str, torch.Tensor]"
"""Named tensors of one micro-batch; core moves them to the device."""


@dataclass(frozen=True, slots=True)
class LossSum:
    """The loss of a micro-batch as a sum and the weight it is a sum over.

    Core alone divides: by the global weight over micro-batches, accumulation steps and processes. Without that, uneven
    micro-batches give another gradient than one large batch.

    Attributes:
        total: Scalar tensor, the summed loss, with its graph.
        weight: How many units (tokens, pixels, ...) ``total`` sums over, a number or a scalar tensor without a graph.
        metrics: Further figures by name as ``(sum, weight)`` pairs, averaged by core in the same way.
        tokens: How many tokens the model read, padding not counted, for the throughput that is shown; ``None`` counts
            ``weight``.
    """

    total: torch.Tensor
    weight: torch.Tensor | float
    metrics: Mapping[str, tuple[torch.Tensor | float, torch.Tensor | float]] = field(default_factory=dict)
    tokens: float | None = None


class Dataset(Protocol[ItemT_co]):
    """Training examples by index.

    ``draw`` may be random (crops, dropped conditions), but only as a function of its arguments and the dataset's own
    seed: the loop calls it in any order and again after a resume.
    """

    def __len__(self) -> int: ...

    def draw(self, index: int, epoch: int) -> ItemT_co: ...


@runtime_checkable
class NamedDataset(Protocol):
    """A dataset that can say what an example was made from, for messages."""

    def name(self, index: int, epoch: int) -> str:
        """Of the example that ``draw`` gives for the same arguments."""


class Trainer(ABC, Generic[ItemT]):
    """An objective: how a model is built, how examples become a batch, and what the loss of a batch is.

    The loop belongs to core and is the same for every objective: next-token prediction and the learning of codecs
    both run through it.
    """

    @abstractmethod
    def build_model(self) -> nn.Module:
        """A freshly initialized model on the CPU; core has seeded torch before the call."""

    @abstractmethod
    def collate(self, items: Sequence[ItemT]) -> Batch:
        """Stack examples into the tensors of one micro-batch."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> LossSum:
        """The loss of one micro-batch. Called in training and, without gradients, in validation."""


class Fit(Protocol):
    """Core's training loop as a preparer sees it."""

    def __call__(
        self,
        trainer: Trainer[Any],
        data: Dataset[Any],
        *,
        steps: int,
        batch_size: int,
        learning_rate: float = 0.01,
        description: str = "codec",
    ) -> nn.Module:
        """Train from scratch and return the model in evaluation mode, on the CPU.

        Args:
            trainer: The objective.
            data: Training examples.
            steps: Optimizer steps.
            batch_size: Examples a step.
            learning_rate: Peak rate of Muon for matrices and kernels; the rate for other parameters follows from it.
            description: What progress output calls this training.
        """
