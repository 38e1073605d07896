"""Several corpora in one run: how much is learned of each, and which row comes when.

Shares are shares of target tokens, since a row of one modality may hold many times as many of them as a row of another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from weft.errors import OptionError
from weft.interfaces.segments import SequenceBuilder
from weft.interfaces.trainer import Dataset
from weft.training.data import Row, Rows, Spread, Strand, TokenSource, strands_of
from weft.training.feeding import Order
from weft.training.order import SampleOrder
from weft.training.shares import check_mix

BLOCK = 4096
"""Rows in which each strand has its share exactly, to the nearest row."""

PROBES = 64
"""Rows of a strand that its mean length is judged by."""

REVERSED = 0.5
"""Share of captioned documents that a run of several modalities learns from payload to caption
(``docs/decisions/mixture.md``)."""


def check_reverse(reverse: float) -> None:
    """Raises :class:`weft.OptionError` for a share of reversed documents that leaves none as they are."""
    if not 0 <= reverse < 1:
        raise OptionError(f"reverse must be at least 0 and below 1, got {reverse:g}")


def row_rates(strands: Sequence[Strand], mix: Mapping[str, float] | None, reverse: float) -> npt.NDArray[np.float64]:
    """How often each strand's rows come, relative to those of the others; the sum is 1.

    Of the corpora of one modality each row comes equally often. So it is with all corpora where no mixture is given,
    and then a corpus's share of the target tokens is its share of those that there are. What is learned backward comes
    on top of the shares: of the rows of a captioned document, ``reverse`` are reversed.

    Args:
        strands: Forward ones, and their reversed ones if there are any.
        mix: Share of target tokens by modality; ``None`` sees every row equally often.
        reverse: Share of reversed documents.

    Raises:
        OptionError: Nothing of a modality that has a share is to be learned.
    """
    tokens: Counter[str] = Counter()
    for strand in strands:
        tokens[strand.modality] += 0 if strand.backward else strand.target_tokens
    shares = dict(mix) if mix is not None else dict(tokens)
    empty = [name for name in shares if not tokens[name]]
    if empty:
        raise OptionError(f"the mixture gives {empty[0]} a share, but nothing of it is in the training part")
    # A row of a modality comes so often that its modality's tokens make up the share.
    often = {name: shares[name] / tokens[name] for name in tokens if tokens[name]}
    weights = [
        len(strand.rows) * often[strand.modality] * (reverse / (1 - reverse) if strand.backward else 1.0)
        for strand in strands
    ]
    return np.asarray(weights, np.float64) / math.fsum(weights)


class MixtureOrder:
    """Rows of several strands interleaved, each with a permutation and an epoch of its own.

    Every block of :data:`BLOCK` positions holds the same number of rows of each strand, spread over the block evenly
    but for some chance, so that batches hold about their shares too. Positions are looked up in constant time, but for
    the first of a block and of a strand's epoch.

    Args:
        counts: Rows of each strand.
        rates: How often its rows come; the sum is 1.
        seed: Of the run.
    """

    def __init__(self, counts: Sequence[int], rates: npt.ArrayLike, seed: int) -> None:
        self._seed = seed
        self.per_block = apportion(np.asarray(rates, np.float64), BLOCK)
        self._starts = list(accumulate(counts, initial=0))
        self._orders = [SampleOrder(count, seed, strand) for strand, count in enumerate(counts)]
        self._block = -1
        self._owners = self._ranks = np.empty(0, np.int64)

    def at(self, position: int) -> tuple[int, int]:
        """``(row, epoch of its strand)`` at a global sample index; rows count through all strands, in order."""
        block, place = divmod(position, BLOCK)
        if block != self._block:
            self._owners, self._ranks = self._interleaved(block)
            self._block = block
        strand = int(self._owners[place])
        index, epoch = self._orders[strand].at(block * int(self.per_block[strand]) + int(self._ranks[place]))
        return self._starts[strand] + index, epoch

    def _interleaved(self, block: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """For each position of a block its strand, and how many of that strand precede it in the block."""
        owners = np.repeat(np.arange(len(self.per_block)), self.per_block)
        ranks = np.concatenate([np.arange(count) for count in self.per_block])
        random = np.random.default_rng(np.random.SeedSequence([self._seed, block], spawn_key=(len(self.per_block),)))
        # The j-th of n rows falls somewhere in the j-th of n equal parts of the block.
        places = (ranks + random.random(BLOCK)) / self.per_block[owners]
        order = np.argsort(places, kind="stable")
        return owners[order], ranks[order]


def apportion(rates: npt.NDArray[np.float64], total: int) -> npt.NDArray[np.int64]:
    """Whole numbers above 0 that add up to ``total``, in proportion to rates by largest remainders.

    Args:
        rates: Above 0.
        total: At least as many as there are rates.
    """
    wanted = rates / rates.sum() * total
    counts: npt.NDArray[np.int64] = np.maximum(np.floor(wanted).astype(np.int64), 1)
    while (missing := total - int(counts.sum())) != 0:
        remainders = wanted - counts
        if missing > 0:
            counts[np.argsort(-remainders, kind="stable")[:missing]] += 1
        else:
            counts[int(np.argmin(np.where(counts > 1, remainders, np.inf)))] -= 1
    return counts


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a run learns from, and in which order.

    Attributes:
        rows: Of all strands, one after the other.
        order: Of the rows.
        strands: The parts of the rows.
        rates: How often the rows of each strand come; the sum is 1.
    """

    rows: Rows
    order: Order
    strands: Sequence[Strand]
    rates: npt.NDArray[np.float64]

    @property
    def epoch(self) -> float:
        """Rows that hold as many target tokens as the corpora have. What is learned backward comes on top."""
        forward = [place for place, strand in enumerate(self.strands) if not strand.backward]
        present = sum(self.strands[place].target_tokens for place in forward)
        each = [self._tokens_of_a_row(place) * float(self.rates[place]) for place in forward]
        return present / math.fsum(each)

    @property
    def ids_per_row(self) -> float:
        """Mean length of a row in ids, prompts and markers included, judged by evenly spaced rows."""
        return math.fsum(self._ids_by_strand())

    @property
    def forward_ids_per_row(self) -> float:
        """The same, where rows that are learned backward count as none: they come on top of a batch."""
        of_each = zip(self._ids_by_strand(), self.strands, strict=True)
        return math.fsum(ids for ids, strand in of_each if not strand.backward)

    def most_epochs(self, drawn: int) -> float:
        """How often so many rows bring those of the strand that is repeated most."""
        shares = zip(self.rates, self.strands, strict=True)
        return max(drawn * float(rate) / len(strand.rows) for rate, strand in shares)

    def target_tokens(self, drawn: int) -> dict[str, int]:
        """Target tokens that are learned by so many rows, by task."""
        found: dict[str, float] = {}
        for place, strand in enumerate(self.strands):
            learned = drawn * float(self.rates[place]) * self._tokens_of_a_row(place)
            found[strand.task] = found.get(strand.task, 0.0) + learned
        return {task: round(tokens) for task, tokens in found.items()}

    def _ids_by_strand(self) -> list[float]:
        """What each strand adds to the mean length of a row."""
        return [float(rate) * _mean_length(strand.rows) for rate, strand in zip(self.rates, self.strands, strict=True)]

    def _tokens_of_a_row(self, place: int) -> float:
        return self.strands[place].target_tokens / len(self.strands[place].rows)


def _mean_length(rows: Dataset[Row]) -> float:
    probes = range(0, len(rows), max(1, len(rows) // PROBES))
    return sum(len(rows.draw(index, 0).ids) for index in probes) / len(probes)


def drawing_of(
    sources: Sequence[TokenSource],
    sequences: SequenceBuilder,
    context_length: int,
    *,
    seed: int,
    mix: Mapping[str, float] | None = None,
    reverse: float = 0.0,
) -> Drawing:
    """The training rows of some corpora and their order.

    Without a mixture and without reversed documents it is one permutation of all rows an epoch.

    Args:
        sources: The corpora.
        sequences: From segments to ids.
        context_length: Of the model.
        seed: Of the order, and of what is random in rows.
        mix: Share of target tokens by modality.
        reverse: Share of captioned documents that are learned from payload to caption.

    Raises:
        OptionError: The mixture does not fit the corpora, or there is nothing to reverse.
    """
    check_reverse(reverse)
    if reverse and not any(source.is_reversible for source in sources):
        raise OptionError(
            f"reverse is {reverse:g}, but no corpus has captions that could be learned from what they describe; "
            f"leave it out"
        )
    if mix is not None:
        check_mix(mix, [source.modality for source in sources])
    strands = strands_of(sources, sequences, context_length, held_out=False, seed=seed, backward=reverse > 0)
    rows = Rows([strand.rows for strand in strands])
    rates = row_rates(strands, mix, reverse) if strands else np.empty(0)
    counts = [len(strand.rows) for strand in strands]
    plain = mix is None and not any(strand.backward for strand in strands)
    order = SampleOrder(len(rows), seed) if plain else MixtureOrder(counts, rates, seed)
    return Drawing(rows, order, strands, rates)


def held_out_of(
    sources: Sequence[TokenSource],
    sequences: SequenceBuilder,
    context_length: int,
    *,
    tokens: int,
    mix: Mapping[str, float] | None = None,
    reverse: float = 0.0,
) -> Rows:
    """What is evaluated on: evenly spaced validation rows of about so many tokens, of each strand as many as training
    has in proportion, so that the held-out loss is of the same mixture as the loss of training."""
    strands = strands_of(sources, sequences, context_length, held_out=True, seed=None, backward=reverse > 0)
    if not strands or (mix is None and not any(strand.backward for strand in strands)):
        return Rows([Spread(Rows([strand.rows for strand in strands]), max(1, tokens // context_length))])
    present = {strand.modality for strand in strands}
    shares = None if mix is None else {name: share for name, share in mix.items() if name in present}
    rates = row_rates(strands, shares, reverse)
    length = float(np.dot(rates, [_mean_length(strand.rows) for strand in strands]))
    counts = apportion(rates, max(round(tokens / length), len(strands)))
    return Rows([Spread(strand.rows, int(count)) for strand, count in zip(strands, counts, strict=True)])
