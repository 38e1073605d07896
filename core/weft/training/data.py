"""Token layers as training rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from weft.interfaces.segments import EncodedSegment, SequenceBuilder, TokenSequence
from weft.interfaces.trainer import Dataset, NamedDataset

Ids: TypeAlias = npt.NDArray[np.integer[Any]]

CONDITION_DROP = 0.1
"""Share of conditions left out in training, so that classifier-free guidance (arXiv:2207.12598) works."""

CAPTION = "text"
"""Modality of prompts, and so of what reversed documents have as their target."""


def reversed_task(modality: str) -> str:
    """What is learned of documents whose condition is the payload and whose target is its caption."""
    return f"{modality}-to-{CAPTION}"


@dataclass(frozen=True, slots=True)
class TokenSource:
    """What training needs of one corpus.

    Attributes:
        modality: Of its payloads.
        payloads: Tokens of each part, in the payload codec's ids.
        prompts: Tokens of each part's prompt in the text codec's ids, ``None`` where a part has none.
        held_out: Which parts belong to validation.
        weights: How often each part is seen, relative to the others; ``None`` sees each once in an epoch.
        names: What each part was made from, for messages.
    """

    modality: str
    payloads: Sequence[Ids]
    prompts: Sequence[Ids | None]
    held_out: npt.NDArray[np.bool_]
    weights: npt.NDArray[np.float64] | None = None
    names: Sequence[str] | None = None

    def training_parts(self) -> npt.NDArray[np.int64]:
        """Indices of the parts that are learned, as often as they are seen in an epoch: those of the least weight once,
        others so many times more often, evenly spaced ones once more where that is no whole number."""
        parts = np.flatnonzero(~self.held_out)
        if self.weights is None:
            return parts
        weights = self.weights[parts] / self.weights[parts].min(initial=np.inf)
        times = np.zeros(len(parts), np.int64)
        for weight in np.unique(weights):
            alike = np.flatnonzero(weights == weight)
            times[alike] = np.diff(np.floor(np.arange(len(alike) + 1) * weight + 0.5))
        return np.repeat(parts, times)

    @property
    def is_stream(self) -> bool:
        """Whether its documents are read as one long text, cut into windows."""
        return self.modality == "text" and all(prompt is None for prompt in self.prompts)

    @property
    def is_reversible(self) -> bool:
        """Whether some of its documents can be learned from the payload to the caption too. A prompt and its response
        cannot: both are text, so that nothing would tell which of the two is asked for."""
        return self.modality != CAPTION and any(prompt is not None for prompt in self.prompts)

    def captioned(self, parts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Those of some parts that have a prompt."""
        return parts[[self.prompts[int(part)] is not None for part in parts]]

    def name(self, index: int) -> str:
        """What a part was made from."""
        return f"{self.modality} {index}" if self.names is None else self.names[index]

    def target_length(self, index: int) -> int:
        """Tokens of a payload."""
        return len(self.payloads[index])

    def target_lengths(self) -> tuple[int, int]:
        """``(shortest, longest)`` payload in tokens."""
        lengths = [self.target_length(index) for index in range(len(self.payloads))]
        return min(lengths), max(lengths)

    def segments(self, index: int, *, conditional: bool, backward: bool = False) -> list[EncodedSegment]:
        """The document of a part: from its prompt, if it has one, to its payload; ``backward`` from its payload to its
        prompt, which it must have."""
        sides = [(self.modality, self.payloads[index])]
        prompt = self.prompts[index]
        if prompt is not None:
            sides.insert(0, (CAPTION, prompt))
        (*conditions, (modality, tokens)) = reversed(sides) if backward else sides
        target = EncodedSegment(modality, "target", tokens)
        if not conditional:
            return [target]
        return [*(EncodedSegment(name, "condition", ids) for name, ids in conditions), target]


@dataclass(frozen=True, slots=True)
class Row:
    """One training example: at most ``context_length + 1`` consecutive ids of a document or a stream.

    Attributes:
        ids: int64, shape ``(length,)``.
        learned: bool, same shape: whether the loss counts the prediction of this id.
        modality: Of the target; of a reversed document the name of :func:`reversed_task`.
    """

    ids: npt.NDArray[np.int64]
    learned: npt.NDArray[np.bool_]
    modality: str


class DocumentRows(Dataset[Row]):
    """Whole documents; one that is longer than the context gives several rows. Each of its tokens is learned in one.

    Args:
        source: The corpus.
        parts: Which of its parts.
        sequences: From segments to ids.
        context_length: Of the model.
        seed: Of the dropping of conditions; ``None`` drops none.
        backward: From payloads to prompts, which the parts must have.
    """

    def __init__(
        self,
        source: TokenSource,
        parts: npt.NDArray[np.int64],
        sequences: SequenceBuilder,
        context_length: int,
        seed: int | None,
        *,
        backward: bool = False,
    ) -> None:
        self._source = source
        self._sequences = sequences
        self._context = context_length
        self._seed = seed
        self._backward = backward
        self._task = reversed_task(source.modality) if backward else source.modality
        self._rows = [
            (int(part), start)
            for part in parts
            for start in range(0, self._whole_length(int(part)) - 1, context_length)
            if start + context_length > self._condition_length(int(part))  # else nothing of it would be learned
        ]
        self.target_tokens = sum(self._target_length(int(part)) + 1 for part in parts)

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, index: int, epoch: int) -> Row:
        part, start = self._rows[index]
        keep = self._seed is None or self._random(index, epoch) >= CONDITION_DROP
        # Without its condition a window holds what else it held, so that each token is learned once, dropped or not.
        first = start if keep else start - self._condition_length(part)
        segments = self._source.segments(part, conditional=keep, backward=self._backward)
        window = self._sequences.closed(segments, max(0, first), first + self._context + 1)
        return Row(window.ids, window.learned, self._task)

    def name(self, index: int, epoch: int) -> str:
        return self._source.name(self._rows[index][0])

    def _random(self, index: int, epoch: int) -> float:
        assert self._seed is not None
        keys = np.random.SeedSequence([self._seed, epoch, index], spawn_key=(1,) if self._backward else ())
        return float(np.random.default_rng(keys).random())

    def _condition_length(self, part: int) -> int:
        """Ids before the target's marker."""
        prompt = self._source.prompts[part]
        if prompt is None:
            return 0
        return (self._source.target_length(part) if self._backward else len(prompt)) + 1

    def _target_length(self, part: int) -> int:
        prompt = self._source.prompts[part]
        return len(prompt) if self._backward and prompt is not None else self._source.target_length(part)

    def _whole_length(self, part: int) -> int:
        return self._condition_length(part) + self._target_length(part) + 2


class StreamRows(Dataset[Row]):
    """Unconditional text, end to end, in windows; each token is learned in one of them.

    In training the stream is a circle, whose windows begin elsewhere every epoch.

    Args:
        source: The corpus.
        parts: Which of its parts.
        sequences: From segments to ids.
        context_length: Of the model.
        seed: Of where an epoch's windows begin; ``None`` begins at the beginning.
    """

    def __init__(
        self,
        source: TokenSource,
        parts: npt.NDArray[np.int64],
        sequences: SequenceBuilder,
        context_length: int,
        seed: int | None,
    ) -> None:
        self._source = source
        self._parts = parts
        self._sequences = sequences
        self._seed = seed
        lengths = (len(source.payloads[int(part)]) + 2 for part in parts)
        self._starts = list(accumulate(lengths, initial=0))
        self._length = self._starts[-1]
        self.target_tokens = self._length - len(parts)
        # Of a line all ids but the first are predicted, of a circle all.
        self._predicted = self._length - (seed is None)
        self._window = max(1, min(context_length, self._predicted))

    def __len__(self) -> int:
        return max(0, -(-self._predicted // self._window))

    def draw(self, index: int, epoch: int) -> Row:
        first = index * self._window
        last = min(first + self._window, self._predicted)
        start = self._start(index, epoch)
        end = start + last - first + 1
        if end <= self._length:
            return self._row(self._ids(start, end))
        head, tail = self._ids(start, self._length), self._ids(0, end - self._length)
        return self._row(
            TokenSequence(np.concatenate([head.ids, tail.ids]), np.concatenate([head.learned, tail.learned]))
        )

    def name(self, index: int, epoch: int) -> str:
        """Of the document in which the window begins."""
        return self._source.name(int(self._parts[bisect_right(self._starts, self._start(index, epoch)) - 1]))

    def _start(self, index: int, epoch: int) -> int:
        shift = 0 if self._seed is None else int(np.random.default_rng([self._seed, epoch]).integers(self._length))
        return (shift + index * self._window) % self._length

    def _row(self, window: TokenSequence) -> Row:
        return Row(window.ids, window.learned, self._source.modality)

    def _ids(self, start: int, end: int) -> TokenSequence:
        """Ids of the stream from ``start`` to ``end``, out of the one or more documents that they lie in."""
        ids: list[npt.NDArray[np.int64]] = []
        learned: list[npt.NDArray[np.bool_]] = []
        place = bisect_right(self._starts, start) - 1
        while start < end:
            segments = self._source.segments(int(self._parts[place]), conditional=False)
            offset = start - self._starts[place]
            taken = self._sequences.closed(segments, offset, offset + end - start)
            ids.append(taken.ids)
            learned.append(taken.learned)
            start += len(taken.ids)
            place += 1
        return TokenSequence(np.concatenate(ids), np.concatenate(learned))


class Rows(Dataset[Row]):
    """Several datasets as one, each row equally often."""

    def __init__(self, parts: Sequence[Dataset[Row]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(len(part) for part in self._parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def draw(self, index: int, epoch: int) -> Row:
        part, place = self._find(index)
        return part.draw(place, epoch)

    def name(self, index: int, epoch: int) -> str:
        part, place = self._find(index)
        return part.name(place, epoch) if isinstance(part, NamedDataset) else f"row {place}"

    def _find(self, index: int) -> tuple[Dataset[Row], int]:
        which = bisect_right(self._ends, index)
        return self._parts[which], index - (self._ends[which - 1] if which else 0)


class Spread(Dataset[Row]):
    """Evenly spaced rows of a dataset, at most ``count``."""

    def __init__(self, rows: Dataset[Row], count: int) -> None:
        self._rows = rows
        self._indices = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))

    def __len__(self) -> int:
        return len(self._indices)

    def draw(self, index: int, epoch: int) -> Row:
        return self._rows.draw(int(self._indices[index]), epoch)


@dataclass(frozen=True, slots=True)
class Strand:
    """The rows of one corpus, from prompts to payloads or backward.

    Attributes:
        modality: Of the corpus.
        backward: From payloads to prompts.
        rows: At least one.
    """

    modality: str
    backward: bool
    rows: DocumentRows | StreamRows

    @property
    def task(self) -> str:
        """The name that figures are kept under."""
        return reversed_task(self.modality) if self.backward else self.modality

    @property
    def target_tokens(self) -> int:
        """Ids of targets, ends included, that an epoch learns."""
        return self.rows.target_tokens


def strands_of(
    sources: Sequence[TokenSource],
    sequences: SequenceBuilder,
    context_length: int,
    *,
    held_out: bool,
    seed: int | None,
    backward: bool = False,
) -> list[Strand]:
    """The training or the validation rows of some corpora, those of each apart; ``backward`` adds, after all of them,
    what can be learned from payloads to prompts."""
    chosen = [np.flatnonzero(source.held_out) if held_out else source.training_parts() for source in sources]
    strands: list[Strand] = []
    for source, parts in zip(sources, chosen, strict=True):
        kind = StreamRows if source.is_stream else DocumentRows
        strands.append(Strand(source.modality, False, kind(source, parts, sequences, context_length, seed)))
    for source, parts in zip(sources, chosen, strict=True):
        if backward and source.is_reversible:
            rows = DocumentRows(source, source.captioned(parts), sequences, context_length, seed, backward=True)
            strands.append(Strand(source.modality, True, rows))
    return [strand for strand in strands if len(strand.rows)]


def rows_of(
    sources: Sequence[TokenSource],
    sequences: SequenceBuilder,
    context_length: int,
    *,
    held_out: bool,
    seed: int | None,
) -> Rows:
    """The training or the validation rows of some corpora."""
    strands = strands_of(sources, sequences, context_length, held_out=held_out, seed=seed)
    return Rows([strand.rows for strand in strands])


def longest_document(source: TokenSource) -> int:
    """Ids of the longest document of a corpus, markers and end included."""
    prompts = (0 if prompt is None else len(prompt) + 1 for prompt in source.prompts)
    return max(len(payload) + 2 + prompt for payload, prompt in zip(source.payloads, prompts, strict=True))
