"""Scores of the next id for a batch of growing sequences, with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from weft.models.transformer import Cache, Transformer


class Scorer:
    """Keeps sequences that begin with prefixes of unequal length and are extended together.

    Shorter prefixes are padded at their beginning; the padding is masked, and positions count from the first real id.
    When a sequence has filled the context, its older half is forgotten and the rest is read again: what a step sees
    depends on the step alone, never on the batch.

    Args:
        model: In evaluation mode.
        prefixes: Ids of each row, at least one.
    """

    def __init__(self, model: Transformer, prefixes: Sequence[Sequence[int]]) -> None:
        self._model = model
        self._context = model.config.context_length
        self._device = model.embedding.weight.device
        longest = max(map(len, prefixes))
        rows = [[0] * (longest - len(prefix)) + list(prefix) for prefix in prefixes]
        self._ids = torch.tensor(rows, dtype=torch.int64, device=self._device)
        self._padding = torch.tensor([longest - len(prefix) for prefix in prefixes], device=self._device)
        self._cache: Cache | None = None

    def start(self) -> Tensor:
        """Logits ``(rows, vocabulary)`` after the prefixes."""
        if self._ids.shape[1] > self._context:
            self._forget(self._context)
        return self._read(self._ids)

    def extend(self, ids: Tensor) -> Tensor:
        """Logits after one more id a row, int64 of shape ``(rows,)``."""
        column = ids.to(self._device).unsqueeze(1)
        self._ids = torch.cat([self._ids, column], dim=1)
        if self._ids.shape[1] > self._context:
            self._forget(max(1, self._context // 2))
            return self._read(self._ids)
        return self._read(column)

    def _forget(self, keep: int) -> None:
        dropped = self._ids.shape[1] - keep
        self._ids = self._ids[:, dropped:]
        self._padding = (self._padding - dropped).clamp(min=0)
        self._cache = None

    def _read(self, ids: Tensor) -> Tensor:
        if self._cache is None:
            weight = self._model.embedding.weight
            self._cache = Cache(self._model.config, ids.shape[0], weight.dtype, self._device)
        seen = self._cache.length
        places = torch.arange(seen, seen + ids.shape[1], device=self._device)
        positions = (places - self._padding[:, None]).clamp(min=0)
        keys = torch.arange(seen + ids.shape[1], device=self._device)
        real = keys >= self._padding[:, None]
        causal = keys <= places[:, None]
        mask = real[:, None, None, :] & causal
        own = keys == places[:, None]  # a padded position attends to itself, so that no softmax is over nothing
        return self._model.step(ids, positions, mask | own, self._cache)
