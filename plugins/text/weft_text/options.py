"""Preparation options of text."""

from __future__ import annotations

from dataclasses import dataclass

import weft


@dataclass(frozen=True, slots=True)
class TextOptions:
    """What ``--set text.NAME=VALUE`` sets.

    Attributes:
        vocab_size: Ids of the byte-level BPE to aim at; learning stops earlier where no pair occurs twice. ``None``
            follows from the cleaned bytes of the training part, which are known only after reading: 512 at 1 MB.
        min_chars: Fewest characters of a sample, white space at its ends not counted.
        max_chars: Most characters of a sample; ``None`` sets no limit.

    Raises:
        ValueError: ``max_chars`` is below ``min_chars``.
    """

    vocab_size: int | None = weft.option(
        None, "tokens in the vocabulary; auto grows with the amount of text", minimum=256, maximum=262_144
    )
    min_chars: int = weft.option(1, "reject samples with fewer characters", minimum=1)
    max_chars: int | None = weft.option(None, "reject samples with more characters; auto sets no limit", minimum=1)

    def __post_init__(self) -> None:
        if self.max_chars is not None and self.max_chars < self.min_chars:
            raise ValueError(f"text.max_chars ({self.max_chars}) is below text.min_chars ({self.min_chars})")
