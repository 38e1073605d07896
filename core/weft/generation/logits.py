"""The chain of logits processors that every modality is sampled through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from weft.interfaces.generator import LogitsProcessor, SamplingOptions


class RepetitionPenalty(LogitsProcessor):
    """Makes ids that were already drawn less likely (arXiv:1909.05858, section 4.1)."""

    def __init__(self, penalty: float) -> None:
        self._penalty = penalty

    @classmethod
    def from_options(cls, options: SamplingOptions) -> RepetitionPenalty | None:
        penalty = options.repetition_penalty
        return None if penalty is None or penalty == 1 else cls(penalty)

    def __call__(self, logits: Tensor, drawn: Tensor) -> Tensor:
        if drawn.shape[1] == 0:
            return logits
        scores = logits.gather(1, drawn)
        penalized = torch.where(scores > 0, scores / self._penalty, scores * self._penalty)
        return logits.scatter(1, drawn, penalized)


class Temperature(LogitsProcessor):
    """Divides the logits; 0 leaves only the most likely id, the first of several."""

    def __init__(self, temperature: float) -> None:
        self._temperature = temperature

    @classmethod
    def from_options(cls, options: SamplingOptions) -> Temperature | None:
        temperature = options.temperature
        return None if temperature is None or temperature == 1 else cls(temperature)

    def __call__(self, logits: Tensor, drawn: Tensor) -> Tensor:
        if self._temperature > 0:
            return logits / self._temperature
        only = torch.full_like(logits, -torch.inf)
        return only.scatter(1, logits.argmax(1, keepdim=True), 0.0)


class TopK(LogitsProcessor):
    """Keeps the k most likely ids, and those as likely as the last of them."""

    def __init__(self, k: int) -> None:
        self._k = k

    @classmethod
    def from_options(cls, options: SamplingOptions) -> TopK | None:
        return cls(options.top_k) if options.top_k else None

    def __call__(self, logits: Tensor, drawn: Tensor) -> Tensor:
        threshold = logits.topk(min(self._k, logits.shape[1])).values[:, -1:]
        return logits.masked_fill(logits < threshold, -torch.inf)


class TopP(LogitsProcessor):
    """Keeps the fewest ids whose probabilities add up to p (arXiv:1904.09751)."""

    def __init__(self, p: float) -> None:
        self._p = p

    @classmethod
    def from_options(cls, options: SamplingOptions) -> TopP | None:
        return None if options.top_p is None or options.top_p >= 1 else cls(options.top_p)

    def __call__(self, logits: Tensor, drawn: Tensor) -> Tensor:
        ordered, order = logits.sort(dim=1, descending=True, stable=True)
        probabilities = ordered.softmax(1)
        before = probabilities.cumsum(1) - probabilities
        drop = (before >= self._p).scatter(1, order, before >= self._p)
        return logits.masked_fill(drop, -torch.inf)


class MinP(LogitsProcessor):
    """Drops ids less likely than a share of the most likely one (arXiv:2407.01082)."""

    def __init__(self, p: float) -> None:
        self._p = p

    @classmethod
    def from_options(cls, options: SamplingOptions) -> MinP | None:
        return cls(options.min_p) if options.min_p else None

    def __call__(self, logits: Tensor, drawn: Tensor) -> Tensor:
        probabilities = logits.softmax(1)
        threshold = self._p * probabilities.amax(1, keepdim=True)
        return logits.masked_fill(probabilities < threshold, -torch.inf)


BEFORE_CONSTRAINT: tuple[type[LogitsProcessor], ...] = (RepetitionPenalty,)
AFTER_CONSTRAINT: tuple[type[LogitsProcessor], ...] = (Temperature, TopK, TopP, MinP)


def build(kinds: Iterable[type[LogitsProcessor]], options: SamplingOptions) -> list[LogitsProcessor]:
    """The processors that the options ask for, in order."""
    return [processor for kind in kinds if (processor := kind.from_options(options)) is not None]


def apply(processors: Sequence[LogitsProcessor], logits: Tensor, drawn: Tensor) -> Tensor:
    for processor in processors:
        logits = processor(logits, drawn)
    return logits
