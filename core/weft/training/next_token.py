"""The objective of every modality that ships with Weft: predict the next id."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from weft.codecs.vocabulary import Vocabulary
from weft.interfaces.trainer import Batch, LossSum, Trainer
from weft.models.config import ModelConfig
from weft.models.loss import linear_cross_entropy
from weft.models.transformer import Transformer
from weft.training.data import Row


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What an objective over tokens is built from.

    Attributes:
        model: Shape of the backbone.
        vocabulary: The run's id space.
        modalities: Targets of the run, by name; a row's modality is given as its place in this list.
        bytes_per_token: UTF-8 bytes of the text codec's ids, where there is one.
        compile: Whether the blocks of the model are compiled.
        checkpoint_activations: Whether activations within blocks are computed again instead of kept.
    """

    model: ModelConfig
    vocabulary: Vocabulary
    modalities: Sequence[str]
    bytes_per_token: Sequence[int] | None = None
    compile: bool = False
    checkpoint_activations: bool = False


class NextTokenTrainer(Trainer[Row]):
    """Cross entropy of the next id, in nats, summed over the ids that are to be learned.

    It also reports, by modality, ``NAME/nats_per_token``, and for text ``text/bits_per_byte``.
    """

    def __init__(self, context: TrainingContext) -> None:
        self.context = context
        sizes = np.zeros(context.vocabulary.size, dtype=np.int64)
        if context.bytes_per_token is not None:
            offset, size = context.vocabulary.block("text")
            sizes[offset : offset + size] = context.bytes_per_token
        self._bytes = torch.from_numpy(sizes)

    def build_model(self) -> nn.Module:
        model = Transformer(self.context.model)
        model.checkpoint_activations = self.context.checkpoint_activations
        if self.context.compile:
            model.compile_blocks()
        return model

    def collate(self, items: Sequence[Row]) -> Batch:
        """Rows, padded at the end to the longest.

        Returns:
            ``ids`` int64 and ``learned`` bool, ``(B, T+1)``; ``length``, the ids of a row, and ``modality``, int64,
            ``(B,)``.
        """
        length = max(len(row.ids) for row in items)
        ids = np.zeros((len(items), length), dtype=np.int64)
        learned = np.zeros((len(items), length), dtype=np.bool_)
        for place, row in enumerate(items):
            ids[place, : len(row.ids)] = row.ids
            learned[place, : len(row.ids)] = row.learned
        modality = np.array([self.context.modalities.index(row.modality) for row in items])
        lengths = np.array([len(row.ids) for row in items], dtype=np.int64)
        arrays = {"ids": ids, "learned": learned, "length": lengths, "modality": modality}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def loss(self, model: nn.Module, batch: Batch) -> LossSum:
        assert isinstance(model, Transformer)
        lengths = batch["length"] - 1
        kept = torch.arange(batch["ids"].shape[1] - 1, device=lengths.device) < lengths[:, None]
        learned = batch["learned"][:, 1:][kept]
        targets = batch["ids"][:, 1:][kept][learned]
        hidden = model.hidden_of(batch["ids"][:, :-1], lengths)[learned]
        total, losses = linear_cross_entropy(hidden, model.table, targets)
        owner = batch["modality"].repeat_interleave(lengths)[learned]
        metrics = self._by_modality(losses, targets, owner)
        return LossSum(total, targets.numel(), metrics, tokens=len(learned))

    def _by_modality(self, losses: Tensor, targets: Tensor, owner: Tensor) -> Mapping[str, tuple[Tensor, Tensor]]:
        names = self.context.modalities
        nats = losses.new_zeros(len(names)).index_add_(0, owner, losses)
        tokens = torch.bincount(owner, minlength=len(names))
        metrics = {f"{name}/nats_per_token": (nats[place], tokens[place]) for place, name in enumerate(names)}
        if "text" in names and self.context.bytes_per_token is not None:
            place = names.index("text")
            if self._bytes.device != targets.device:
                self._bytes = self._bytes.to(targets.device)
            bytes_of_text = self._bytes[targets[owner == place]].sum()
            metrics["text/bits_per_byte"] = (nats[place] / math.log(2), bytes_of_text)
        return metrics
