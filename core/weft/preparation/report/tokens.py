"""Statistics of captions and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc  # type: ignore[import-untyped]

from weft.interfaces.codec import CodecFacts
from weft.preparation.report.histogram import Histogram, histogram
from weft.storage.tokens import TokenLayer

FREQUENT = 10
"""Captions that are listed."""
MOST_TOKENS = 1 << 26
"""Tokens that are counted by id; of more, evenly spaced samples."""


@dataclass(frozen=True, slots=True)
class Captions:
    """What is known of the captions or prompts of kept samples.

    Attributes:
        samples: Kept samples.
        captioned: Those that have one.
        different: Different ones.
        lengths: Their lengths in characters.
        frequent: The most frequent, and how often each occurs.
    """

    samples: int
    captioned: int
    different: int
    lengths: Histogram | None
    frequent: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What is known of the tokens of payloads.

    Attributes:
        modality: Of the codec.
        codec: Its registered name.
        total: Tokens of all parts.
        vocab_size: Ids that there are.
        used: Ids that occur.
        effective: As many equally frequent ids would be as hard to guess: the exponential of the entropy.
        counted: Tokens that ``used`` and ``effective`` are of.
        lengths: Tokens of each part.
        quality: How well the codec does on held-out samples, by name.
        rates: Further facts, ready to be read.
    """

    modality: str
    codec: str
    total: int
    vocab_size: int
    used: int
    effective: float
    counted: int
    lengths: Histogram | None
    quality: Sequence[tuple[str, float]]
    rates: Sequence[str]


def caption_statistics(parts: Any) -> Captions | None:
    """Of the table of parts; ``None`` where no sample has a caption."""
    firsts = parts.filter(pc.equal(parts.column("part"), 0))
    prompts = pc.drop_null(firsts.column("prompt"))
    if not len(prompts):
        return None
    counted = pc.value_counts(prompts.combine_chunks())
    pairs = zip(counted.field("counts").to_pylist(), counted.field("values").to_pylist(), strict=True)
    frequent = sorted(pairs, key=lambda pair: (-pair[0], pair[1]))[:FREQUENT]
    lengths = np.asarray(pc.utf8_length(prompts), dtype=np.float32)
    return Captions(
        samples=firsts.num_rows,
        captioned=len(prompts),
        different=len(counted),
        lengths=histogram("characters of a caption", lengths, unit="characters"),
        frequent=[(text, number) for number, text in frequent],
    )


def token_statistics(modality: str, entry: dict[str, Any], layer: TokenLayer, facts: CodecFacts | None) -> Tokens:
    """Of one layer.

    Args:
        modality: Of the codec.
        entry: What the manifest says of the codec.
        layer: Its tokens.
        facts: Of the codec; ``None`` where it cannot be loaded.
    """
    counts = _counts(layer, int(entry["vocab_size"]))
    shares = counts[counts > 0] / max(1, counts.sum())
    return Tokens(
        modality=modality,
        codec=str(entry["name"]),
        total=layer.total,
        vocab_size=int(entry["vocab_size"]),
        used=len(shares),
        effective=float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0,
        counted=int(counts.sum()),
        lengths=histogram("tokens of a part", layer.lengths.astype(np.float32), unit="tokens"),
        quality=sorted((name.replace("_", " "), float(value)) for name, value in entry["quality"].items()),
        rates=_rates(facts),
    )


def _counts(layer: TokenLayer, vocab_size: int) -> npt.NDArray[np.int64]:
    """How often each id occurs, in all payloads or in evenly spaced ones."""
    step = max(1, -(-layer.total // MOST_TOKENS))
    counts = np.zeros(vocab_size, np.int64)
    if step == 1:
        for start in range(0, len(layer), 4096):
            several = [layer.view(row) for row in range(start, min(start + 4096, len(layer)))]
            counts += np.bincount(np.concatenate(several), minlength=vocab_size)[:vocab_size]
        return counts
    for row in range(0, len(layer), step):
        counts += np.bincount(layer.view(row)[:MOST_TOKENS], minlength=vocab_size)[:vocab_size]
    return counts


def _rates(facts: CodecFacts | None) -> list[str]:
    if facts is None:
        return []
    rates = []
    if facts.grid is not None:
        rates.append(f"{facts.grid[0]} × {facts.grid[1]} codes an image")
    if facts.length is not None:
        rates.append(f"always {facts.length} tokens")
    if facts.tokens_per_second is not None:
        rates.append(f"{facts.tokens_per_second:.4g} tokens a second")
    return rates
